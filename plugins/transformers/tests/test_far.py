"""The ways of an accelerator, on a device that is none: the answers are the same, and nothing waits that need not."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from plmtasks_transformers.fast import Fetched, device_of, sent

from plmtasks.config import ModelSettings

STEPS = 8
"""Tokens that are made of the longest answer."""
BEFORE = 13
"""How often a batch of texts waits before its first token."""


@pytest.fixture(scope="module")
def found():
    """Family and kind → what is told of them; in a process of its own, since torch keeps the device."""
    done = subprocess.run([sys.executable, Path(__file__).with_name("far.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def leaves(value):
    parts = value.values() if isinstance(value, dict) else value
    return [leaf for part in parts for leaf in leaves(part)] if isinstance(value, (dict, list)) else [value]


def searches(found, family, kind):
    """What is told of a kind, by beams too where there are some."""
    return [told for name in (f"{family} {kind}", f"{family} {kind} by beams") if (told := found.get(name))]


@pytest.mark.slow
def test_its_answers_are_the_processor_s(found, family, kind):
    for told in searches(found, family, kind):
        expected = [pytest.approx(x, abs=1e-4) if isinstance(x, float) else x for x in leaves(told["expected"])]
        assert leaves(told["answers"]) == expected
        assert told["ahead"] == 1


@pytest.mark.slow
def test_it_learns_as_the_processor(found, family, kind):
    near, far = found[f"{family} {kind}"]["learned"]
    assert far == pytest.approx(near, rel=1e-4)
    assert min(near) > 0


@pytest.mark.slow
def test_nothing_waits_that_need_not(found, family, kind):
    """A batch is prepared, sent and computed without a number from the device, and its answers come in what it sends by itself.

    Of a text each token may be the last, and who is in the next step hangs on that. Before the first token the library asks what
    special tokens there are, and which rows are how long.
    """
    for told in searches(found, family, kind):
        early, late = told["early"], told["late"]
        if kind == "Generate":
            most = max(early, key=early.count)
            assert early.count(most) == STEPS
            assert len(early) - STEPS <= BEFORE
            assert late == []
        else:
            assert early == []
            assert {wait.partition(" at ")[0] for wait in late} == {"an event"}
    if kind == "Generate":
        plain, searched = searches(found, family, kind)
        # the first token needs none, and one step was done to record it; more shapes with beams
        assert plain["steps"] == STEPS
        assert searched["steps"] >= STEPS


@pytest.mark.gpu
def test_a_gpu_waits_no_more_than_that(tiny, examples, family, kind):
    """CUDA tells of all that waits but for events, by which the answers come."""
    if not torch.cuda.is_available():
        pytest.skip("a CUDA device is needed")
    requests, _ = examples(kind, 8)
    loaded = tiny[family].load(requests[0], ModelSettings(dtype="float32", kernels="torch"), "cuda")
    for _ in range(2):  # prefixes are read and steps recorded once
        loaded.costs(requests)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            begun = loaded.begin(requests)
            torch.cuda.set_sync_debug_mode("default")
        begun()
    waits = [warning for warning in told if "called a synchronizing" in str(warning.message)]
    assert len(waits) <= (BEFORE if kind == "Generate" else 0)


@pytest.mark.slow
def test_no_mask_of_a_tree_waits(found):
    assert found["masks"] == []


def test_numbers_go_to_a_device_and_back():
    table = np.arange(6).reshape(2, 3)
    there = sent(table, torch.device("cpu"))
    assert torch.equal(there, torch.arange(6).view(2, 3))
    assert [x.tolist() for x in Fetched(there, there > 2)()] == [table.tolist(), (table > 2).tolist()]


def test_all_but_a_processor_is_an_accelerator():
    assert not device_of("cpu").apart
    assert device_of("cuda:1")._replace(recorder=None, sparse=False) == device_of(torch.device("xpu"))
    assert device_of("cuda").apart


def test_an_accelerator_whose_memory_is_the_hosts_waits_for_its_copies():
    assert device_of("mps") == device_of("xpu")._replace(apart=False)
