"""Models from a configuration, with a tokenizer learned from the texts or given beside it."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
import transformers
from plmtasks_transformers.checkpoints import files
from plmtasks_transformers.models import vocabulary
from plmtasks_transformers.models.scratch import Configurations

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.data import events
from plmtasks.errors import DataError, ModelError
from plmtasks.requests import Generate, LogLikelihood

SHAPES = {
    "encoder": {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    },
    "decoder": {"model_type": "gpt2", "n_embd": 32, "n_layer": 1, "n_head": 2},
    "sequence-to-sequence": {"model_type": "t5", "d_model": 32, "d_kv": 16, "d_ff": 32, "num_layers": 1, "num_heads": 2},
}
HEADS = {
    "encoder": transformers.AutoModelForMaskedLM, "decoder": transformers.AutoModelForCausalLM,
    "sequence-to-sequence": transformers.AutoModelForSeq2SeqLM,
}  # fmt: skip
TEXTS = [t for e in events("train", 200) for t in (e.english(), e.chinese())]
FORM = LogLikelihood(text=TEXTS[0])

MAKE = """
import sys, pathlib
from plmtasks.data import events
from plmtasks_transformers.models.scratch import Configurations
texts = [t for e in events("train", 200) for t in (e.english(), e.chinese())]
for path in sys.argv[2:]:
    Configurations().make(path).make(iter(texts), 5, pathlib.Path(sys.argv[1]) / pathlib.Path(path).stem)
"""


@pytest.fixture
def config(tmp_path):
    def config(family, size=600, **more):
        path = tmp_path / f"{family}.json"
        path.write_text(json.dumps({**SHAPES[family], "vocab_size": size, **more}))
        return path

    return config


@pytest.mark.parametrize("family", SHAPES)
def test_it_learns_and_the_library_loads_it(config, tmp_path, family):
    model = Configurations().make(str(config(family)))
    assert (model.name, model.family, model.from_scratch, model.newly_initialized(FORM)) == (
        f"scratch:{family}",
        family,
        True,
        True,
    )
    made = model.make(iter(TEXTS), 1, tmp_path / "made")
    assert made.newly_initialized(FORM)
    requests = [LogLikelihood(text=t) for t in TEXTS[:32]]
    [view] = made.learner([FORM], ModelSettings(), TrainSettings(), "cpu")
    optimizer = torch.optim.AdamW(view.module.parameters(), lr=5e-3)
    torch.manual_seed(0)
    losses = []
    for _ in range(12):
        loss, count = view.loss(requests, [])
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item() / count)
    assert losses[-1] < 0.85 * losses[0]
    view.save(tmp_path / "trained")
    module = HEADS[family].from_pretrained(tmp_path / "trained")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "trained")
    assert module.config.vocab_size == len(tokenizer) <= 600
    assert type(module).__name__ == json.loads((tmp_path / "trained" / "config.json").read_text())["architectures"][0]
    text = TEXTS[0].lower() if family == "encoder" else "Ünknown Words 护士"
    back = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True).strip()
    assert back.replace(" ", "") == text.replace(" ", "")


@pytest.mark.slow
def test_the_same_texts_and_seed_give_the_same_bytes_in_every_process(config, tmp_path):
    paths = [config(family) for family in SHAPES]
    subprocess.run([sys.executable, "-c", MAKE, str(tmp_path / "there"), *map(str, paths)], check=True)
    for path in paths:
        Configurations().make(str(path)).make(TEXTS, 5, tmp_path / path.stem)
        assert files.hashes(tmp_path / path.stem) == files.hashes(tmp_path / "there" / path.stem)


def test_word_pieces_spell_what_they_have_not_seen_whole(real_data):
    lines = (real_data / "wikitext2" / "valid.txt").read_text(encoding="utf-8").splitlines()[:400]
    tokenizer = vocabulary.word_pieces(lines, 1000)
    assert tokenizer.get_vocab_size() == 1000
    pieces = tokenizer.encode("unrepeatable songs", add_special_tokens=False).tokens
    assert "".join(pieces).replace("##", "") == "unrepeatablesongs"
    assert 3 <= len(pieces) < 12
    again = vocabulary.word_pieces(iter(lines), 1000)
    assert again.to_str() == tokenizer.to_str()


def test_rare_characters_leave_room_for_pieces():
    tokenizer = vocabulary.word_pieces(["a" * 9 + chr(c) for c in range(0x4E00, 0x4E00 + 300)], 100)
    assert tokenizer.get_vocab_size() <= 100
    assert "aaa" in "".join(t for t in tokenizer.get_vocab())


GIVEN = {
    "bert-base-uncased": ("encoder", ["vocab.txt"], 30522),
    "gpt2": ("decoder", ["vocab.json", "merges.txt"], 50257),
    "t5": ("sequence-to-sequence", ["spiece.model"], 32128),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_a_vocabulary_beside_the_configuration_is_used(config, real_data, tmp_path, name):
    family, names, size = GIVEN[name]
    folder = tmp_path / "shape"
    folder.mkdir()
    for file in names:
        shutil.copy(real_data / "tokenizers" / name / file, folder)
    shutil.copy(config(family, size), folder / "config.json")
    model = Configurations().make(str(folder))
    assert model.name == "scratch:shape"
    made = model.make([], 0, tmp_path / "made")
    loaded = made.load(FORM, ModelSettings(dtype="float32"), "cpu")
    [answer] = loaded.answer([LogLikelihood(text="The nurse found the lamp.")])
    assert loaded.module.config.vocab_size == size
    assert answer.tokens == 6
    assert answer.log_likelihood < 0
    assert set(model.identity(FORM, ModelSettings())["tokenizer"]) == set(names)


def test_a_tokenizer_of_one_s_own_tells_the_configuration_where_texts_end(config, tmp_path):
    folder = tmp_path / "shape"
    vocabulary.learned(TEXTS, "decoder", 400, 0).save_pretrained(folder)
    shutil.copy(config("decoder", 400), folder / "config.json")
    made = Configurations().make(str(folder)).make([], 0, tmp_path / "made")
    loaded = made.load(Generate(text="a"), ModelSettings(dtype="float32"), "cpu")
    assert loaded.module.generation_config.eos_token_id == loaded.tokenizer.eos_token_id < 400


def test_another_configuration_is_another_identity(config):
    first = Configurations().make(str(config("encoder"))).identity(FORM, ModelSettings())
    assert first == Configurations().make(str(config("encoder"))).identity(FORM, ModelSettings())
    assert first != Configurations().make(str(config("encoder", 700))).identity(FORM, ModelSettings())


def test_what_is_no_configuration(config, tmp_path):
    with pytest.raises(ModelError, match="there is no configuration"):
        Configurations().make(str(tmp_path / "none.json"))
    path = tmp_path / "odd.json"
    path.write_text("{,}")
    with pytest.raises(DataError, match=r"odd\.json:1:2: expected JSON"):
        _ = Configurations().make(str(path)).family
    path.write_text('{"hidden_size": 3}')
    with pytest.raises(ModelError, match="names no model_type"):
        _ = Configurations().make(str(path)).answers
    with pytest.raises(ModelError, match=r"'scratch:encoder' cannot be made: "):
        Configurations().make(str(config("encoder", hidden_size=33))).make(TEXTS, 0, tmp_path / "made")
    path.write_text('{"model_type": "no-such-model"}')
    with pytest.raises(ModelError, match="no-such-model"):
        Configurations().make(str(path)).make(TEXTS, 0, tmp_path / "made")
    with pytest.raises(ModelError, match="no weights until it is made"):
        Configurations().make(str(config("encoder"))).load(FORM, ModelSettings(), "cpu")
