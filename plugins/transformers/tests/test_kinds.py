"""What holds for every kind of request and every family."""

import copy

import pytest
import torch
import transformers
from plmtasks_transformers.answering import kind_of
from plmtasks_transformers.models import Hub

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError, ModelError
from plmtasks.requests import Classify, LogLikelihood, Request


def test_the_library_loads_what_was_saved(load, tiny, examples, tmp_path, family, kind):
    requests, _ = examples(kind, 1)
    load(family, requests[0]).save(tmp_path)
    library_class = getattr(transformers, kind_of(requests[0], family).head)
    _, info = library_class.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert Hub().make(str(tmp_path)).family == family


@pytest.mark.slow
def test_newly_initialized_come_from_the_seed_alone(load, examples, family, kind):
    requests, _ = examples(kind, 2)
    torch.manual_seed(1)
    first = load(family, requests[0], seed=3)
    torch.manual_seed(2)
    second, other = load(family, requests[0], seed=3), load(family, requests[0], seed=4)
    same = first.module.state_dict()
    assert all(torch.equal(value, same[name]) for name, value in second.module.state_dict().items())
    if first.newly_initialized:
        assert any(not torch.equal(value, same[name]) for name, value in other.module.state_dict().items())


def test_a_head_is_made_of_the_labels_asked(load, tiny):
    example_request = Classify(text="", labels=("c", "a", "b"))
    loaded = load("encoder", example_request)
    assert loaded.newly_initialized == ("classifier.bias", "classifier.weight")
    assert loaded.module.config.id2label == {0: "c", 1: "a", 2: "b"}
    assert tiny["encoder"].newly_initialized(example_request)
    with pytest.raises(InputError, match="no label 'd'"):
        loaded.answer([Classify(text="", labels=("a", "d"))])


def test_a_gpt_without_padding_token_is_left_as_it_is(load, tiny, examples, tmp_path):
    requests, _ = examples("Choose", 3)
    loaded = load("decoder", requests[0])
    before = copy.deepcopy(loaded.tokenizer.init_kwargs)
    loaded.tokenizer.pad_token = None
    loaded.answer(requests)
    loaded.save(tmp_path)
    saved = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert saved.pad_token is None
    assert before["pad_token"] is not None
    assert load(tiny["decoder"].saved(tmp_path), requests[0]).pad_id == saved.eos_token_id


def test_a_kind_that_nobody_here_answers(tiny):
    class Draw(Request):
        pass

    with pytest.raises(ModelError, match="not Draw"):
        tiny["encoder"].load(Draw(), ModelSettings(), "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Tag", "ExtractSpan", "LogLikelihood"])
def test_a_tokenizer_without_offsets(load, examples, kind):
    from dataclasses import replace

    requests, _ = examples(kind, 1)
    loaded = load("encoder", requests[0])
    slow = replace(loaded.parts, tokenizer=transformers.CanineTokenizer())
    with pytest.raises(ModelError, match=f"which {kind} needs"):
        type(loaded)(loaded.kind, slow, requests[0], loaded.ways)


def test_windows_are_no_way_to_cut_a_prompt(tiny, examples):
    requests, _ = examples("Choose", 1)
    with pytest.raises(InputError, match="--truncation window"):
        tiny["decoder"].load(requests[0], ModelSettings(truncation="window"), "cpu")
    with pytest.raises(InputError, match="--truncation left"):
        tiny["decoder"].load(LogLikelihood(text=""), ModelSettings(truncation="left"), "cpu")


def test_model_args_reach_the_library(load, examples):
    requests, _ = examples("LogLikelihood", 3)
    plain = load("decoder", requests[0])
    other = load("decoder", requests[0], model_args={"attn_implementation": "eager", "device_map": "cpu"})
    assert (plain.module.config._attn_implementation, other.module.config._attn_implementation) == ("sdpa", "eager")
    values = [[a.log_likelihood for a in loaded.answer(requests)] for loaded in (plain, other)]
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("decoder", requests[0], model_args={"attn_implementation": "no-such"})


def test_nothing_leaks_to_the_terminal(load, examples, capfd, family, kind):
    requests, answers = examples(kind, 3)
    loaded = load(family, requests[0])
    loaded.costs(requests)
    loaded.answer(requests)
    loaded.loss(requests, answers)
    assert capfd.readouterr() == ("", "")


def test_half_precision(load, examples, family, kind):
    requests, _ = examples(kind, 3)
    answers = load(family, requests[0], dtype="bfloat16").answer(requests)
    assert all(isinstance(a, r.answer_type) for r, a in zip(requests, answers, strict=True))
