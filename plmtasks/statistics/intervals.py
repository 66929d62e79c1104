"""Confidence intervals of scores: where one would lie on other examples of the same kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from .resampling import by_cluster, drawing, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .resampling import Reduce

Method = Literal["wilson", "percentile bootstrap", "none"]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a score would lie on other examples of the same kind, in the score's own unit."""

    low: float | None
    high: float | None
    method: Method
    """none: there is no interval, because there are too few examples or the score is not defined."""


TOGETHER = 65_536
"""Rows that are looked at at a time."""

NO_INTERVAL = Interval(low=None, high=None, method="none")


def bootstrap(  # noqa: PLR0913  what is drawn, and named options that can all be left out
    statistics: "NDArray[Any]", reduce: "Reduce", *, clusters: "Sequence[Any] | NDArray[Any] | None" = None,
    proportions: Mapping[str, int] | None = None, resamples: int = 10_000, level: float = 0.95, seed: int = 0,
    times: "NDArray[Any] | None" = None,
) -> dict[str, Interval]:  # fmt: skip
    """The interval of each score that `reduce` makes of the summed statistics.

    statistics: (n, k), one row an example
    reduce: (..., k) sums → scores of shape (...), nan where a score is not defined; such resamples are left out
    clusters: for each example what it shares with others; whole clusters are drawn
    proportions: score → the column whose mean it is, on any scale; if the column's rows are all 0 or 1, it gets
        Wilson's interval, which does not collapse where they are all equal
    times: how many examples each row stands for, where all rows are different, no clusters shared and no proportions given.
        int64, (n,)

    The same seed gives the same intervals, whatever the number of threads.

    source: Efron and Tibshirani (1993), chapter 13; Wilson (1927)
    """
    import numpy as np

    examples = np.asarray(statistics, dtype=np.float64)
    rows = by_cluster(examples, clusters)
    points = reduce(rows.sum(axis=0) if times is None else times @ rows)
    if len(rows) < 2 and times is None:
        return dict.fromkeys(points, NO_INTERVAL)
    found: dict[str, Interval] = {}
    for score, column in (proportions or {}).items():
        values = examples[:, column]
        # examples of one cluster are not independent; if all are alike, the clusters at least are trials
        if np.isin(values, (0.0, 1.0)).all() and (clusters is None or values.min() == values.max()):
            ends = _scale(score, examples, column, reduce)
            if ends is not None:
                bottom, top = ends
                low, high = wilson(float(values.mean()), len(rows), level)
                found[score] = Interval(low=bottom + low * (top - bottom), high=bottom + high * (top - bottom), method="wilson")
    if found.keys() != points.keys():
        drawn = resampled(rows[:, None], reduce, resamples=resamples, seed=seed, times=times)
        for score in points.keys() - found.keys():
            found[score] = _interval(drawn[score][:, 0], float(points[score]), level)
    return {score: found[score] for score in points}


def bootstrap_computed(
    compute: "Callable[[NDArray[Any]], Mapping[str, float]]", n: int, clusters: Sequence[Any] | None = None, *,
    resamples: int = 200, level: float = 0.95, seed: int = 0,
) -> dict[str, Interval]:  # fmt: skip
    """The slow way, for scores that are no function of a sum.

    compute: positions of drawn examples, (about n) → the scores on them
    clusters: as of `bootstrap`; whole clusters are drawn
    """
    import numpy as np

    points = compute(np.arange(n))
    count, positions = drawing(range(n) if clusters is None else clusters)
    if count < 2:
        return dict.fromkeys(points, NO_INTERVAL)
    values: dict[str, list[float]] = {score: [] for score in points}
    random = np.random.Generator(np.random.SFC64(seed))
    for _ in range(resamples):
        for score, value in compute(positions(random.integers(0, count, count))).items():
            values[score].append(value)
    return {score: _interval(np.asarray(values[score]), points[score], level) for score in points}


def _scale(score: str, rows: "NDArray[Any]", column: int, reduce: "Reduce") -> tuple[float, float] | None:
    """What the score is if none and if all of a column's rows are 1; None where it is not the mean between the two."""
    import numpy as np

    totals = np.repeat(rows.sum(axis=0)[None], 2, axis=0)
    totals[:, column] = 0, len(rows)
    bottom, top = (float(v) for v in reduce(totals)[score])
    # every example alone and all together: a ratio to a count that differs between examples is no such mean
    parts = [rows[i : i + TOGETHER] for i in range(0, len(rows), TOGETHER)]
    for some, values in ((rows.sum(axis=0)[None], rows[:, column].mean()), *((part, part[:, column]) for part in parts)):
        if not np.allclose(reduce(some)[score], bottom + values * (top - bottom)):
            return None
    return bottom, top


def wilson(p: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion p observed in n trials, without continuity correction.

    source: Wilson (1927), Journal of the American Statistical Association 22
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    # at 0 and 1 the ends are exact, but for rounding
    return (0.0 if p == 0 else centre - half), (1.0 if p == 1 else centre + half)


def _interval(drawn: "NDArray[Any]", point: float, level: float) -> Interval:
    """The middle `level` of the resampled scores."""
    import numpy as np

    defined = drawn[~np.isnan(drawn)]
    if np.isnan(point) or not len(defined):
        return NO_INTERVAL
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low=low, high=high, method="percentile bootstrap") if np.isfinite([low, high]).all() else NO_INTERVAL
