"""Steps of few fixed shapes: a token for each row over tables of fixed length, in memory that stays where it is.

What a step does follows from that memory alone, so that a device can replay it: see `graphs`.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import EncoderDecoderCache, StaticCache
from transformers.modeling_outputs import BaseModelOutput

from .device import device_of, sent
from .graphs import Step
from .static_cache import StaticCacheLayer, keep

ROWS = 8, 64
TOKENS = 128, 512
"""The least number of rows, and of tokens, that a step is made for, and the one up to which it doubles; its multiples follow."""
OWN, SOURCE = "own", "source"
"""Whose keys and values: those of the tokens made and of a decoder's prompt, and those of what an encoder read."""
COLUMNS = "tokens", "positions", "live", "real"
"""A number of each row: the token that is read next and its position, whether the row still goes on, and the tokens that are
padding before a prompt or none behind a source."""


class Shape(NamedTuple):
    """Of a step."""

    rows: int
    tokens: int
    """That there is room for: of what is beyond those that are there, nothing is seen."""
    source: int
    """The same of what the encoder read; 0 of a decoder alone."""


def few(count: int, least: int, doubled: int) -> int:
    """The least of few sizes that is no less than that."""
    return max(least, 2 ** (count - 1).bit_length()) if count <= doubled else -(-count // doubled) * doubled


def can(module: Any) -> bool:
    """Whether the library says that the model heeds its static cache, on one device that replays steps."""
    there = {weight.device for weight in module.parameters()}
    return device_of(module.device).recorder is not None and len(there) == 1 and bool(module._can_compile_fullgraph)


class FixedSteps:
    """Makes the tokens of one batch after the other; the memory stays, and so do the steps that were recorded on it.

    Rows that are done leave where the rest fit into a smaller shape, and are computed along until then. Rows that a shape has
    beyond those of the batch see zeros.
    """

    ahead = True
    """Whether a step is begun before it is known which rows go on: those that do not are computed along anyway."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._room: dict[Any, torch.Tensor] = {}
        """In one piece each, of which tables of all shapes are had: with as many rows or fewer they begin at the same places."""
        self._heads: dict[Any, tuple[int, int]] = {}
        """Of keys or values of a layer: heads, and the numbers of each."""
        self._forget()

    def _forget(self) -> None:
        """What was recorded is no more: it knows where the memory was."""
        recorder: Any = device_of(self.module.device).recorder
        self._record = recorder(self.module.device)
        self._steps: dict[Shape, Step] = {}

    def layers(self, part: str, count: int, rows: int, tokens: int, most: int) -> list[StaticCacheLayer]:
        """Of a cache that a batch's prompts are read into.

        tokens: that there is room for at first; most: that there may be in the end
        """
        return [StaticCacheLayer(rows, few(tokens, *TOKENS), partial(self._first, (part, i), most)) for i in range(count)]

    def _first(self, layer: tuple[str, int], most: int, side: int, like: torch.Tensor, rows: int, tokens: int) -> torch.Tensor:
        """A layer's table of keys or values, (rows, heads, tokens, d), for a batch that begins; like: such of some tokens."""
        name, (heads, d) = (*layer, side), (like.shape[1], like.shape[3])
        self._heads[name] = heads, d
        self._reserve(name, (few(rows, *ROWS), heads, few(most, *TOKENS), d), like)
        return self._table(name, few(rows, *ROWS), tokens)[:rows]

    def _reserve(self, name: Any, shape: Sequence[int], like: torch.Tensor) -> None:
        held = self._room.get(name)
        if held is None or held.numel() < math.prod(shape):
            self._room[name] = like.new_zeros(math.prod(shape))
            self._forget()

    def _table(self, name: Any, rows: int, tokens: int) -> torch.Tensor:
        shape = rows, self._heads[name][0], tokens, self._heads[name][1]
        return self._room[name][: math.prod(shape)].view(shape)

    def _tables(self, shape: Shape) -> dict[Any, torch.Tensor]:
        """By part, layer and side, (rows, heads, tokens, d)."""
        size = {OWN: shape.tokens, SOURCE: shape.source}
        return {name: self._table(name, shape.rows, size[name[0]]) for name in self._heads}

    def _column(self, name: str) -> torch.Tensor:
        """(rows of the shape, 1)"""
        return self._room[name][: self._shape.rows, None]

    def _set(self, name: str, values: Any, others: int = 0) -> None:
        """values: of the batch's rows, (rows, 1) or one number; others: of the rest"""
        column = self._column(name)
        column[: self._rows], column[self._rows :] = values, others

    def begin(self, inputs: dict[str, Any], logits: torch.Tensor) -> None:
        """Goes on from a batch whose prompts were read into `layers`.

        inputs: as `generate` knows them; logits: after the prompts, (rows, vocabulary)
        """
        cache, mask, positions = inputs.pop("cache"), inputs.get("attention_mask"), inputs.get("position_ids")
        read = inputs.pop("encoder_outputs", None)
        own = cache.layers if read is None else cache.self_attention_cache.layers
        source = None if read is None else cache.cross_attention_cache.layers[0]
        self._rows, self._filled, self._going = len(logits), own[0].filled, [True] * len(logits)
        self._shape = Shape(few(self._rows, *ROWS), own[0].tokens, source.tokens if source else 0)
        self._encoded = None if read is None else read.last_hidden_state.new_zeros(1, 1, 1)
        self._positioned = positions is not None
        for name in COLUMNS:
            self._reserve(name, (self._shape.rows,), logits.new_zeros(0, dtype=torch.int64))
        self._reserve("lengths", (len(own),), logits.new_zeros(0, dtype=torch.int64))
        self._reserve("logits", (self._shape.rows, logits.shape[1]), logits)
        self._vocabulary = logits.shape[1]
        self._room["lengths"].fill_(self._filled)
        self._set("tokens", 0)
        self._set("live", 1)
        # it is one more when the step is done: what is computed along then never has a position that the model does not know
        self._set("positions", 0 if positions is None else positions[:, -1:] - 1)
        if source is not None:
            self._set("real", source.filled if mask is None else mask.sum(1, keepdim=True), self._shape.source)
        else:
            self._set("real", 0 if mask is None else mask.shape[1] - mask.sum(1, keepdim=True))
        filled = {OWN: self._filled, SOURCE: source.filled if source else 0}
        for name, table in self._tables(self._shape).items():  # nobody sees the rest, but what was there may be no number
            table[: self._rows, :, filled[name[0]] :] = 0
            table[self._rows :] = 0

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """The logits after the last of the tokens, (rows, vocabulary), in memory that the next step writes to.

        ids: (rows, tokens)
        """
        if self._filled == self._shape.tokens:
            self._widen()
        self._column("tokens")[: self._rows] = ids[:, -1:]
        self._step()()
        self._filled += 1
        return self._logits(self._shape.rows)[: self._rows]

    def may_leave(self, going: Sequence[bool]) -> bool:
        """Whether the rows that are done are to leave now."""
        if few(sum(going), *ROWS) < self._shape.rows:
            return True
        if going != self._going:
            self._going = list(going)
            self._column("live")[: self._rows] = sent(np.array(going, np.int64)[:, None], self.module.device)
        return False

    def keep(self, own: torch.Tensor, rows: int, same: torch.Tensor | None = None) -> None:
        """These of so many rows, all of which go on.

        own: whose keys and values each has from now on
        same: whose all else it has, if that is another; while as many go on, all of that stays
        """
        other, stays = (own, False) if same is None else (same, len(same) == rows)
        for (part, *_), table in self._tables(self._shape).items():
            if part == OWN:
                keep(table[:rows, :, : self._filled], own)
            elif not stays:
                keep(table[:rows], other)
        for column in COLUMNS if not stays else ():
            keep(self._column(column)[:rows], other)
        if same is None:
            keep(self._logits(self._shape.rows)[:rows], own)
        self._rows, self._going = len(own), [True] * len(own)
        self._shape = self._shape._replace(rows=few(self._rows, *ROWS))
        self._set("live", 1)

    def _widen(self) -> None:
        """Room for more tokens, in the same memory."""
        wide = self._shape._replace(tokens=few(self._filled + 1, *TOKENS))
        for name, table in self._tables(self._shape).items():
            if name[0] == OWN:
                held = table.clone()
                wider = self._table(name, wide.rows, wide.tokens)
                wider[:, :, : self._filled], wider[:, :, self._filled :] = held, 0
        self._shape = wide

    def _logits(self, rows: int) -> torch.Tensor:
        return self._room["logits"][: rows * self._vocabulary].view(rows, -1)

    def _step(self) -> Step:
        """The step of this shape, recorded when there is the first."""
        if self._shape not in self._steps:
            positions, lengths = self._column("positions"), self._room["lengths"]
            before, filled = positions.clone(), self._filled

            def undo() -> None:
                positions.copy_(before)
                lengths.fill_(filled)

            self._steps[self._shape] = self._record(self._made(self._shape), undo)
        return self._steps[self._shape]

    def _made(self, shape: Shape) -> Step:
        module, cache = self.module, self._cache(shape)
        tokens, positions, live, real = (self._column(name) for name in COLUMNS)
        logits, width = self._logits(shape.rows), shape.source or shape.tokens
        given: dict[str, Any] = {"cache": cache, "use_cache": True}
        if self._positioned:
            given["position_ids"] = positions
        if self._encoded is not None:  # its shape alone is looked at: its keys and values are there
            given["encoder_outputs"] = BaseModelOutput(last_hidden_state=self._encoded.expand(shape.rows, shape.source, -1))

        def step() -> None:
            positions.add_(live)
            places = torch.arange(width, device=real.device)
            mask = places < real if shape.source else places >= real
            inputs = module.prepare_inputs_for_generation(
                tokens, next_sequence_length=1, attention_mask=mask.long(), is_first_iteration=False, **given
            )
            logits.copy_(module(**inputs, return_dict=True).logits[:, -1])

        return step

    def _cache(self, shape: Shape) -> Any:
        """The library's own, whose tables are of our memory."""
        config = self.module.config.get_text_config(decoder=True)
        parts = {OWN: StaticCache(config, shape.tokens)}
        whole: Any = parts[OWN]
        if shape.source:
            parts[SOURCE] = StaticCache(config, shape.source)
            whole = EncoderDecoderCache(*parts.values())
            whole.is_updated = dict.fromkeys(whole.is_updated, True)
        for (part, number, side), table in self._tables(shape).items():
            layer: Any = parts[part].layers[number]
            setattr(layer, ("keys", "values")[side], table)
            layer.dtype, layer.device, layer.is_initialized = table.dtype, table.device, True
            layer.cumulative_length = self._room["lengths"][number]
        return whole
