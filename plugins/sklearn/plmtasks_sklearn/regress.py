"""Regress: a number, by ridge regression."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plmtasks.requests import Answer, Regress, RegressAnswer, Request

from .choosing import Choice, choose_for_numbers, ridge
from .features import Features
from .linear import Linear, write

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Regressor(Linear):
    """The one column is the number."""

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        asked = cast("Sequence[Regress]", requests)
        return [RegressAnswer(value=value) for value in self.values(asked)[:, 0].tolist()]


def learn(requests: Sequence[Regress], answers: Sequence[RegressAnswer], folder: Path, *, features: bool) -> Choice | None:
    """Writes the weights; returns which features and penalty it chose, if any.

    features: of the texts; else the number is the mean of those that are learned, whatever the text
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    truth: NDArray[Any] = np.array([answer.value for answer in answers], dtype=np.float64)
    if not features:
        write(folder, truth.mean(keepdims=True), None, None)
        return None
    with threadpool_limits(1):  # sums over several threads round in another way
        choice = choose_for_numbers(requests, truth)
        learned = Features.learned(requests, choice.views)
        model = ridge(choice.C).fit(learned.matrix(requests), truth)
    write(folder, np.atleast_1d(model.intercept_), model.coef_[:, None], learned)
    return choice
