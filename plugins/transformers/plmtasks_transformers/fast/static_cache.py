"""The static key-value cache: what rows attend to stays in place while tokens are added and rows leave."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicLayer

from .device import device_of, sent

Room = Callable[[int, torch.Tensor, int, int], torch.Tensor]
"""(0 for keys and 1 for values, such of some tokens, rows, tokens) → where theirs are to be, (rows, heads, tokens, d)."""
FEW = 16
"""Tokens for which there is memory at least."""


class StaticCacheLayer(DynamicLayer):
    """Keys and values of a layer in memory for tokens to come, so that none is copied when one is added."""

    keys: Any
    values: Any

    def __init__(self, rows: int, tokens: int, room: Room | None = None) -> None:
        """
        tokens: at most
        room: where there is memory for all of them at once; None: it is had as they come
        """
        super().__init__()
        self.rows, self.tokens, self.filled, self.room = rows, tokens, 0, room

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        both = key_states, value_states
        if self.room is None:
            self.places = [x.new_empty(self.rows, x.shape[1], 0, x.shape[3]) for x in both]
        else:
            self.places = [self.room(side, x, self.rows, self.tokens) for side, x in enumerate(both)]
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[2]
        self._reach(end)
        for place, states in zip(self.places, (key_states, value_states), strict=True):
            place[:, :, self.filled : end] = states
        return self._fill(end)

    def _reach(self, end: int) -> None:
        """Memory up to there and as much again: texts end early, and memory that is never used costs time too."""
        if end > self.places[0].shape[2]:
            space, old = min(self.tokens, max(FEW, 2 * end)), self.places
            self.places = [x.new_empty(self.rows, x.shape[1], space, x.shape[3]) for x in old]
            for place, states in zip(self.places, old, strict=True):
                place[:, :, : states.shape[2]] = states

    def put(self, some: slice, found: Sequence[torch.Tensor], lengths: Sequence[int], end: int) -> None:
        """What some rows have in the places before `end`: the prefix, and right behind it each row's own tokens.

        found: keys and values of the prefix and of the rows' own tokens, padded between the two
        lengths: of the rows' own tokens
        """
        if not self.is_initialized:
            self.lazy_initialization(*found)
        self._reach(end)
        prefix, device = found[0].shape[2] - max(lengths), found[0].device
        apart = bool(prefix) and device_of(device).apart
        if apart:  # one operation for all rows
            begins = np.array([[end - length - prefix] for length in lengths])
            row, at = torch.arange(some.start, some.stop, device=device)[:, None], sent(begins + np.arange(prefix), device)
        for place, states in zip(self.places, found, strict=True):
            place[some, :, : end - max(lengths)] = 0  # masked, but what was there may be no number
            place[some, :, end - max(lengths) : end] = states[:, :, prefix:]
            if apart:
                place[row, :, at] = states[0, :, :prefix].transpose(0, 1)
                continue
            for i, length in enumerate(lengths if prefix else (), some.start):
                place[i, :, end - length - prefix : end - length] = states[0, :, :prefix]
        self._fill(end)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        if len(indices) > self.rows:
            self.rows, old = len(indices), (self.keys, self.values)
            self.lazy_initialization(*old)
            self._reach(self.filled)
            for place, states in zip(self.places, old, strict=True):
                place[:, :, : self.filled] = states[indices]
        else:
            kept = [keep(states, indices) for states in (self.keys, self.values)]
            self.places = [place[: len(indices)] for place in self.places]
            self.rows = len(kept[0])
        self._fill(self.filled)

    def _fill(self, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.filled = end
        self.keys, self.values = (place[:, :, :end] for place in self.places)
        return self.keys, self.values


def closed_up(going: Sequence[bool]) -> list[int]:
    """Which row comes to each place: the last ones go where others left, and the rest stay."""
    count = sum(going)
    order = list(range(count))
    last = [i for i in range(count, len(going)) if going[i]]
    for hole, row in zip([i for i in range(count) if not going[i]], last, strict=True):
        order[hole] = row
    return order


def keep(table: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """The rows in this order; no more than there were lie where those did."""
    if len(order) > len(table):
        return table[order]
    if device_of(table.device).apart:
        table[: len(order)] = table[order]  # which rows move, nobody knows there without waiting
        return table[: len(order)]
    moved = (order != torch.arange(len(order), device=order.device)).nonzero()[:, 0]
    table[moved] = table[order[moved]]
    return table[: len(order)]


def keep_inputs(inputs: dict[str, Any], order: torch.Tensor, rows: int) -> None:
    """What there is of each row beside its keys and values.

    order: of the rows, which were `rows`
    """
    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.shape[:1] == (rows,):
            inputs[name] = keep(value, order)
    if "encoder_outputs" in inputs:
        read = inputs["encoder_outputs"]
        read.last_hidden_state = keep(read.last_hidden_state, order)


def keep_lengths(processors: Any, order: torch.Tensor) -> None:
    """A penalty on repeated tokens knows how much of each row is padding; nothing else that `covers` lets by knows of rows."""
    for processor in processors:
        padding = getattr(processor, "prompt_ignore_length", None)
        if isinstance(padding, torch.Tensor):
            processor.prompt_ignore_length = padding[order]
