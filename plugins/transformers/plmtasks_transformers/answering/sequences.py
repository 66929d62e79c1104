"""How likely a language model finds given tokens; the vocabulary is projected only where a token is scored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import LogLikelihood, Prompted, Request

from ..fast import (
    ROW,
    WIDE,
    Fetched,
    Found,
    Places,
    Prefix,
    Tally,
    alike,
    common,
    device_of,
    found,
    groups_of,
    inputs_of,
    logits_at,
    micro_batches,
    sent,
    shared_prefixes,
    tallies,
    token_log_likelihoods,
    tree_of,
)  # fmt: skip
from .loaded import Loaded
from .prompts import Prompts

NEAR = 64
"""Tokens by which requests that begin alike are brought together."""


class Sequences(NamedTuple):
    """What one request asks of a language model."""

    rows: Sequence[np.ndarray]
    """Token ids that a decoder reads."""
    wants: Sequence[tuple[int, np.ndarray]]
    """(row, token ids): the tokens to be predicted at the last places of that row."""
    source: np.ndarray | None = None
    """What the encoder before it reads, once for all rows."""
    cut: int = 0
    prefix: Prefix | None = None
    """What the rows begin with; they go on from there."""

    @property
    def width(self) -> int:
        return max(len(r) for r in self.rows)

    @property
    def trunk(self) -> int:
        """How many tokens all its rows begin with."""
        return min((common(self.rows[0], r) for r in self.rows[1:]), default=0)

    @property
    def first(self) -> int:
        """The first place that predicts a wanted token, counted in its row."""
        return min(len(self.rows[row]) - len(ids) for row, ids in self.wants)

    def behind(self, prefix: Prefix) -> "Sequences":
        """The same, going on from there."""
        return self._replace(rows=[r[len(prefix) :] for r in self.rows], prefix=prefix)


class LanguageModel(Loaded):
    """What is shared by all whose prompts are texts, and by those that read likelihoods off sequences."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.prompts = Prompts(self.parts)
        self.exact = self.prompts.exact
        self._limits_of_exact = is_exact(given[2])
        if self._limits_of_exact and self.settings.truncation == "right":
            raise InputError(
                "an exact prompt is cut at its left: it cannot use --truncation right", "it can use: auto, error, left, skip"
            )
        self.shares = False
        """Whether what prompts begin with, instruction and shots, is computed once for all of them."""

    @property
    def limited(self) -> str:  # type: ignore[override]  # of what it is asked
        return self.exact.limit.told if self._limits_of_exact else super().limited

    def cost(self, encoding: Any) -> Cost:
        """What it costs to answer: what its rows begin with is computed once, where the model can."""
        if encoding.source is not None or not self.ways.trees:
            return LanguageModel.learning_cost(self, encoding)
        shared = encoding.trunk
        tokens = shared + sum(len(r) - shared for r in encoding.rows)
        near = encoding.rows[0][:NEAR].astype(">i4").tobytes()
        group = encoding.prefix.name if encoding.prefix else ""
        return Cost(group=group, rows=len(encoding.rows), width=encoding.width, bare=tokens, near=near, cut=encoding.cut)

    def learning_cost(self, encoding: Any) -> Cost:
        """Rows are learned from one by one."""
        if encoding.source is not None:
            return Cost(width=len(encoding.source) + len(encoding.rows) * encoding.width, cut=encoding.cut)
        return Cost(rows=len(encoding.rows), width=encoding.width, cut=encoding.cut)

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        if self.shares:
            asked: list[Any] = list(dict.fromkeys(requests))
            made = self.encoded(asked)
            named: list[Any] = [None if e.cut else (r.instruction, r.shots) for r, e in zip(asked, made, strict=True)]
            exact = [i for i, r in enumerate(asked) if r.exact]
            for i, name in zip(exact, alike([made[i].rows for i in exact], [made[i].first for i in exact]), strict=True):
                named[i] = name
            prefixes = shared_prefixes([e.rows for e in made], [e.first for e in made], named)
            shared = (e if prefix is None else e.behind(prefix) for e, prefix in zip(made, prefixes, strict=True))
            self._encodings.update(zip(asked, shared, strict=True))
        return super().costs(requests)

    def loss_of(self, batch: Sequence[Sequences]) -> tuple[torch.Tensor, float]:
        """Negative log-likelihood of the wanted tokens; divided by tokens it is their mean."""
        return -token_values(self, batch, self.smoothing).sum(), float(sum(len(ids) for s in batch for _, ids in s.wants))


def is_exact(request: Request) -> bool:
    """Whether it becomes tokens as in lm-eval, within the limit that lm-eval goes by."""
    return (isinstance(request, Prompted) and request.exact) or (isinstance(request, LogLikelihood) and request.disjoint)


def step(settings: ModelSettings, limit: int) -> int:
    """Tokens by which a window moves on.

    raises: InputError if it would leave tokens out
    """
    if settings.stride > limit:
        raise InputError(f"stride {settings.stride} is more than the {limit} tokens that the model takes", "leave it out")
    return settings.stride or limit // 2


def spread(count: int, room: int, step: int, done: int = 0) -> Iterator[tuple[int, int, int]]:
    """(begin, done, end) of windows over `count` tokens, one at least: each holds [begin, end) and scores [done, end).

    room: the most tokens of a window; step: by which it moves on; done: tokens that none scores
    """
    while True:
        end = min(count, max(room, done + min(step, room)))
        yield max(0, end - room), done, end
        if end == count:
            return
        done = end


def tallied(loaded: Loaded, batch: Sequence[Sequences], lengths: Sequence[int]) -> Callable[[], list[Tally]]:
    """What is found of so many wanted tokens in turn, once it is there."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    found_of = read(loaded, batch)
    return lambda: tallies(found_of(), owners, len(lengths))


def read(loaded: Loaded, batch: Sequence[Sequences]) -> Callable[[], Found]:
    """What is found of every wanted token in turn, without gradients, once it is there."""
    wants = _wants(batch)
    starts = np.cumsum([0, *(len(ids) for _, ids in wants)])
    parts = []
    for where, inputs in _forwards(loaded, batch):
        # of these rows: which tokens, and where they are predicted
        here = [
            (np.arange(start, start + len(ids)), where[row][-len(ids) :])
            for (row, ids), start in zip(wants, starts, strict=False)
            if row in where and len(ids)
        ]
        if here:
            tokens, places = (np.concatenate(x) for x in zip(*here, strict=True))
            targets = np.concatenate([ids for row, ids in wants if row in where])
            parts.append((tokens, Fetched(*found(_places(loaded, inputs, places, targets), loaded.ways.compiled))))

    def whole() -> Found:
        values, likeliest = np.zeros(starts[-1], np.float32), np.zeros(starts[-1], bool)
        for tokens, fetched in parts:
            values[tokens], likeliest[tokens] = (x.numpy() for x in fetched())
        return Found(values, likeliest)

    return whole


def token_values(loaded: Loaded, batch: Sequence[Sequences], smoothing: float = 0.0) -> torch.Tensor:
    """The log-likelihood of every wanted token in turn, (tokens,), float32, with gradient: for learning."""
    where, inputs = _in_rows(loaded, batch)
    wants = _wants(batch)
    places = np.concatenate([where[row][len(where[row]) - len(ids) :] for row, ids in wants])
    return token_log_likelihoods(_places(loaded, inputs, places, np.concatenate([ids for _, ids in wants])), smoothing)


def _wants(batch: Sequence[Sequences]) -> list[tuple[int, np.ndarray]]:
    """The wants of all requests in turn, their rows counted through the batch."""
    made = []
    first = 0
    for s in batch:
        made += [(first + row, ids) for row, ids in s.wants]
        first += len(s.rows)
    return made


def _places(loaded: Loaded, inputs: dict[str, Any], places: np.ndarray, targets: np.ndarray) -> Places:
    """A forward pass. Where two tokens are predicted in one place, its logits are computed once."""
    unique, at = np.unique(places, return_inverse=True)
    which, here, wanted = (sent(x.astype(np.int64), loaded.device) for x in (unique, at, targets))
    return Places(logits_at(loaded.module, inputs, which, loaded.ways.places), here, wanted)


Layout = tuple[Mapping[int, "np.ndarray"], dict[str, Any]]
"""Row of the batch → the place of each of its tokens, row * width + column of what `forward` takes; and that."""


def _forwards(loaded: Loaded, batch: Sequence[Sequences]) -> Iterator[Layout]:
    """What is computed at once: one tree, or a whole batch of them."""
    if not loaded.ways.trees:
        yield _in_rows(loaded, batch)
        return
    rows, prefix = [r for s in batch for r in s.rows], batch[0].prefix
    given = len(prefix) if prefix is not None else 0
    most = WIDE if loaded.ways.compiled or loaded.ways.sparse else ROW
    every = [(group, tree_of([rows[j] for j in group], given)) for group in groups_of(rows, most)]
    lengths, budget = [len(tree.ids) for _, tree in every], max(most, loaded.settings.batch_tokens)
    device = device_of(loaded.device)
    for part in micro_batches(lengths, budget) if device.together else [slice(i, i + 1) for i in range(len(every))]:
        some, trees = [group for group, _ in every[part]], [tree for _, tree in every[part]]
        # nothing is shared: no mask is needed; but of padding the library asks the device
        if prefix is None and not device.apart and all(len(group) == 1 for group in some):
            inputs = loaded.inputs([rows[j] for [j] in some]) | {"use_cache": False}
        else:
            inputs = inputs_of(trees, prefix, loaded.module, loaded.pad_id, ROW if loaded.ways.sparse else None)
        width = inputs["input_ids"].shape[1]
        where = {
            j: number * width + places
            for number, (group, tree) in enumerate(zip(some, trees, strict=True))
            for j, places in zip(group, tree.places, strict=True)
        }
        yield where, inputs


def _in_rows(loaded: Loaded, batch: Sequence[Sequences]) -> Layout:
    """Each row by itself."""
    rows = [r if s.prefix is None else np.concatenate([s.prefix.ids, r]) for s in batch for r in s.rows]
    width = max(len(r) for r in rows)
    return {i: i * width + np.arange(len(r)) for i, r in enumerate(rows)}, _inputs(loaded, batch, rows)


def _inputs(loaded: Loaded, batch: Sequence[Sequences], rows: Sequence[np.ndarray]) -> dict[str, Any]:
    """Decoders read right-padded rows: what follows a token cannot change it."""
    sources = [s.source for s in batch if s.source is not None]
    if not sources:
        return loaded.inputs(rows) | {"use_cache": False}
    inputs = loaded.inputs(sources)
    encoder = loaded.module.get_encoder()
    encoded = encoder(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], return_dict=True)
    owners = sent(np.repeat(np.arange(len(batch)), [len(s.rows) for s in batch]), loaded.device)
    encoded.last_hidden_state = encoded.last_hidden_state[owners]
    return {
        "encoder_outputs": encoded,
        "attention_mask": inputs["attention_mask"][owners],
        "decoder_input_ids": loaded.rows(rows, loaded.pad_id),
        "use_cache": False,
    }
