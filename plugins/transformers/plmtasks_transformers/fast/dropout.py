"""Dropout whose random numbers are drawn four at a time."""

from collections.abc import Sequence
from typing import Any

import torch

STEPS = 2**16
"""A number is kept or not by 16 random bits: 0.1 becomes 6554 / 65536."""


def dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    """Each number of x is zero with probability p, else larger by so much that the mean stays.

    torch draws from its generator for each number, in one thread; here one draw of 64 bits serves four.
    """
    zeros = round(p * STEPS)
    if not zeros:
        return x
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None).view(torch.int16)
    kept = (bits[: x.numel()] > zeros - STEPS // 2 - 1).view(x.shape).to(x.dtype)
    return x * kept.mul_(STEPS / max(1, STEPS - zeros))


def make_quick(modules: Sequence[Any]) -> None:
    """The dropout of these models becomes the one above; what they save stays the same."""

    class Dropout(torch.nn.Dropout):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return dropped(x, self.p) if self.training else x

    for part in [part for module in modules for part in module.modules()]:
        for name, child in part.named_children():
            if type(child) is torch.nn.Dropout and not child.inplace:
                setattr(part, name, Dropout(child.p))
