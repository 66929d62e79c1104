"""What a judge's verdicts come to, and how far they agree with people's."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Means, Metric, ScoreInfo, Value, ratio

from .rubric import FIRST, SCORE, SECOND, TIE, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

READ = ScoreInfo(mean_of="read")
UNRATED = ScoreInfo(best=None)
VERDICTS = (FIRST, SECOND, TIE)


class ScaleScores(Means):
    """The mean verdict on the scale of the rubric; a verdict that was none does not count, but `read` tells of it."""

    name = "judge_score"
    description = "the judge's mean score on the scale of its rubric"

    def __init__(self) -> None:
        self.scale = SCORE.values

    def bind(self, task: "Task") -> "ScaleScores":
        bound = copy(self)
        bound.scale = scale_of(task)
        return bound

    def means(self) -> Mapping[str, ScoreInfo]:
        worst, best = self.scale[0], self.scale[-1]
        on = ScoreInfo(best=None, unit=f"{worst:g} to {best:g}", minimum=float(worst), maximum=float(best))
        return {"score": on, "expected": on, "read": READ}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        return [{"score": p.value, "expected": p.scores.get("expected"), "read": float(p.value is not None)} for p in predictions]


class PairedVerdicts(Means):
    """How often the first run's answer was the better one; a tie, also of two orders that disagree, is half."""

    name = "judge_wins"
    description = "how often the first of two runs was judged better, ties as halves"

    def means(self) -> Mapping[str, ScoreInfo]:
        lower = ScoreInfo(best=None, higher_is_better=False)
        return {
            "win_rate": UNRATED, "wins": UNRATED, "ties": UNRATED, "losses": lower, "decided_by_order": lower, "read": READ,
        }  # fmt: skip

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        return [self._of(p) for p in predictions]

    def _of(self, p: Prediction) -> Mapping[str, Value]:
        if p.value is None:
            return {"read": 0.0}
        won, lost = (float(p.value == one) for one in (FIRST, SECOND))
        return {
            "win_rate": (1 + won - lost) / 2, "wins": won, "losses": lost, "ties": 1 - won - lost,
            "decided_by_order": p.scores["order"], "read": 1.0,
        }  # fmt: skip


class Agreement(Metric):
    """How far verdicts are people's: the share that is the same, and Cohen's kappa, from a table of both.

    Columns: how often each verdict met each of people's. Examples that people or the judge did not judge do not count.
    """

    verdicts: Sequence[Any]

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"exact": ScoreInfo(), "kappa": ScoreInfo(best=1.0, unit="kappa", minimum=-1.0, maximum=1.0)}

    def columns(self) -> Sequence[str]:
        return [f"{one} for {other}" for other in self.verdicts for one in self.verdicts]

    def place(self, value: Any) -> int:
        """Of the verdict among all."""
        return list(self.verdicts).index(value)

    def row(self, prediction: Prediction, example: Example) -> list[float]:
        """Of a pair that counts."""
        size = len(self.verdicts)
        at = self.place(example.reference) * size + self.place(prediction.value)
        return [float(i == at) for i in range(size * size)]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        none = [0.0] * len(self.columns())
        pairs = zip(predictions, examples, strict=True)
        rows = [none if p.value is None or e.reference is None else self.row(p, e) for p, e in pairs]
        return np.array(rows, dtype=np.float64).reshape(-1, len(none))

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        size = len(self.verdicts)
        table = totals[..., : size * size].reshape(*totals.shape[:-1], size, size)
        count = table.sum(axis=(-2, -1))
        same = ratio(np.trace(table, axis1=-2, axis2=-1), count)
        chance = ratio((table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1), count**2)
        return {"exact": 100 * same, "kappa": ratio(same - chance, 1 - chance)}


class Preferences(Agreement):
    name = "judge_preference"
    description = "how often judge and people prefer the same of two answers"
    verdicts = VERDICTS


PREFERENCES = Preferences()


class RatingAgreement(Agreement):
    """Of scores on a scale: for `exact` and `kappa` people's nearest point counts, correlations are of the expected score."""

    name = "judge_agreement"
    description = "how far a judge's scores agree with people's: exact, kappa, correlations"

    def __init__(self) -> None:
        self.verdicts = SCORE.values

    def bind(self, task: "Task") -> "RatingAgreement":
        bound = copy(self)
        bound.verdicts = scale_of(task)
        return bound

    def scores(self) -> Mapping[str, ScoreInfo]:
        correlation = ScoreInfo(best=1.0, unit="correlation", minimum=-1.0, maximum=1.0)
        return {**super().scores(), "pearson": correlation, "spearman": correlation}

    def columns(self) -> Sequence[str]:
        return [*super().columns(), "pairs", "judge", "people", "judge²", "people²", "judge·people"]

    def place(self, value: Any) -> int:
        return min(range(len(self.verdicts)), key=lambda i: abs(self.verdicts[i] - value))

    def row(self, prediction: Prediction, example: Example) -> list[float]:
        x, y = expected(prediction), float(example.reference)
        return [*super().row(prediction, example), 1.0, x, y, x * x, y * y, x * y]

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        n, x, y, xx, yy, xy = np.moveaxis(totals[..., -6:], -1, 0)
        spread = np.sqrt(np.maximum((n * xx - x * x) * (n * yy - y * y), 0.0))
        # rounding leaves next to nothing of what does not vary at all
        spread = np.where(spread > 1e-9 * n * np.maximum(np.abs(xy), 1), spread, 0.0)
        return {**super().reduce(totals), "pearson": ratio(n * xy - x * y, spread)}

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Spearman's correlation of ranks."""
        import numpy as np
        from scipy.stats import rankdata

        pairs = [(p, e) for p, e in zip(predictions, examples, strict=True) if p.value is not None and e.reference is not None]
        ranks = [rankdata(side) for side in ([expected(p) for p, _ in pairs], [float(e.reference) for _, e in pairs])]
        varied = len(pairs) > 1 and all(np.ptp(side) > 0 for side in ranks)
        return {"spearman": float(np.corrcoef(*ranks)[0, 1]) if varied else float("nan")}


def scale_of(task: "Task") -> Sequence[float]:
    """What the points of its rubric count; of a task that is not installed, a result tells the rubric."""
    rubric = getattr(task, "rubric", SCORE)
    scale = rubric.get("scale", ()) if isinstance(rubric, Mapping) else rubric.scale
    return values_of(scale) or SCORE.values


def expected(prediction: Prediction) -> float:
    return prediction.scores.get("expected", float(prediction.value))
