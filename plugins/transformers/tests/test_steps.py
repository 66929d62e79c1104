"""Steps of fixed shapes make the tokens that growing ones make, by tables of one piece of memory, recorded or done anew."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_transformers.answering.generate import StopTexts
from plmtasks_transformers.fast import Draws, device, door, enter, masks
from plmtasks_transformers.fast import steps as fixed
from plmtasks_transformers.fast.beams import BeamDecoding, Search
from plmtasks_transformers.fast.decoding import Decoding, End
from plmtasks_transformers.fast.graphs import Graphs, Repeats
from plmtasks_transformers.fast.steps import FixedSteps, few
from plmtasks_transformers.fast.trees import Prefix
from test_decoding import APART, ENDS, PROCESSED, PROMPTS, padded, say, small
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from plmtasks.config import Generation
from plmtasks.errors import ModelWarning
from plmtasks.requests import Generate

NAMES = ["gpt2", "llama", "qwen2", "qwen3", "opt", "bloom", "t5", "bart", "marian"]


class Tape(TorchDispatchMode):
    """A record as a GPU makes it, on a processor: operations on the very same tensors, and nothing of Python between them."""

    def __init__(self, device):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, made))
        return made

    def __call__(self, step, undo):
        tape = Tape(None)
        with tape:
            step()
        undo()
        return tape.replay

    def replay(self):
        for func, args, kwargs, made in self.done:
            for old, new in zip(tree_leaves(made), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, torch.Tensor) and old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)


@pytest.fixture
def recorded(monkeypatch):
    """The processor replays steps, of small shapes; for each its calls, those that record it among them."""
    calls = []

    class Counted(Repeats):
        def __call__(self, step, undo):
            own = []
            calls.append(own)

            def counted():
                own.append(step())

            return super().__call__(counted, undo)

    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(recorder=Counted))
    monkeypatch.setattr(fixed, "ROWS", (1, 4))
    monkeypatch.setattr(fixed, "TOKENS", (4, 8))
    monkeypatch.setattr(door, "_SEEN", {})
    return calls


def model(name):
    return small(name, **(APART if name in ("t5", "bart", "marian") else {}))


def made(module, steps, prompts=PROMPTS, ends=ENDS, prefix=None, draws=None, **settings):
    loop = Decoding(ends, StopTexts(say), 8, prefix, draws)
    loop.fixed = steps
    rows = module.generate(**padded(module, prompts), max_new_tokens=12, custom_generate=loop, **settings)
    return [say(row) for row in rows], [len(row) for row in rows]


@pytest.mark.parametrize("processed", [{}, PROCESSED], ids=["plain", "processed"])
@pytest.mark.parametrize("name", NAMES)
def test_the_tokens_of_growing_steps(recorded, name, processed):
    """Batch after batch in the same memory: another order, fewer rows, then the first again."""
    module = model(name)
    steps = FixedSteps(module)
    with torch.inference_mode():
        for batch in (range(6), range(5, -1, -1), (3, 1), range(6)):
            prompts, ends = [PROMPTS[i] for i in batch], [ENDS[i] for i in batch]
            given = {"prompts": prompts, "ends": ends, "do_sample": False, **processed}
            assert made(module, steps, **given) == made(module, None, **given)
    assert any(len(calls) > 3 for calls in recorded)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_goes_by_its_memory_alone(recorded, monkeypatch, name):
    """What Python knows may change from step to step: the operations that were recorded at the first must do for all."""
    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(recorder=Tape))
    module, found = model(name), []
    masks.make_unasked(module)
    with torch.inference_mode():
        for steps in (FixedSteps(module), None):
            found.append([])
            for batch in (range(6), range(5, -1, -1), (3, 1), range(6)):
                prompts, ends = [PROMPTS[i] for i in batch], [ENDS[i] for i in batch]
                found[-1].append(made(module, steps, prompts=prompts, ends=ends, do_sample=False))
            loop = BeamDecoding(Search(3, 1.0, False), [End(9, ())] * 6, StopTexts(say), 8)
            loop.fixed = steps
            found[-1].append(module.generate(**padded(module), custom_generate=loop, max_new_tokens=9, do_sample=False))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_what_recorded_steps_go_by_is_theirs_alone(recorded, name):
    """A step that was recorded is done as it is: no memory is had anew for a batch that fits, and no step is recorded again."""
    module = model(name)
    steps = FixedSteps(module)
    with torch.inference_mode():
        made(module, steps, do_sample=False)
        memory, count = {n: x.data_ptr() for n, x in steps._room.items()}, len(recorded)
        made(module, steps, do_sample=False)
        assert {n: x.data_ptr() for n, x in steps._room.items()} == memory
        assert len(recorded) == count
        made(module, steps, prompts=PROMPTS * 3, ends=ENDS * 3, do_sample=False)
        assert {n: x.data_ptr() for n, x in steps._room.items()} != memory
        assert len(recorded) > count


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2", "t5"])
def test_drawn_tokens(recorded, name):
    module = model(name)
    steps = FixedSteps(module)
    draws = [Generate(text="", repeat=i).seed(7) for i in range(18)], [str(p) for p in PROMPTS for _ in range(3)]
    given = {"prompts": [p for p in PROMPTS for _ in range(3)], "ends": [e for e in ENDS for _ in range(3)], "do_sample": True}
    with torch.inference_mode():
        for _ in range(2):
            assert made(module, steps, draws=Draws(*draws), **given) == made(module, None, draws=Draws(*draws), **given)


@pytest.mark.parametrize("name", ["gpt2", "llama", "opt", "bloom"])
def test_prompts_that_begin_alike(recorded, name):
    module = model(name)
    begin = [7, 41, 18, 25, 33, 9, 14, 50, 21]
    given = {"prompts": [begin + p for p in PROMPTS], "prefix": Prefix(np.array(begin)), "do_sample": False}
    with torch.inference_mode():
        assert made(module, FixedSteps(module), **given) == made(module, None, **given)


@pytest.mark.parametrize("search", [Search(4, 1.0, False), Search(3, 0.0, True), Search(2, 0.5, "never")])
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5", "bart"])
def test_beams(recorded, name, search):
    module, found = model(name), []
    settings = {"do_sample": False, "max_new_tokens": 9, "repetition_penalty": 1.2, "eos_token_id": [2, 7, 24, 30, 51]}
    with torch.inference_mode():
        for steps in (FixedSteps(module), None):
            batches = []
            for batch in (range(6), (4, 1), range(6)):
                loop = BeamDecoding(search, [End(9, ENDS[i].stop) for i in batch], StopTexts(say), 8)
                loop.fixed = steps
                batches.append(module.generate(**padded(module, [PROMPTS[i] for i in batch]), custom_generate=loop, **settings))
            found.append(batches)
    assert found[0] == found[1]
    assert any(len(calls) > 3 for calls in recorded)


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_no_row_gets_a_position_that_the_model_does_not_know(recorded, name):
    """A long prompt that is done early is computed along while others go on, up to the last position that there is."""
    module, limit = model(name), 64
    prompts = [[5] * 61, [9, 31, 7]] if name == "gpt2" else [[5] * 9, [9, 31]]
    ends = [End(3, ()), End(limit - 3 if name == "gpt2" else limit, ())]
    with torch.inference_mode():
        loops = []
        for steps in (FixedSteps(module), None):
            loop = Decoding(ends, StopTexts(say), 0)
            loop.fixed = steps
            given = {"max_new_tokens": ends[1].new, "do_sample": False, "eos_token_id": None}
            loops.append(module.generate(**padded(module, prompts), custom_generate=loop, **given))
    assert loops[0] == loops[1]
    assert [len(row) for row in loops[0]] == [end.new for end in ends]


@given(st.integers(1, 5000), st.sampled_from([(8, 64), (128, 512)]))
def test_shapes_are_few_and_fit(count, sizes):
    size = few(count, *sizes)
    assert count <= size < max(2 * count, sizes[0] + 1)
    assert few(size, *sizes) == size
    every = sorted({few(n, *sizes) for n in range(1, 5000)})
    assert all(b <= 2 * a for a, b in pairwise(every))


@pytest.mark.parametrize("family", ["decoder", "sequence-to-sequence"])
@pytest.mark.parametrize("generation", [Generation(), Generation(num_beams=2)], ids=["greedy", "beams"])
def test_a_model_takes_them_where_its_device_replays_them(load, examples, recorded, family, generation):
    requests, _ = examples("Generate", 6)
    plain = load(family, requests[0], kernels="plain", generation=generation).answer(requests)
    loaded = load(family, requests[0], kernels="torch", generation=generation)
    assert loaded.ways.fixed
    recorded.clear()
    assert loaded.answer(requests) == plain
    assert recorded


def test_a_step_that_cannot_be_recorded_is_done_as_before(load, examples, recorded, monkeypatch):
    class Broken(Repeats):
        def __call__(self, step, undo):
            raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(recorder=Broken))
    requests, _ = examples("Generate", 6)
    with pytest.warns(ModelWarning, match="'fixed' is not taken for gpt2: RuntimeError: operation not permitted when stream is"):
        loaded = load("decoder", requests[0], kernels="torch")
    assert loaded.ways.decoding
    assert not loaded.ways.fixed
    assert loaded.answer(requests) == load("decoder", requests[0], kernels="plain").answer(requests)


def test_a_step_that_gives_other_tokens_is_not_taken(load, examples, recorded, monkeypatch):
    class Stuck(Repeats):
        def __call__(self, step, undo):
            step()  # whoever forgets to undo has read a token twice
            return step

    monkeypatch.setitem(device.DEVICES, "cpu", device.DEVICES["cpu"]._replace(recorder=Stuck))
    module = small("llama")
    with pytest.warns(ModelWarning, match="'fixed' is not taken for llama: it gives other numbers"):
        assert not enter(module, "torch", ["decoding", "fixed"]).fixed


def on_gpu(module):
    if not torch.cuda.is_available():
        pytest.skip("a CUDA device is needed")
    return module.to("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_replays_what_it_does_step_by_step(name, monkeypatch):
    """The record and its twin without one, on the same device: the same kernels in the same order."""
    module = on_gpu(model(name))
    monkeypatch.setattr(fixed, "ROWS", (1, 4))
    monkeypatch.setattr(fixed, "TOKENS", (4, 8))
    found = []
    with torch.inference_mode():
        for recorder in (Graphs, Repeats):
            monkeypatch.setitem(device.DEVICES, "cuda", device.DEVICES["cuda"]._replace(recorder=recorder))
            steps = FixedSteps(module)
            batches = []
            for batch in (range(6), (3, 1), range(6)):
                prompts, loop = [PROMPTS[i] for i in batch], Decoding([ENDS[i] for i in batch], StopTexts(say), 8)
                loop.fixed = steps
                inputs = {name: x.to("cuda") for name, x in padded(module, prompts).items()}
                batches.append(module.generate(**inputs, max_new_tokens=12, do_sample=False, custom_generate=loop))
            found.append(batches)
    assert found[0] == found[1]


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5"])
def test_a_gpu_takes_them_by_the_door(name):
    module = on_gpu(model(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ModelWarning)
        assert enter(module, "torch", ["decoding", "fixed"]).fixed


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5"])
def test_a_step_on_a_gpu_waits_for_nothing(name):
    """CUDA says itself what would wait: between the reading of two tokens nothing does."""
    module = on_gpu(model(name))
    enter(module, "torch", ["decoding", "fixed"])
    steps = FixedSteps(module)
    whole = FixedSteps.__call__

    def watched(ids):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return whole(steps, ids)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    class Watched(FixedSteps):
        def __call__(self, ids):
            return watched(ids) if self._shape in self._steps and self._filled < self._shape.tokens else whole(self, ids)

    steps.__class__ = Watched
    with torch.inference_mode():
        loop = Decoding([End(12, ())] * 6, StopTexts(say), 0)
        loop.fixed = steps
        inputs = {name: x.to("cuda") for name, x in padded(module).items()}
        module.generate(**inputs, max_new_tokens=12, do_sample=False, custom_generate=loop)
