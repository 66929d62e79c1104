"""The faster ways and the plain one answer alike; where a faster one no longer holds, the plain one is taken with a warning."""

import warnings

import pytest
import torch
from plmtasks_transformers.fast import PLAIN, Ways, door, kernels, readout, unpadding

from plmtasks.config import Generation
from plmtasks.errors import ModelWarning
from plmtasks.execution import environment
from plmtasks.requests import Classify, Generate, to_json

ONEDNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")
COMPILED = pytest.mark.skipif(environment._cpu_kernels("float32") != "compiled", reason="no kernels of float32 are chosen here")
SEARCHES = [Generation(), Generation(num_beams=3), Generation(max_new_tokens=5)]


@pytest.fixture
def fresh(monkeypatch):
    """Nothing is known yet of any model."""
    monkeypatch.setattr(door, "_SEEN", {})


def leaves(value):
    """All that a value of plain JSON holds, in order."""
    parts = value.values() if isinstance(value, dict) else value
    return [leaf for part in parts for leaf in leaves(part)] if isinstance(value, (dict, list)) else [value]


def alike(one, other):
    """Equal texts, labels and places, and numbers within 1e-4."""
    return leaves(to_json(one)) == [pytest.approx(x, abs=1e-4) if isinstance(x, float) else x for x in leaves(to_json(other))]


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["torch", pytest.param("onednn", marks=ONEDNN), pytest.param("compiled", marks=COMPILED)])
def test_all_ways_answer_alike(load, examples, kernel, family, kind):
    requests, _ = examples(kind, 12)
    for generation in SEARCHES if kind == "Generate" else SEARCHES[:1]:
        plain = load(family, requests[0], kernels="plain", generation=generation)
        fast = load(family, requests[0], kernels=kernel, generation=generation)
        assert plain.ways == PLAIN
        assert fast.ways != PLAIN
        answers = []
        for loaded in (plain, fast):
            loaded.costs(requests)  # what they share is found here
            answers.append(loaded.answer(requests))
        for one, other in zip(*answers, strict=True):
            assert alike(one, other)


def test_what_is_taken(load, examples, family, kind):
    requests, _ = examples(kind, 1)
    ways = load(family, requests[0]).ways
    wanted = {
        "encoder": Ways(unpadded=True, places=kind == "LogLikelihood", first_token=kind in ("Classify", "Regress", "Choose")),
        "decoder": Ways(trees=kind != "Generate", places=True, decoding=kind == "Generate"),
        "sequence-to-sequence": Ways(places=True, decoding=kind == "Generate"),
    }
    assert ways == wanted[family]


BROKEN = {
    "unpadded": (unpadding, "make_unpadded", "encoder", "Tag"),
    "first_token": (readout, "first_token_alone", "encoder", "Classify"),
    "places": (readout, "logits_at", "decoder", "LogLikelihood"),
    "trees": (door.trees, "inputs_of", "decoder", "Choose"),
    "decoding": (door, "own_loop", "decoder", "Generate"),
    "onednn": (kernels, "lay_out", "encoder", "LogLikelihood"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_library_without_a_private_name_costs_speed_and_one_warning(load, examples, monkeypatch, fresh, way):
    module, name, family, kind = BROKEN[way]
    requests, _ = examples(kind, 4)
    expected = load(family, requests[0], kernels="plain").answer(requests)

    def gone(*_, **__):
        raise AttributeError("module 'transformers' has no attribute '_no_more'")

    monkeypatch.setattr(module, name, gone)
    with pytest.warns(ModelWarning, match=rf"'{way}' is not taken for .* has no attribute '_no_more'") as told:
        loaded = load(family, requests[0], kernels="onednn")
    assert len([w for w in told if issubclass(w.category, ModelWarning)]) == 1
    assert not getattr(loaded.ways, way, False)
    loaded.costs(requests)
    assert all(alike(*pair) for pair in zip(loaded.answer(requests), expected, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelWarning)
        assert load(family, requests[0], kernels="onednn").ways == loaded.ways  # said once


def test_a_way_that_gives_other_numbers_is_not_taken(load, monkeypatch, fresh):
    example_request = Classify(text="the nurse", labels=("a", "b"))
    monkeypatch.setattr(unpadding, "SHORT", 0)
    monkeypatch.setattr(unpadding, "_answering", lambda layout, sides, scale: sides[2])
    with pytest.warns(ModelWarning, match="'unpadded' is not taken for bert: it gives other numbers"):
        loaded = load("encoder", example_request)
    assert not loaded.ways.unpadded
    assert loaded.module.config._attn_implementation == "sdpa"
    plain = load("encoder", example_request, kernels="plain")
    assert alike(loaded.answer([example_request])[0], plain.answer([example_request])[0])


def test_what_a_checkpoint_wants_of_generation_is_asked_of_each(load, tiny, tmp_path):
    """Whether our loop fits is no matter of the architecture alone."""
    example_request = Generate(text="the nurse", max_new_tokens=4)
    first = load("decoder", example_request)
    assert first.ways.decoding
    first.module.generation_config.guidance_scale = 1.5
    first.save(tmp_path)
    assert not load(tiny["decoder"].saved(tmp_path), example_request).ways.decoding
