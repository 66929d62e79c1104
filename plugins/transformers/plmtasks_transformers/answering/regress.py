"""Regress: a linear head of one output over the whole text."""

from collections.abc import Sequence
from typing import cast

import torch
from torch.nn import functional

from plmtasks.requests import Answer, Regress, RegressAnswer, Request

from ..fast import Fetched
from .loaded import Answers, Encoding
from .whole_text import WholeText


class Regressor(WholeText):
    """The output is the number, in the unit of the data: published checkpoints have learned it so."""

    def compute(self, requests: Sequence[Regress], encodings: Sequence[Encoding]) -> Answers:
        fetched = Fetched(self.forward(encodings)[:, 0])
        return lambda: [RegressAnswer(value=value) for value in fetched()[0].tolist()]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """The squared error, summed over requests."""
        asked, solved = cast(Sequence[Regress], requests), cast(Sequence[RegressAnswer], answers)
        values = self.forward(self.encodings(asked))[:, 0]
        wanted = torch.tensor([a.value for a in solved], device=values.device, dtype=values.dtype)
        return functional.mse_loss(values, wanted, reduction="sum"), float(len(requests))
