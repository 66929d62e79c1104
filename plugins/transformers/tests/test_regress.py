"""Regress: one output in the unit of the data, learned by its squared error; what is a head for it, and what is none."""

import json

import pytest
import torch
import transformers
from plmtasks_transformers.checkpoints.architectures import has_head, head_of
from plmtasks_transformers.models import Hub

from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.errors import InputError
from plmtasks.requests import Classify, Regress, RegressAnswer

PAIR = Regress(text="the nurse happily found the lamp", text_pair="the lamp was found", low=0.0, high=5.0)
LABELS = Classify(text="the nurse", labels=("calm", "glad"))
SETTINGS = ModelSettings(dtype="float32")


def config(**more):
    return {"model_type": "bert", "architectures": ["BertForSequenceClassification"], **more}


def test_a_published_checkpoint_answers_as_the_library_does(tiny, load, tmp_path):
    """As run_glue writes one for STS-B: one column, which nobody named, and perhaps no problem_type."""
    own = transformers.AutoConfig.from_pretrained(tiny["encoder"].source, num_labels=1)
    plain = transformers.BertForSequenceClassification.from_pretrained(tiny["encoder"].source, config=own).eval()
    plain.save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny["encoder"].source)
    tokenizer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["id2label"] == {"0": "LABEL_0"}
    model = Hub().make(str(tmp_path))
    assert not model.newly_initialized(PAIR)
    assert model.newly_initialized(LABELS)
    assert [*model.heads()] == ["Regress"]
    loaded = load(model, PAIR)
    assert loaded.newly_initialized == ()
    with torch.no_grad():
        wanted = float(plain(**tokenizer(PAIR.text, PAIR.text_pair, return_tensors="pt")).logits)
    assert loaded.answer([PAIR])[0].value == pytest.approx(wanted, abs=1e-6)


def test_the_loss_is_the_librarys(load, examples):
    requests, answers = examples("Regress", 6)
    loaded = load("encoder", requests[0])
    loaded.module.eval()
    loss, count = loaded.loss(requests, answers)
    wanted = [
        loaded.module(**loaded.tokenizer(r.text, return_tensors="pt"), labels=torch.tensor([a.value])).loss
        for r, a in zip(requests, answers, strict=True)
    ]
    assert loaded.module.config.problem_type == "regression"
    assert count == 6
    assert float(loss.detach()) / count == pytest.approx(float(sum(wanted).detach()) / 6, rel=1e-5)


def test_what_is_a_head_for_numbers():
    one, two = {"id2label": {"0": "LABEL_0"}}, {"id2label": {"0": "calm", "1": "glad"}}
    assert has_head(config(**one), PAIR)
    assert has_head(config(**one, problem_type="regression"), PAIR)
    assert has_head(config(id2label={"0": "similarity"}), PAIR)
    assert not has_head(config(**one, problem_type="multi_label_classification"), PAIR)
    assert not has_head(config(**two), PAIR)
    assert not has_head(config(**two, problem_type="regression"), PAIR)
    assert not has_head(config(), PAIR)  # the library makes two columns of it
    assert not has_head(config(**one) | {"architectures": ["BertForTokenClassification"]}, PAIR)
    assert not has_head(config(**one), LABELS)
    assert [head_of(config(**ids)) for ids in (one, two)] == ["Regress", "Classify with the labels calm, glad"]


def test_a_head_with_labels_is_made_anew_for_numbers_and_the_other_way_round(tiny, load, tmp_path):
    for number, (own, other) in enumerate([(LABELS, PAIR), (PAIR, LABELS)]):
        load("encoder", own, seed=1).save(tmp_path / str(number))
        model = tiny["encoder"].saved(tmp_path / str(number))
        assert [model.newly_initialized(request) for request in (own, other)] == [False, True]
        again = load(model, other, seed=2)
        assert again.newly_initialized == ("classifier.bias", "classifier.weight")
        assert again.module.config.num_labels == (1 if other is PAIR else 2)
        assert again.module.config.problem_type == ("regression" if other is PAIR else "single_label_classification")


def test_a_decoder_and_a_sequence_to_sequence_model_with_such_a_head(load, tmp_path):
    short = Regress(text="the nurse")
    for family, source in (("decoder", "decoder"), ("sequence-to-sequence", "sequence-to-sequence")):
        load(source, short).save(tmp_path / family)
        model = Hub().make(str(tmp_path / family))
        assert (model.family, model.answers[0]) == (family, "Regress")
        assert "Classify" not in model.answers
        together = load(model, short).answer([short, Regress(text="the nurse happily found the lamp")])
        assert together[0].value == pytest.approx(load(model, short).answer([short])[0].value, abs=1e-5)


def test_numbers_have_no_smoothing(tiny):
    with pytest.raises(InputError, match="label_smoothing_factor is for labels and tokens; Regress learns numbers"):
        tiny["encoder"].learner([PAIR], SETTINGS, TrainSettings(label_smoothing_factor=0.1), "cpu")


def test_an_error_names_what_is_wanted(load, tiny, tmp_path):
    load("encoder", LABELS).save(tmp_path)
    with pytest.raises(InputError, match="has no head for such a Regress request") as error:
        tiny["encoder"].saved(tmp_path).export(PAIR, SETTINGS, tmp_path / "out")
    assert "it has: Classify with the labels calm, glad\n  wanted: Regress" in str(error.value)


def test_values_of_any_size_are_answered(load):
    [view] = [load("encoder", PAIR)]
    loss, _ = view.loss([PAIR], [RegressAnswer(value=-12345.5)])
    assert float(loss.detach()) == pytest.approx(12345.5**2, rel=1e-3)
