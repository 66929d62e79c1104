"""Choose: the log-likelihood of each choice after the prompt."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch

from plmtasks.errors import InputError
from plmtasks.requests import Answer, Choose, ChooseAnswer, Likelihood, Request

from ..fast import Tally
from .exact import Halves
from .loaded import Answers, in_groups
from .prompts import Pair
from .sequences import LanguageModel, Sequences, tallied


class Chooser(LanguageModel):
    """The choices of a request are rows of one batch; those that differ in their last token alone share a row."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shares = self.ways.trees

    def encode(self, requests: Sequence[Choose]) -> list[Sequences]:
        return in_groups(
            requests, [r.exact for r in requests], lambda some: self._exactly(some) if some[0].exact else self._plainly(some)
        )

    def _plainly(self, requests: Sequence[Choose]) -> list[Sequences]:
        fitted = self.prompts.fit(requests, [self.limit] * len(requests) if self.prompts.reads else self._room(requests))
        prompts = [prompt for r, (prompt, _) in zip(requests, fitted, strict=True) for _ in r.choices]
        pairs = self.prompts.pairs(prompts, [c for r in requests for c in r.choices], self.decoder_start)
        return [self._encoding(r, pairs, cut) for r, (_, cut) in zip(requests, fitted, strict=True)]

    def _exactly(self, requests: Sequence[Choose]) -> list[Sequences]:
        texts = [self.prompts.render(r, (), r.text) for r in requests]
        contexts = [text for r, text in zip(requests, texts, strict=True) for _ in r.choices]
        halves = iter(self.exact.halves(contexts, [c for r in requests for c in r.choices]))
        return [self._cut(r, text, [next(halves) for _ in r.choices]) for r, text in zip(requests, texts, strict=True)]

    def _cut(self, request: Choose, text: str, halves: Sequence[Halves]) -> Sequences:
        """Contexts and choices within the limit, which a decoder has for both together, and all but the last token."""
        limit, pairs, lost = self.exact.limit.tokens, list[Pair](), 0
        for choice, (start, own) in zip(request.choices, halves, strict=True):
            if len(own) > limit:
                raise InputError(
                    f"a choice has {len(own)} tokens, {self.parts.name!r} takes {self.exact.limit.told}: {choice[:80]!r} …"
                )
            room = limit if self.exact.reads else limit + 1 - len(own)
            kept, cut = self.exact.cut(start, room, text)
            lost = max(lost, cut)
            pairs.append((np.array(kept, np.int32), [self.decoder_start], own) if self.exact.reads else (None, kept, own))
        return self._encoding(request, iter(pairs), lost)

    def _room(self, requests: Sequence[Choose]) -> list[int]:
        """What a decoder that reads on end has for each prompt: a row lacks its last token, but the boundary may cost one."""
        choices = [self.prompts.delimiter + c for r in requests for c in r.choices]
        lengths = iter([len(ids) for ids in self.prompts.ids(choices)])
        return [self.limit - max(next(lengths) for _ in r.choices) for r in requests]

    def _encoding(self, request: Choose, pairs: Iterator[Pair], cut: int) -> Sequences:
        """pairs: of each of its choices; special tokens and the end are not scored"""
        rows: dict[tuple[tuple[int, ...], int], int] = {}
        wants: list[tuple[int, np.ndarray]] = []
        for choice, (source, start, own) in zip(request.choices, pairs, strict=False):
            if not own or not (choice or request.exact):  # it would be likelier than all others
                raise InputError(
                    f"the choice {choice!r} has no token for {self.parts.name!r}, and so no likelihood",
                    "give it words, or leave it out",
                )
            row = tuple([*start, *own][:-1])
            if source is None:
                row = row if request.exact else row[-self.limit :]
            elif len(row) > (self.exact.written.tokens if request.exact else self.written):
                writes = f"{self.parts.name!r} writes {self.parts.written.told}"
                raise InputError(f"a choice has {len(own)} tokens, {writes}: {choice[:80]!r} …")
            apart = len(wants) if source is not None else 0  # behind an encoder each has a row of its own
            wants.append((rows.setdefault((row, apart), len(rows)), np.array(own, np.int32)))
        return Sequences([np.array(row, np.int32) for row, _ in rows], wants, source, cut)

    def compute(self, requests: Sequence[Choose], encodings: Sequence[Sequences]) -> Answers:
        found = tallied(self, encodings, [len(ids) for e in encodings for _, ids in e.wants])

        def answers() -> list[Answer]:
            tallies = iter(found())
            return [ChooseAnswer(choices=tuple(_likelihood(c, next(tallies)) for c in r.choices)) for r in requests]

        return answers

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Of the right choice's tokens after the prompt."""
        right = []
        for encoding, answer in zip(self.encodings(requests), cast(Sequence[ChooseAnswer], answers), strict=True):
            best = max(range(len(answer.choices)), key=lambda i: answer.choices[i].log_likelihood)
            row, ids = encoding.wants[best]
            right.append(encoding._replace(rows=[encoding.rows[row]], wants=[(0, ids)]))
        return self.loss_of(right)


def _likelihood(choice: str, tally: Tally) -> Likelihood:
    greedy = tally.likeliest == tally.tokens
    return Likelihood(log_likelihood=tally.log_likelihood, tokens=tally.tokens, bytes=len(choice.encode()), greedy=greedy)
