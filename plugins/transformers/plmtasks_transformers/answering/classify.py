"""Classify: a linear head over the whole text."""

from collections.abc import Sequence
from typing import cast

import torch
from torch.nn import functional

from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from ..fast import Fetched
from .loaded import Answers, Encoding
from .whole_text import WholeText


class Classifier(WholeText):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    def compute(self, requests: Sequence[Classify], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(self.forward(encodings))

        def answers() -> list[Answer]:
            [logits] = fetched()
            return [self._answer(request, row) for request, row in zip(requests, logits, strict=True)]

        return answers

    def _answer(self, request: Classify, logits: torch.Tensor) -> ClassifyAnswer:
        own = logits[self.columns(request.labels)]
        scores = own.sigmoid() if request.multi_label else own.softmax(-1)
        return ClassifyAnswer(scores=tuple(scores.tolist()))

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Cross-entropy, or the mean over labels of the binary one; summed over requests, each by the weight of its label."""
        asked, solved = cast(Sequence[Classify], requests), cast(Sequence[ClassifyAnswer], answers)
        logits = self.forward(self.encodings(asked))
        columns = torch.tensor([self.columns(r.labels) for r in asked], device=logits.device)
        own = logits.gather(1, columns)
        wanted = torch.tensor([a.scores for a in solved], device=logits.device)
        weights = torch.tensor([self.class_weights(r.labels) for r in asked], device=logits.device)
        if asked[0].multi_label:
            smooth = wanted + self.smoothing * (0.5 - wanted)
            losses = functional.binary_cross_entropy_with_logits(own, smooth, reduction="none", pos_weight=weights)
            return losses.mean(-1).sum(), float(len(requests))
        smooth = wanted + self.smoothing * (1 / wanted.shape[1] - wanted)
        return functional.cross_entropy(own, smooth * weights, reduction="sum"), float((wanted * weights).sum())
