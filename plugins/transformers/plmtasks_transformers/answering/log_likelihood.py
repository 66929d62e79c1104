"""LogLikelihood: the log-likelihood of a text, over windows of a long one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from plmtasks.errors import InputError
from plmtasks.requests import Answer, LogLikelihood, LogLikelihoodAnswer, Request

from ..fast import Tally
from .loaded import Answers, in_groups
from .sequences import LanguageModel, Sequences, spread, step, tallied


class Scorer(LanguageModel):
    """Each token of the text once, after the context and what precedes it.

    The first token of a text without a context comes after the tokenizer's beginning (or else end) of a text. A
    sequence-to-sequence model has the context before its encoder, at most its end, and the text before its decoder.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.prompts.delimiter = ""
        self.step = step(self.settings, self.written)

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Any]:
        return in_groups(
            requests, [r.disjoint for r in requests], lambda some: (self._disjoint if some[0].disjoint else self._sliding)(some)
        )

    def _disjoint(self, requests: Sequence[LogLikelihood]) -> list[Sequences]:
        """In windows that share one token, but for the last, which is full.

        source: `get_rolling_token_windows` and `make_disjoint_window` of lm-evaluation-harness
        """
        limit = self.exact.limit.tokens
        made = []
        for request, (start, own) in zip(requests, self.exact.whole([r.text for r in requests]), strict=True):
            beyond = max(0, len(own) - limit)
            if beyond and self.settings.truncation == "error":
                raise self.too_long(request.text, len(own), limit)
            parts = list(windows(start, own, limit, limit))
            cut = beyond if self.settings.truncation == "skip" else 0
            made.append(Sequences([row for row, _ in parts], [(i, ids) for i, (_, ids) in enumerate(parts)], cut=cut))
        return made

    def _sliding(self, requests: Sequence[LogLikelihood]) -> list[Sequences]:
        made = []
        pairs = self.prompts.pairs([r.context for r in requests], [r.text for r in requests], self.decoder_start)
        for request, (source, start, own) in zip(requests, pairs, strict=True):
            scorable(request.text, len(own), self.parts.name)
            lost = 0 if source is None else max(0, len(source) - self.limit)
            beyond = max(0, len(start) + len(own) - 1 - self.written)
            if (lost or beyond) and self.settings.truncation == "error":
                limit = self.limit if lost else self.written
                raise self.too_long(request.context if lost else request.text, limit + max(lost, beyond), limit)
            cut = lost + (beyond if self.settings.truncation == "skip" else 0)
            read = None if source is None else source[-self.limit :]
            parts = list(windows(start, own, self.written, self.step))
            made.append(Sequences([row for row, _ in parts], [(i, ids) for i, (_, ids) in enumerate(parts)], read, cut))
        return made

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Any]) -> Answers:
        found = tallied(self, encodings, [sum(len(ids) for _, ids in e.wants) for e in encodings])
        return lambda: [scored(request.text, tally) for request, tally in zip(requests, found(), strict=True)]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Of the text's tokens."""
        return self.loss_of(self.encodings(requests))


def scorable(text: str, tokens: int, name: str) -> None:
    """raises: InputError for a text whose bytes would be counted with the likelihood of no token"""
    if text and not tokens:
        raise InputError(f"the text {text[:80]!r} has no token for {name!r}, and so no likelihood", "leave it out of the data")


def scored(text: str, tally: Tally, *, pseudo: bool = False) -> LogLikelihoodAnswer:
    """The answer for a text, whose words are what white space sets apart."""
    return LogLikelihoodAnswer(**tally._asdict(), words=len(text.split()), bytes=len(text.encode()), pseudo=pseudo)


def windows(start: Sequence[int], own: Sequence[int], limit: int, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of at most `limit` tokens, each with the tokens that are to be predicted at its last places.

    start: what is given; own: what is predicted, each token in one window alone
    step: tokens by which a window moves on; the first one is full, each further one predicts so many
    """
    tokens = np.array([*start, *own], np.int32)
    for begin, done, end in spread(len(tokens), limit + 1, step, len(start)):
        yield tokens[begin : max(1, end - 1)], tokens[done:end]
