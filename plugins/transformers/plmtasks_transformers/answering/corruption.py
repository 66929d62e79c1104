"""LogLikelihood by a model that restores spans (T5): of a text without a context, each token hidden in turn."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from plmtasks.config import TrainSettings
from plmtasks.model import Cost
from plmtasks.requests import Answer, LogLikelihood, Request

from ..fast import tallies
from .kinds import MICRO_BATCH
from .log_likelihood import Scorer, scorable, scored
from .pseudo import spread, total
from .sequences import Sequences, read, token_values
from .targets import corrupted


class Window(NamedTuple):
    ids: np.ndarray
    places: np.ndarray
    """Of the tokens that are scored."""


class Windows(NamedTuple):
    """A text whose tokens are to be restored from one another."""

    windows: Sequence[Window]
    cut: int

    @property
    def tokens(self) -> int:
        return sum(len(w.places) for w in self.windows)


class SpanRestorer(Scorer):
    """A text after a context is scored as by any sequence-to-sequence model; so is all text if the tokenizer has no sentinels.

    A text without a context is scored as it is learned: its tokens are replaced by a sentinel, and the decoder restores them.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.sentinels = sentinels(self.tokenizer)

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Any]:
        alone = [not r.context.strip() and len(self.sentinels) > 1 for r in requests]
        others = [r for r, a in zip(requests, alone, strict=True) if not a]
        after = iter(super().encode(others) if others else [])
        texts = [r.text for r, a in zip(requests, alone, strict=True) if a]
        whole = iter(self.prompts.bare_ids(texts))
        return [self._windows(r, next(whole)) if a else next(after) for r, a in zip(requests, alone, strict=True)]

    def _windows(self, request: LogLikelihood, ids: Sequence[int]) -> Windows:
        own = np.array(ids, np.int32)
        scorable(request.text, len(own), self.parts.name)
        made = [
            Window(own[begin:end], np.arange(done - begin, end - begin))
            for begin, done, end in spread(len(own), self.limit - 1, self.step)
        ]
        if len(made) > 1 and self.settings.truncation == "error":
            raise self.too_long(request.text, len(own), self.limit)
        return Windows(made, len(own) - len(made[0].ids) if self.settings.truncation == "skip" else 0)

    def cost(self, encoding: Any) -> Cost:
        if isinstance(encoding, Sequences):
            return super().cost(encoding)
        width = max(len(w.ids) for w in encoding.windows) + 3
        return Cost(group="restored", rows=max(1, encoding.tokens), width=width, cut=encoding.cut)

    def learning_cost(self, encoding: Any) -> Cost:
        """Tokens are lost many at a time, where an answer loses each alone."""
        cost = self.cost(encoding)
        return cost if isinstance(encoding, Sequences) else replace(cost, rows=len(encoding.windows))

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Any]) -> list[Answer]:
        if isinstance(encodings[0], Sequences):
            return super().compute(requests, encodings)
        return [
            scored(request.text, total([t for w in encoding.windows for t in self._tally(w)]), pseudo=True)
            for request, encoding in zip(requests, encodings, strict=True)
        ]

    def _tally(self, window: Window) -> Sequence[Any]:
        """Of the scored tokens of one window, some of them at a time: each in turn gives way to the first sentinel."""
        found, rows = [], max(1, (self.settings.batch_tokens or MICRO_BATCH) // (len(window.ids) + 3))
        start = np.array([self.decoder_start, self.sentinels[0]], np.int32)
        for i in range(0, len(window.places), rows):
            some = []
            for place in window.places[i : i + rows]:
                source = np.append(window.ids, self.tokenizer.eos_token_id)
                source[place] = self.sentinels[0]
                some.append(Sequences([start], [(0, window.ids[place : place + 1])], source))
            found += tallies(read(self, some), np.zeros(len(some), int), 1)
        return found

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Span corruption where there is no context: a share of the tokens gives way to sentinels and is to be written.

        Drawn anew at each call from torch's generator. Each token of a long text is in one window alone.

        source: Raffel et al. (2020), arXiv 1910.10683
        """
        encodings = self.encodings(requests)
        if isinstance(encodings[0], Sequences):
            return super().loss(requests, answers)
        training = self.training or TrainSettings()
        batch = []
        for window in (w for e in encodings for w in e.windows):
            source, target = corrupted(window.ids[window.places].tolist(), self.sentinels, training)
            end = [self.tokenizer.eos_token_id]
            row = np.array([self.decoder_start, *target], np.int32)
            batch.append(Sequences([row], [(0, np.array(target + end, np.int32))], np.array(source + end, np.int32)))
        return -token_values(self, batch, self.smoothing).sum(), float(sum(len(s.wants[0][1]) for s in batch))


def sentinels(tokenizer: Any) -> list[int]:
    """The ids of <extra_id_0>, <extra_id_1> and so on; none if the tokenizer has no such tokens."""
    vocabulary = tokenizer.get_vocab()
    found: list[int] = []
    while (name := f"<extra_id_{len(found)}>") in vocabulary:
        found.append(vocabulary[name])
    return found
