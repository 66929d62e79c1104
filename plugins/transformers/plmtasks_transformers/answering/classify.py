"""Classify: a linear head over the whole text."""

from collections.abc import Sequence
from typing import cast

import torch
from torch.nn import functional

from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from ..fast import Fetched
from .loaded import Answers, Encoding, in_groups
from .whole_text import WholeText


class Classifier(WholeText):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    def compute(self, requests: Sequence[Classify], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(self.forward(encodings))

        def answers() -> list[Answer]:
            [logits] = fetched()
            alike = [(r.labels, r.multi_label) for r in requests]
            return in_groups(range(len(requests)), alike, lambda some: self._answers(requests[some[0]], logits[some]))

        return answers

    def _answers(self, first: Classify, logits: torch.Tensor) -> list[Answer]:
        """first: of requests of one set of labels; logits: of each a row"""
        own = logits[:, self.columns(first.labels)]
        # of rows together torch's sigmoid rounds otherwise than of one, its softmax does not
        rows = [row.sigmoid().tolist() for row in own] if first.multi_label else own.softmax(-1).tolist()
        return [ClassifyAnswer(scores=tuple(row)) for row in rows]

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
