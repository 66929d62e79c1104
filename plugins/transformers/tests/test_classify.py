"""Classify: probabilities and truncation."""

import pytest
import torch
import transformers
from plmtasks_transformers.fast.readout import FIRST_TOKEN_TYPES, first_token_alone

from plmtasks.errors import InputError
from plmtasks.requests import Classify, ClassifyAnswer

LABELS = ("a", "b", "c")
LONG = Classify(text=" ".join(["nurse"] * 300 + ["lamp"]), labels=LABELS)
SHORT = Classify(text="the nurse", labels=LABELS)


def test_probabilities(load):
    one = load("encoder", SHORT).answer([SHORT])[0].scores
    assert sum(one) == pytest.approx(1)
    many = Classify(text="the nurse", labels=LABELS, multi_label=True)
    loaded = load("encoder", many)
    scores = loaded.answer([many])[0].scores
    assert sum(scores) != pytest.approx(1)
    loss, count = loaded.loss([many], [ClassifyAnswer(scores=(1.0, 0.0, 1.0))])
    expected = -sum(torch.tensor(p if wanted else 1 - p).log() for p, wanted in zip(scores, (1, 0, 1), strict=True)) / 3
    assert float(loss.detach()) / count == pytest.approx(float(expected), rel=1e-4)


def test_some_of_the_labels_share_all_probability(load):
    loaded = load("encoder", SHORT)
    [whole] = loaded.answer([SHORT])
    [part] = loaded.answer([Classify(text="the nurse", labels=("c", "a"))])
    assert part.scores[0] / part.scores[1] == pytest.approx(whole.scores[2] / whole.scores[0], rel=1e-4)
    assert sum(part.scores) == pytest.approx(1)


@pytest.mark.parametrize(("policy", "ends"), [("auto", False), ("right", False), ("skip", False), ("left", True)])
def test_too_long(load, policy, ends):
    loaded = load("encoder", SHORT, truncation=policy)
    [cost] = loaded.costs([LONG])
    assert (cost.width, cost.cut) == (256, 301 + 2 - 256)
    ids = loaded.encodings([LONG])[0].windows[0].ids
    assert (loaded.tokenizer.convert_tokens_to_ids("lamp") in ids) == ends
    assert loaded.costs([SHORT])[0].cut == 0


def test_too_long_is_an_error_if_wanted(load):
    loaded = load("encoder", SHORT, truncation="error")
    loaded.costs([SHORT])
    with pytest.raises(InputError, match="303 tokens, 'tiny-bert' takes 256: 'nurse nurse"):
        loaded.costs([SHORT, LONG])


def test_of_a_pair_the_longer_text_is_cut(load):
    pair = Classify(text="the lamp", text_pair=" ".join(["nurse"] * 300), labels=LABELS)
    loaded = load("encoder", SHORT)
    encoding = loaded.encodings([SHORT, pair])[1]
    assert (len(encoding.windows[0].ids), encoding.cut) == (256, 300 + 2 + 3 - 256)
    assert encoding.windows[0].types.tolist() == [0] * 4 + [1] * 252
    assert loaded.answer([pair, SHORT])[1] == loaded.answer([pair, SHORT])[1]


def test_a_decoder_with_a_classification_head(load, tiny, tmp_path):
    from plmtasks_transformers.models import Hub

    loaded = load("decoder", SHORT)
    loaded.save(tmp_path)
    model = Hub().make(str(tmp_path))
    assert model.family == "decoder"
    assert model.answers[0] == "Classify"
    requests = [SHORT, Classify(text="the nurse happily found the lamp", labels=LABELS)]
    together = load(model, SHORT).answer(requests)
    assert together[0].scores == pytest.approx(load(model, SHORT).answer([SHORT])[0].scores, abs=1e-5)


@pytest.mark.parametrize("head", ["SequenceClassification", "MultipleChoice"])
@pytest.mark.parametrize("model_type", sorted(FIRST_TOKEN_TYPES))
def test_the_first_token_alone_gives_what_all_give(model_type, head):
    torch.manual_seed(0)
    small = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    dropout = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob", "summary_last_dropout"), 0.0)
    config = transformers.CONFIG_MAPPING[model_type](**small, **dropout)
    module = getattr(transformers, f"AutoModelFor{head}").from_config(config)
    ids = torch.randint(3, 99, (3, 9))
    asked = ids[:, None] if head == "MultipleChoice" else ids
    whole = module(input_ids=asked).logits
    whole.sum().backward()
    wanted = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    with first_token_alone(module, None):
        read = module(input_ids=asked).logits
    read.sum().backward()
    assert torch.allclose(read, whole, atol=1e-6)
    assert all(torch.allclose(p.grad, wanted[name], atol=1e-5) for name, p in module.named_parameters() if name in wanted)
    assert module.base_model(input_ids=ids).last_hidden_state.shape == (3, 9, 32)
