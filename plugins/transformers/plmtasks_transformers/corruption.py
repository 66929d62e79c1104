"""LogLikelihood by a model that restores spans (T5): of a text without a context, each token hidden in turn."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.config import TrainSettings
from plmtasks.model import Cost
from plmtasks.requests import Answer, LogLikelihood, Request

from .likelihood import Sequences, read, token_values
from .loaded import Parts
from .pseudo import PIECE, spread, total
from .readout import tallies
from .score import Scorer, scorable, scored

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings


class Window(NamedTuple):
    ids: "np.ndarray"
    places: "np.ndarray"
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

    def __init__(self, parts: Parts, example_request: Request) -> None:
        super().__init__(parts, example_request)
        self.sentinels = sentinels(self.tokenizer)

    @classmethod
    def identity(cls, settings: "ModelSettings") -> dict[str, Any]:
        return {**super().identity(settings), "piece": settings.batch_tokens or PIECE}

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Any]:
        alone = [not r.context.strip() and len(self.sentinels) > 1 for r in requests]
        others = [r for r, a in zip(requests, alone, strict=True) if not a]
        after = iter(super().encode(others) if others else [])
        texts = [r.text for r, a in zip(requests, alone, strict=True) if a]
        whole = iter(self.prompts.bare_ids(texts))
        return [self._windows(r, next(whole)) if a else next(after) for r, a in zip(requests, alone, strict=True)]

    def _windows(self, request: LogLikelihood, ids: Sequence[int]) -> Windows:
        import numpy as np

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

    def _tally(self, window: Window) -> "Sequence[Any]":
        """Of the scored tokens of one window, a piece of them at a time: each in turn gives way to the first sentinel."""
        import numpy as np

        found, rows = [], max(1, (self.settings.batch_tokens or PIECE) // (len(window.ids) + 3))
        start = np.array([self.decoder_start, self.sentinels[0]], np.int32)
        for i in range(0, len(window.places), rows):
            piece = []
            for place in window.places[i : i + rows]:
                source = np.append(window.ids, self.tokenizer.eos_token_id)
                source[place] = self.sentinels[0]
                piece.append(Sequences([start], [(0, window.ids[place : place + 1])], source))
            found += tallies(read(self, piece), np.zeros(len(piece), int), 1)
        return found

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Span corruption where there is no context: a share of the tokens gives way to sentinels and is to be written.

        Drawn anew at each call from torch's generator. Each token of a long text is in one window alone.

        source: Raffel et al. (2020), arXiv 1910.10683
        """
        import numpy as np

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


def corrupted(ids: Sequence[int], marks: Sequence[int], training: TrainSettings) -> tuple[list[int], list[int]]:
    """What the encoder reads, a sentinel in place of each lost span, and what the decoder writes: sentinels and lost spans.

    The lost spans have `training.mean_noise_span_length` tokens in the mean and never stand side by side.
    """
    if not ids:
        return [], []
    count = len(ids)
    lost = min(max(1, round(training.mlm_probability * count)), max(1, count - 1))
    spans = max(1, min(round(lost / training.mean_noise_span_length), lost, count - lost, len(marks) - 1))
    source: list[int] = []
    target: list[int] = []
    at = 0
    for mark, kept, gone in zip(marks, _parts(count - lost, spans), _parts(lost, spans), strict=False):
        source += [*ids[at : at + kept], mark]
        target += [mark, *ids[at + kept : at + kept + gone]]
        at += kept + gone
    return source, [*target, marks[spans]]


def _parts(total: int, count: int) -> list[int]:
    """`count` random lengths of at least 1 that sum to `total`; [0] for nothing."""
    import torch

    cuts = sorted((torch.randperm(max(total - 1, 0))[: count - 1] + 1).tolist())
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
