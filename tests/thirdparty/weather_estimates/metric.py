"""How far predicted degrees are from those that were measured."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, metric

if TYPE_CHECKING:
    from numpy.typing import NDArray


@metric("within_a_degree")
def within_a_degree(prediction: float | None, reference: float) -> float:
    """predictions less than a degree from what was measured"""
    return float(prediction is not None and abs(prediction - reference) < 1)


class WeatherError(Metric):
    """Mean absolute error and Pearson's correlation of the predictions that are numbers, and how many are."""

    name = "weather_error"
    description = "mean error in degrees, correlation"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {
            "mean_error": ScoreInfo(best=0.0, higher_is_better=False, unit="°C", maximum=None),
            "correlation": ScoreInfo(best=1.0, unit="correlation", minimum=-1.0, maximum=1.0),
            "numbers": ScoreInfo(mean_of="numbers"),
        }

    def columns(self) -> Sequence[str]:
        return ["error", "p", "r", "pp", "rr", "pr", "numbers", "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        rows = np.zeros((len(predictions), len(self.columns())))
        for row, prediction, example in zip(rows, predictions, examples, strict=True):
            row[-1] = 1
            if prediction.value is not None:
                p, r = prediction.value, example.reference
                row[:-1] = abs(p - r), p, r, p * p, r * r, p * r, 1
        return rows

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        error, p, r, pp, rr, pr, n, examples = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.sqrt((n * pp - p * p) * (n * rr - r * r))
            return {
                "mean_error": error / n,
                "correlation": np.clip((n * pr - p * r) / np.where(spread > 0, spread, np.nan), -1, 1),
                "numbers": 100 * n / examples,
            }
