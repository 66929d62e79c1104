"""Dropout on a processor, where torch's draws for each number from its generator, in one thread."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from . import native

STEPS = 2**16
"""A number is dropped or not by 16 random bits: 0.1 becomes 6554 / 65536."""


class Dropout(ctypes.Structure):
    """What is dropped, by two words drawn once a call and a number's place: see native_learning.h."""

    _fields_ = (*((name, ctypes.c_uint32) for name in ("first", "second", "below")), ("by", ctypes.c_float))

    @classmethod
    def drawn(cls, p: float) -> "Dropout":
        """From torch's generator, if anything is to be dropped."""
        zeros = round(p * STEPS)
        if not zeros:
            return cls(0, 0, 0, 1.0)
        words = int(torch.randint(2**62, (1,)))
        return cls(words % 2**32, words >> 32, min(zeros * STEPS, 2**32 - 1), STEPS / (STEPS - zeros) if zeros < STEPS else 0.0)


def dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    """Each number of x is zero with probability p, else larger by so much that the mean stays."""
    zeros = round(p * STEPS)
    if not zeros:
        return x
    if x.device.type == "cpu" and x.dtype in native.DTYPES and native.there(x.dtype):
        made: torch.Tensor = _Dropped.apply(x, Dropout.drawn(p))
        return made
    # one draw of 64 bits serves four
    bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None).view(torch.int16)
    kept = (bits[: x.numel()] > zeros - STEPS // 2 - 1).view(x.shape).to(x.dtype)
    return x * kept.mul_(STEPS / max(1, STEPS - zeros))


class _Dropped(torch.autograd.Function):
    """By a kernel, by which nothing is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dropout: Dropout) -> torch.Tensor:
        ctx.dropout = dropout
        return _multiplied(x, dropout)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, back: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _multiplied(back, ctx.dropout), None


def _multiplied(x: torch.Tensor, dropout: Dropout) -> torch.Tensor:
    x = x.contiguous()
    out = torch.empty_like(x)
    native.library(x.dtype).dropped(native.at(x), native.at(out), ctypes.c_int64(x.numel()), ctypes.byref(dropout))
    return out


def make_quick(modules: Sequence[Any]) -> None:
    """The dropout of these models becomes the one above; what they save stays the same."""

    class Quick(torch.nn.Dropout):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return dropped(x, self.p) if self.training else x

    for part in [part for module in modules for part in module.modules()]:
        for name, child in part.named_children():
            if type(child) is torch.nn.Dropout and not child.inplace:
                setattr(part, name, Quick(child.p))
