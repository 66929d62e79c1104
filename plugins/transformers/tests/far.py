"""A device that is none: its tensors lie in the processor's memory, and whatever would wait for a real one is written down.

What runs on it takes the ways of an accelerator, with real numbers. As on a real one, tensors of two devices do not go into one
operation, and a number is read by a copy. To be entered in a process of its own: torch knows one such device, and keeps it.
"""

import json
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from plmtasks_transformers.fast import device as devices
from plmtasks_transformers.fast import trees
from plmtasks_transformers.fast.graphs import Repeats, Step
from plmtasks_transformers.models.scratch import TINY
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from conftest import PAIRS
from plmtasks.config import Generation, ModelSettings, TrainSettings
from plmtasks.data import events
from plmtasks.requests import to_json
from plmtasks.testing import solved

DEVICE = "far"
WAITS: list[str] = []
"""What would have waited for the device, each with the line of ours that it came from."""
READS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::masked_select", "aten::_unique2", "aten::unique_dim")
"""Operations whose result, or its shape, the host must know."""
STEPS: list[int] = []
"""One for each step that was replayed."""
PINNED: dict[int, torch.Tensor] = {}
"""What lies in pinned memory; kept, so that no other tensor comes to be known by its number."""


class Far(torch.Tensor):
    """A tensor on that device."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor, requires_grad: bool = False) -> "Far":
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=torch.device(DEVICE, 0), requires_grad=requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Far({self.held})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def waited(what: str) -> None:
    own = [f for f in traceback.extract_stack() if "plmtasks_transformers" in f.filename]
    WAITS.append(f"{what} at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else what)


def _near(value: Any) -> Any:
    return value.held if isinstance(value, Far) else value


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    far, near = [x for x in tensors if isinstance(x, Far)], [x for x in tensors if not isinstance(x, Far)]
    name, wanted = func.name().partition(".")[0], kwargs.get("device")
    to_far = wanted is not None and torch.device(wanted).type == DEVICE
    to_near = wanted is not None and not to_far
    copies = name == "aten::copy_" and far and near
    if copies or (name == "aten::_to_copy" and ((to_far and near) or (to_near and far))):
        free = kwargs.get("non_blocking") or (copies and len(args) > 2 and args[2])
        if not free or (near and not all(id(x) in PINNED for x in near)):
            waited(name)
    elif (
        name.startswith("aten::index")
        and far
        and near
        and isinstance(args[0], Far)
        and all(any(x is i for i in args[1]) for x in near)
    ):
        waited(f"{name} by the host's places")
    elif near and far and any(x.dim() for x in near):
        raise RuntimeError(f"{name} of tensors on two devices")
    if name in READS and far:
        waited(name)
    places = args[1] if name in ("aten::index", "aten::index_put", "aten::index_put_") and far else ()
    if any(x is not None and x.dtype == torch.bool for x in places):
        waited(f"{name} by bool")
    if name == "aten::repeat_interleave" and far and kwargs.get("output_size") is None:
        waited(name)
    kwargs = {n: torch.device("cpu") if n == "device" and v is not None else tree_map(_near, v) for n, v in kwargs.items()}
    made = func(*tree_map(_near, args), **({**kwargs, "pin_memory": False} if kwargs.get("pin_memory") else kwargs))
    if not (to_far or (far and not to_near)):
        return made
    if func._schema.is_mutable and far and isinstance(made, torch.Tensor):
        return args[0]
    return tree_map(lambda x: Far(x) if isinstance(x, torch.Tensor) and not isinstance(x, Far) else x, made)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """What torch does not hand on as operations."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.Tensor.pin_memory:
            made = args[0].clone()
            PINNED[id(made)] = made
            return made
        if func is torch.Tensor.__getitem__ and isinstance(args[0], Far):
            # torch sends lists there by itself
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            index = tuple(torch.tensor(i).to(args[0].device) if isinstance(i, list) else i for i in index)
            return func(args[0], index)
        wanted = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor) and wanted is not None and torch.device(wanted).type == DEVICE:
            return func(*args, **{**kwargs, "device": "cpu"}).to(wanted)
        return func(*args, **kwargs)


class Recorder(Repeats):
    """What a step does is to be recorded: on the way nothing may wait, and nothing come from the host."""

    def __call__(self, step: Step, undo: Step) -> Step:
        def recorded() -> None:
            before = len(WAITS)
            step()
            assert WAITS[before:] == []
            STEPS.append(1)

        return super().__call__(recorded, undo)


class _Event:
    def __init__(self, device: Any) -> None:
        assert torch.device(device).type == DEVICE

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        waited("an event")


@contextmanager
def entered() -> Iterator[None]:
    """Inside, there is the device."""
    if not hasattr(torch, DEVICE):
        _setup_privateuseone_for_python_backend(DEVICE)
        devices.DEVICES[DEVICE] = devices.device_of("cuda")._replace(recorder=Recorder, sparse=False)
    # inference mode knows no tensors of classes of one's own
    patched = mock.patch.multiple(torch, inference_mode=torch.no_grad, Event=_Event)
    with patched, _Operations(), _Calls():
        yield


def told(tiny: Any, near: Any, requests: Any, folder: Path) -> dict[str, Any]:
    """How a model answers on this device: how often it waits, and its answers.

    tiny: the model; near: it in the processor's memory, with the head that is asked
    """
    near.save(folder)
    WAITS.clear()
    loaded = tiny.saved(folder).load(requests[0], near.settings, f"{DEVICE}:0")
    loaded.costs(requests)
    WAITS.clear()
    STEPS.clear()
    begun = loaded.begin(requests)
    early, answers = list(WAITS), begun()
    ways = [name for name, taken in loaded.ways._asdict().items() if taken]
    return {
        "early": early,
        "late": WAITS[len(early) :],
        "answers": [to_json(a) for a in answers],
        "ways": ways,
        "ahead": loaded.ahead,
        "steps": len(STEPS),
    }


def learned(saved: Any, device: str, requests: Any, answers: Any) -> list[float]:
    """The loss of a batch, and the sum of all its gradients' squares."""
    [view] = saved.learner(requests[:1], ModelSettings(kernels="plain"), TrainSettings(), device)
    view.module.eval()  # what is dropped is drawn otherwise on each device
    view.module.tie_weights()  # torch moves weights that are one to tensors of a class of one's own one by one
    torch.manual_seed(0)
    loss, _ = view.loss(requests, answers)
    loss.backward()
    squares = sum((w.grad.double() ** 2).sum() for w in view.module.parameters() if w.grad is not None)
    return [float(loss.detach()), float(squares)]


def masked(dense: int | None) -> list[str]:
    """What waits while trees get their mask.

    dense: tokens up to which it is whole
    """
    sides = [trees.tree_of([np.arange(n) % 7 for n in some]) for some in ((5, 200), (3, 20, 90))]
    near = SimpleNamespace(device=torch.device(DEVICE, 0), dtype=torch.float32)
    WAITS.clear()
    trees.inputs_of(sides, None, near, 0, dense)
    return list(WAITS)


def main() -> None:
    """Prints as JSON what is told of each family and kind."""
    texts = [t for e in events("train") for t in (e.english(), e.chinese(), e.sentiment, "What mood is it?\nAnswer:")]
    plain = ModelSettings(dtype="float32", kernels="torch")
    searched = replace(plain, generation=Generation(num_beams=3))
    found: dict[str, Any] = {}
    with entered():
        found["masks"] = masked(None) + masked(0)
    with tempfile.TemporaryDirectory() as place:
        tiny = {t.family: t.make(texts, 0, Path(place, t.name)) for t in TINY}
        for family, kind in PAIRS:
            requests, answers = zip(*solved(kind, 8), strict=True)
            for settings in (plain, searched)[: 1 + (kind == "Generate")]:
                near = tiny[family].load(requests[0], settings, "cpu")
                near.costs(requests)
                name = f"{family} {kind}{' by beams' * (settings is searched)}"
                found[name] = {"expected": [to_json(a) for a in near.answer(requests)]}
                with entered():
                    found[name] |= told(tiny[family], near, requests, Path(place, name))
            saved = tiny[family].saved(Path(place, name))
            found[name]["learned"] = [learned(saved, "cpu", requests, answers)]
            with entered():
                found[name]["learned"].append(learned(saved, f"{DEVICE}:0", requests, answers))
            found[f"{family} {kind}"]["learned"] = found[name]["learned"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
