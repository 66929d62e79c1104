"""Choose: the log-likelihood of each choice after the prompt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, Choose, ChooseAnswer, Likelihood, Request

from .architectures import DECODER, SEQUENCE_TO_SEQUENCE
from .likelihood import Sequences, cost, learning_cost, log_likelihoods, share_prefixes, token_values
from .loaded import Loaded, Parts
from .prompts import Prompts, without_space

if TYPE_CHECKING:
    from typing import Any

    import torch

    from plmtasks.config import ModelSettings


class Chooser(Loaded):
    """The choices of a request are rows of one batch; those that differ in their last token alone share a row."""

    heads = {DECODER: "AutoModelForCausalLM", SEQUENCE_TO_SEQUENCE: "AutoModelForSeq2SeqLM"}

    def __init__(self, parts: Parts, example_request: Request) -> None:
        super().__init__(parts, example_request)
        self.prompts = Prompts(parts)

    @classmethod
    def identity(cls, settings: "ModelSettings") -> "dict[str, Any]":
        return {"prompt": settings.prompt}

    def encode(self, requests: Sequence[Choose]) -> list[Sequences]:
        return self._encode_apart(requests) if self.prompts.reads else self._encode_on_end(requests)

    def _encode_on_end(self, requests: Sequence[Choose]) -> list[Sequences]:
        """Prompt and choice in one row."""
        import numpy as np

        choices = [c for r in requests for c in r.choices]
        lengths = iter([len(ids) for ids in self.prompts.ids([self.prompts.delimiter + c for c in choices])])
        # a row lacks its last token, but the boundary may cost one
        room = [self.limit - max(next(lengths) for _ in r.choices) for r in requests]
        fitted = self.prompts.fit(requests, room)
        prompts = [prompt for r, (prompt, _) in zip(requests, fitted, strict=True) for _ in r.choices]
        pairs = iter(self.prompts.continuations(prompts, choices))
        made = []
        for request, (_, cut) in zip(requests, fitted, strict=True):
            rows: dict[tuple[int, ...], int] = {}
            wants = []
            for choice in request.choices:
                start, own = next(pairs)
                self._scorable(choice, own)
                row = tuple((start + own)[:-1][-self.limit :])
                wants.append((rows.setdefault(row, len(rows)), np.array(own, np.int32)))
            made.append(Sequences([np.array(r, np.int32) for r in rows], wants, None, cut))
        return made

    def _encode_apart(self, requests: Sequence[Choose]) -> list[Sequences]:
        """The prompt before the encoder, each choice before the decoder; special tokens and the end are not scored."""
        import numpy as np

        fitted = self.prompts.fit(requests, [self.limit] * len(requests))
        prompts = [prompt for r, (prompt, _) in zip(requests, fitted, strict=True) for _ in r.choices]
        _, choices = without_space(prompts, [c for r in requests for c in r.choices])
        targets = iter(self.prompts.targets(choices, self.decoder_start))
        sources = self.prompts.ids([prompt.rstrip() for prompt, _ in fitted])
        made = []
        for request, source, (_, cut) in zip(requests, sources, fitted, strict=True):
            rows, wants = [], []
            for i, choice in enumerate(request.choices):
                target = next(targets)
                self._scorable(choice, target.own)
                if target.end - 1 > self.written:
                    writes = f"{self.parts.name!r} writes {self.parts.written.told}"
                    raise InputError(f"a choice has {len(target.own)} tokens, {writes}: {choice[:80]!r} …")
                rows.append(np.array(target.ids[: target.end - 1], np.int32))
                wants.append((i, np.array(target.own, np.int32)))
            made.append(Sequences(rows, wants, np.array(source, np.int32), cut))
        return made

    def _scorable(self, choice: str, own: Sequence[int]) -> None:
        """raises: InputError for a choice without a token, which would be likelier than all others"""
        if not (choice and own):
            raise InputError(
                f"the choice {choice!r} has no token for {self.parts.name!r}, and so no likelihood",
                "give it words, or leave it out",
            )

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        if self.packs:
            asked = list(dict.fromkeys(cast(Sequence[Choose], requests)))
            self._encodings.update(zip(asked, share_prefixes(asked, self.encoded(asked)), strict=True))
        return super().costs(requests)

    def cost(self, encoding: Sequences) -> Cost:
        return cost(self, encoding)

    def learning_cost(self, encoding: Sequences) -> Cost:
        return learning_cost(encoding)

    def compute(self, requests: Sequence[Choose], encodings: Sequence[Sequences]) -> list[Answer]:
        values = iter(log_likelihoods(self, encodings))
        return [
            ChooseAnswer(
                choices=tuple(
                    Likelihood(log_likelihood=next(values), tokens=len(ids), bytes=len(choice.encode()))
                    for choice, (_, ids) in zip(request.choices, encoding.wants, strict=True)
                )
            )
            for request, encoding in zip(requests, encodings, strict=True)
        ]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Negative log-likelihood of the right choice's tokens after the prompt; divided by tokens it is their mean."""
        right = []
        for encoding, answer in zip(self.encodings(requests), cast(Sequence[ChooseAnswer], answers), strict=True):
            best = max(range(len(answer.choices)), key=lambda i: answer.choices[i].log_likelihood)
            row, ids = encoding.wants[best]
            right.append(Sequences([encoding.rows[row]], [(0, ids)], encoding.source, prefix=encoding.prefix))
        return -token_values(self, right, self.smoothing).sum(), float(sum(len(s.wants[0][1]) for s in right))
