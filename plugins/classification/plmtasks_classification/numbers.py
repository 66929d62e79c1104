"""How well numbers are predicted: how they go together with the right ones, and how far they are off."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Aggregated, Means, ScoreInfo, Value, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

LARGEST = 1e100
"""What a text may write of a number; the squares of larger ones would not be finite."""
APART = 1e-11
"""Numbers whose variance is less than this share of their mean square count as all the same: rounding would tell the rest."""


class OfNumbers:
    """What metrics of numbers have in common: the origin, the middle of the task's scale, or 0 where it states none.

    Where a text holds no number, or one beyond 1e100, the origin stands for it: a model that always fails is as good as
    one that always says the same.
    """

    origin: float = 0.0

    def bind(self, task: "Task") -> Any:
        low, high = getattr(task, "scale", (None, None))
        bound = type(self)()
        bound.origin = 0.0 if low is None or high is None else (low + high) / 2
        return bound

    def signature(self) -> str:
        """The origin tells what stands for no number."""
        return f"{super().signature()}, origin {self.origin:g}"  # type: ignore[misc]  # of the metric beside it

    def off(self, prediction: Prediction, example: Example) -> tuple[float, float]:
        """Prediction and reference, counted from the origin."""
        return (prediction.value - self.origin if is_number(prediction.value) else 0.0), example.reference - self.origin


def is_number(value: Any) -> bool:
    """Whether a prediction is one that can be counted."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


class Correlation(OfNumbers, Aggregated):
    """Pearson's and Spearman's correlation of predictions and references, times 100.

    Columns: sums of predictions, references, their squares and their products, counted from the origin; the examples.
    Not defined where all predictions, or all references, are the same.
    source: scipy's `pearsonr` and `spearmanr`, which gives equal numbers the mean of their ranks
    """

    name = "correlation"
    description = "Pearson's and Spearman's correlation of predicted numbers with the right ones"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"pearson": ScoreInfo(minimum=-100.0), "spearman": ScoreInfo(minimum=-100.0)}

    def means(self) -> Mapping[str, ScoreInfo]:
        return {}

    def aggregations(self) -> Mapping[str, Callable[[Sequence[Any]], float]]:
        return {"spearman": spearman}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        return [{"spearman": self.off(p, e)} for p, e in zip(predictions, examples, strict=True)]

    def columns(self) -> Sequence[str]:
        return ["predicted", "reference", "predicted^2", "reference^2", "product", "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        pairs = np.array([self.off(p, e) for p, e in zip(predictions, examples, strict=True)], np.float64).reshape(-1, 2)
        return np.column_stack([pairs, pairs**2, pairs[:, 0] * pairs[:, 1], np.ones(len(pairs))])

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """Pearson alone: ranks are no sum."""
        import numpy as np

        means = ratio(totals[..., :5], totals[..., 5:])
        one, two, squares, others, product = np.moveaxis(means, -1, 0)
        spread, wanted = squares - one**2, others - two**2
        known = (spread > APART * squares) & (wanted > APART * others)
        found = ratio(product - one * two, np.where(known, np.sqrt(np.where(known, spread * wanted, 1.0)), 0.0))
        return {"pearson": 100 * np.clip(found, -1.0, 1.0)}


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """The correlation of the ranks, -1 to 1; nan where either side is one number everywhere."""
    from scipy.stats import spearmanr

    sides = [*zip(*pairs, strict=True)]
    return math.nan if any(min(side) == max(side) for side in sides) else float(spearmanr(*sides).statistic)


class RegressionError(OfNumbers, Means):
    """How far predicted numbers are off, in the unit of the data; and how many texts hold no number.

    source: the figures of scikit-learn's `mean_absolute_error`, `root_mean_squared_error` and `mean_squared_error`
    """

    name = "regression_error"
    description = "mean absolute and squared error of predicted numbers, in the unit of the data"

    def means(self) -> Mapping[str, ScoreInfo]:
        return {name: info for name, info in self.scores().items() if info.mean_of is not None}

    def scores(self) -> Mapping[str, ScoreInfo]:
        error: Mapping[str, Any] = {"best": 0.0, "higher_is_better": False, "maximum": None}
        return {
            "mae": ScoreInfo(**error, unit="units", mean_of="mae"),
            "rmse": ScoreInfo(**error, unit="units"),
            "mse": ScoreInfo(**error, unit="units squared", mean_of="mse"),
            "no_number": ScoreInfo(best=0.0, higher_is_better=False, mean_of="no_number"),
        }

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        found = []
        for prediction, example in zip(predictions, examples, strict=True):
            predicted, reference = self.off(prediction, example)
            error = abs(predicted - reference)
            found.append({"mae": error, "mse": error**2, "no_number": float(not is_number(prediction.value))})
        return found

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        means = super().reduce(totals)
        return {**means, "rmse": np.sqrt(means["mse"])}


METRICS = (Correlation(), RegressionError())
