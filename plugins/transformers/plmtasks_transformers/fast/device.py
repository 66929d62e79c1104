"""What is done one way on a processor and another way on an accelerator: a row for each; and how numbers come there and back."""

from typing import Any, NamedTuple

import numpy as np
import torch

from .graphs import Graphs


class Device(NamedTuple):
    """What suits a kind of device."""

    apart: bool
    """Whether it computes by itself, while the host goes on: then numbers are sent and fetched without waiting, the next batch
    is begun before the answers to the one before it are read, and nothing in between waits for a number."""
    together: bool
    """Whether all trees of a batch are computed at once. One by one they need no padding, and keep a processor as busy."""
    kept: int
    """Tokens that a batch of texts to be made keeps for one computed at once: a step reads the weights for all rows together."""
    logits: int
    """Numbers of which likelihoods are read off at once: as many as a cache holds, and as a copy in float32 may take."""
    quick_dropout: bool
    """Whether one draw of random bits is to serve several numbers: a processor draws them in one thread."""
    sparse: bool
    """Whether torch has a kernel for it that leaves out blocks of a mask of one's own: see `trees.inputs_of`."""
    recorder: Any
    """What records the steps of decoding, so that few shapes of them are replayed; None: each has the shape that it needs."""


ACCELERATOR = Device(apart=True, together=True, kept=4, logits=2**26, quick_dropout=False, sparse=False, recorder=None)
DEVICES = {
    "cpu": Device(apart=False, together=False, kept=16, logits=2**18, quick_dropout=True, sparse=False, recorder=None),
    "cuda": ACCELERATOR._replace(sparse=True, recorder=Graphs),
    "mps": ACCELERATOR._replace(apart=False),  # nothing is pinned there: its memory is the host's
}
"""By their type as torch spells it; all others are accelerators."""


def device_of(device: torch.device | str) -> Device:
    return DEVICES.get(torch.device(device).type, ACCELERATOR)


def sent(table: np.ndarray, device: torch.device) -> torch.Tensor:
    """The same on the device; from pinned memory, of which it can be read while the host goes on."""
    made = torch.from_numpy(table)
    if not device_of(device).apart:
        return made.to(device)
    return made.pin_memory().to(device, non_blocking=True)


class Fetched:
    """Tensors on their way to the host."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        device = tensors[0].device
        apart = device_of(device).apart
        self._near = [x.to("cpu", non_blocking=apart) for x in tensors]
        self._there: Any = None
        if apart:
            self._there = torch.Event(device)
            self._there.record()

    def __call__(self) -> list[torch.Tensor]:
        """Waits until they are there."""
        if self._there is not None:
            self._there.synchronize()
        return self._near
