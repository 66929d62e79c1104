"""Score by an encoder: the pseudo-log-likelihood of a text, each token hidden in turn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.batching import Cost
from plmtasks.errors import ModelError
from plmtasks.requests import Answer, Request, Score, ScoreAnswer

from .architectures import ENCODER
from .likelihood import logits_at, token_log_likelihoods
from .loaded import Loaded, Parts

if TYPE_CHECKING:
    import numpy as np
    import torch

    from plmtasks.config import ModelSettings

PIECE = 8192
"""Padded tokens computed at once, if the settings do not say."""
SHARE = 0.15
"""Of the tokens, that are to be restored in training."""


class Window(NamedTuple):
    ids: "np.ndarray"
    types: "np.ndarray"
    places: "np.ndarray"
    """Of the tokens that are scored."""


class Encoding(NamedTuple):
    windows: Sequence[Window]
    cut: int

    @property
    def tokens(self) -> int:
        return sum(len(w.places) for w in self.windows)


class PseudoScorer(Loaded):
    """Every token of the text is masked once and predicted from all others of its window.

    source: Salazar et al. (2020), arXiv 1910.14659
    """

    heads = {ENCODER: "AutoModelForMaskedLM"}
    policies = ("auto", "window", "error", "skip")
    needs_offsets = True

    def __init__(self, parts: Parts, form: Request) -> None:
        super().__init__(parts, form)
        if self.tokenizer.mask_token_id is None:
            raise ModelError(f"{parts.name!r} has no mask token, and cannot score a text")

    @classmethod
    def facts(cls, settings: "ModelSettings") -> dict[str, Any]:
        return {"piece": settings.batch_tokens or PIECE}

    def encode(self, requests: Sequence[Score]) -> list[Encoding]:
        """Windows that do not overlap, each after the end of the context, which takes at most half."""
        most = self.limit // 2
        contexts = self.tokenize([r.context for r in requests], add_special_tokens=False, return_offsets_mapping=True)
        made = []
        for request, ids, offsets in zip(requests, contexts["input_ids"], contexts["offset_mapping"], strict=True):
            context = request.context if len(ids) <= most else request.context[offsets[-most][0] :]
            pieces = self._windows(context, request.text)
            length = sum(len(w.places) for w in pieces)
            if len(pieces) > 1 and self.settings.truncation == "error":
                raise self.too_long(request.text, length, len(pieces[0].places))
            made.append(Encoding(pieces, length - len(pieces[0].places) if self.settings.truncation == "skip" else 0))
        return made

    def _windows(self, context: str, text: str) -> list[Window]:
        import numpy as np

        sides = [[context], [text]] if context.strip() else [[text]]
        self.tokenizer.truncation_side = "right"
        batch = self.tokenize(
            *sides, truncation="only_second" if len(sides) > 1 else "only_first", max_length=self.limit,
            return_overflowing_tokens=True, return_token_type_ids=True,
        )  # fmt: skip
        made = []
        for row, (ids, types) in enumerate(zip(batch["input_ids"], batch["token_type_ids"], strict=True)):
            places = [j for j, side in enumerate(batch.sequence_ids(row)) if side == len(sides) - 1]
            made.append(Window(np.array(ids, np.int32), np.array(types, np.int32), np.array(places, np.int64)))
        return made

    def cost(self, encoding: Encoding) -> Cost:
        return Cost(rows=max(1, encoding.tokens), width=max(len(w.ids) for w in encoding.windows), cut=encoding.cut)

    def compute(self, requests: Sequence[Score], encodings: Sequence[Encoding]) -> list[Answer]:
        return [
            ScoreAnswer(
                log_likelihood=sum(self._score(w) for w in encoding.windows), tokens=encoding.tokens,
                words=len(request.text.split()), bytes=len(request.text.encode()),
            )
            for request, encoding in zip(requests, encodings, strict=True)
        ]  # fmt: skip

    def _score(self, window: Window) -> float:
        """The sum over the scored tokens of one window, a piece of them at a time."""
        import torch

        rows = max(1, (self.settings.batch_tokens or PIECE) // len(window.ids))
        total = 0.0
        for i in range(0, len(window.places), rows):
            places = window.places[i : i + rows]
            hidden = [[int(p)] for p in places]
            total += float(
                self._restored([window] * len(places), hidden, torch.full((len(places),), self.tokenizer.mask_token_id)).sum()
            )
        return total

    def _restored(self, windows: Sequence[Window], hidden: Sequence[Sequence[int]], shown: "torch.Tensor") -> "torch.Tensor":
        """Log-likelihoods of the true tokens at hidden places, (all hidden places,).

        hidden: places for each window; shown: the tokens that stand there instead, (all hidden places,)
        """
        import torch

        inputs = self.inputs([w.ids for w in windows], [w.types for w in windows])
        width = inputs["input_ids"].shape[1]
        at = torch.tensor([row * width + p for row, places in enumerate(hidden) for p in places], device=self.device)
        flat = inputs["input_ids"].flatten()
        true = flat[at]
        inputs["input_ids"] = flat.index_put((at,), shown.to(self.device)).view(-1, width)
        return token_log_likelihoods(logits_at(self.module, inputs, at), true)

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """Masked language modelling: 15 % of the tokens, of which 80 % are masked, 10 % replaced, 10 % left.

        Drawn anew at each call from torch's generator.
        """
        import torch

        windows = [w for e in self.encodings(requests) for w in e.windows if len(w.places)]
        hidden = [
            w.places[torch.randperm(len(w.places))[: max(1, round(SHARE * len(w.places)))].numpy()].tolist() for w in windows
        ]
        true = torch.tensor([int(w.ids[p]) for w, places in zip(windows, hidden, strict=True) for p in places])
        fate = torch.rand(len(true))
        others = torch.randint(len(self.tokenizer), (len(true),))
        shown = torch.where(fate < 0.8, self.tokenizer.mask_token_id, torch.where(fate < 0.9, others, true))
        return -self._restored(windows, hidden, shown).sum(), float(len(true))
