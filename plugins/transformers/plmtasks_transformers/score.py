"""LogLikelihood: the log-likelihood of a text, over windows of a long one."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, LogLikelihood, LogLikelihoodAnswer, Request

from .architectures import DECODER, SEQUENCE_TO_SEQUENCE
from .likelihood import Sequences, cost, learning_cost, read, step, token_values
from .loaded import Loaded, Parts
from .prompts import Prompts, without_space
from .readout import Tally, tallies

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings


class Scorer(Loaded):
    """Each token of the text once, after the context and what precedes it.

    The first token of a text without a context comes after the tokenizer's beginning (or else end) of a text. A
    sequence-to-sequence model has the context before its encoder, at most its end, and the text before its decoder.
    """

    heads = {DECODER: "AutoModelForCausalLM", SEQUENCE_TO_SEQUENCE: "AutoModelForSeq2SeqLM"}
    policies = ("auto", "window", "error", "skip")

    def __init__(self, parts: Parts, example_request: Request) -> None:
        super().__init__(parts, example_request)
        self.prompts = Prompts(parts)
        self.prompts.delimiter = ""
        self.step = step(parts.settings, self.written)

    @classmethod
    def identity(cls, settings: "ModelSettings") -> dict[str, Any]:
        return {"stride": settings.stride or "half of the model's limit"}

    def encode(self, requests: Sequence[LogLikelihood]) -> list[Any]:
        made = []
        for request, (source, start, own) in zip(requests, self._tokens(requests), strict=True):
            scorable(request.text, len(own), self.parts.name)
            lost = 0 if source is None else max(0, len(source) - self.limit)
            beyond = max(0, len(start) + len(own) - 1 - self.written)
            if (lost or beyond) and self.settings.truncation == "error":
                limit = self.limit if lost else self.written
                raise self.too_long(request.context if lost else request.text, limit + max(lost, beyond), limit)
            cut = lost + (beyond if self.settings.truncation == "skip" else 0)
            read = None if source is None else source[-self.limit :]
            pieces = list(windows(start, own, self.written, self.step))
            made.append(Sequences([row for row, _ in pieces], [(i, ids) for i, (_, ids) in enumerate(pieces)], read, cut))
        return made

    def _tokens(self, requests: Sequence[LogLikelihood]) -> "Iterator[tuple[np.ndarray | None, list[int], list[int]]]":
        """What the encoder reads, what the decoder is given, and what it is to predict."""
        import numpy as np

        if not self.prompts.reads:
            for start, own in self.prompts.continuations([r.context for r in requests], [r.text for r in requests]):
                yield None, start, own
            return
        contexts, texts = without_space([r.context for r in requests], [r.text for r in requests])
        sources, targets = self.prompts.ids(contexts), self.prompts.targets(texts, self.decoder_start)
        for source, target in zip(sources, targets, strict=True):
            yield np.array(source, np.int32), target.ids[: target.first], target.own

    def cost(self, encoding: Any) -> Cost:
        return cost(self, encoding)

    def learning_cost(self, encoding: Any) -> Cost:
        return learning_cost(encoding)

    def compute(self, requests: Sequence[LogLikelihood], encodings: Sequence[Any]) -> list[Answer]:
        import numpy as np

        lengths = [sum(len(ids) for _, ids in e.wants) for e in encodings]
        owners = np.repeat(np.arange(len(encodings)), lengths)
        found = tallies(read(self, encodings), owners, len(encodings))
        return [scored(request.text, tally) for request, tally in zip(requests, found, strict=True)]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Negative log-likelihood of the text's tokens; divided by tokens it is their mean."""
        encodings = self.encodings(requests)
        return -token_values(self, encodings, self.smoothing).sum(), float(sum(len(ids) for e in encodings for _, ids in e.wants))


def scorable(text: str, tokens: int, name: str) -> None:
    """raises: InputError for a text whose bytes would be counted with the likelihood of no token"""
    if text and not tokens:
        raise InputError(f"the text {text[:80]!r} has no token for {name!r}, and so no likelihood", "leave it out of the data")


def scored(text: str, tally: Tally, *, pseudo: bool = False) -> LogLikelihoodAnswer:
    """The answer for a text, whose words are what white space sets apart."""
    return LogLikelihoodAnswer(**tally._asdict(), words=len(text.split()), bytes=len(text.encode()), pseudo=pseudo)


def windows(start: Sequence[int], own: Sequence[int], limit: int, step: int) -> "Iterator[tuple[np.ndarray, np.ndarray]]":
    """Rows of at most `limit` tokens, each with the tokens that are to be predicted at its last places.

    start: what is given; own: what is predicted, each token in one window alone
    step: tokens by which a window moves on; the first one is full, each further one predicts so many
    """
    import numpy as np

    tokens = np.array([*start, *own], np.int32)
    done = len(start)
    end = max(done + step, limit + 1)
    while done < len(tokens) or done == len(start):
        end = min(end, len(tokens))
        yield tokens[max(0, end - 1 - limit) : max(1, end - 1)], tokens[done:end]
        if end == len(tokens):
            return
        done, end = end, end + step
