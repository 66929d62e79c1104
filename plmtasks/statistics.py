"""Intervals from per-example statistics."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reduce = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]

CHUNK_DRAWS = 4_000_000
"""Rows drawn at once; each takes 4 bytes as a position, and 4 or 8 as a count."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a score would lie on other examples of the same kind, in the score's own unit."""

    low: float | None
    high: float | None
    method: Literal["wilson", "percentile bootstrap", "none"]
    """none: there is no interval, because there are too few examples or the score is not defined."""


NO_INTERVAL = Interval(low=None, high=None, method="none")


def bootstrap(  # noqa: PLR0913  what is drawn, and five named options that can all be left out
    statistics: "NDArray[Any]", reduce: "Reduce", *, clusters: Sequence[str] | None = None,
    proportions: Mapping[str, int] | None = None, resamples: int = 10_000, level: float = 0.95, seed: int = 0,
) -> dict[str, Interval]:  # fmt: skip
    """The interval of each score that `reduce` makes of the summed statistics.

    statistics: (n, k), one row an example
    reduce: (..., k) sums → scores of shape (...), nan where a score is not defined; such resamples are left out
    clusters: for each example what it shares with others; whole clusters are drawn
    proportions: score → the column whose mean it is, on any scale; if the column's rows are all 0 or 1, it gets
        Wilson's interval, which does not collapse where they are all equal

    Drawing examples with replacement is weighting the rows by how often each is drawn, so all resamples are one matrix
    product. The same seed gives the same intervals, whatever the number of threads.

    source: Efron and Tibshirani (1993), chapter 13; Wilson (1927)
    """
    import numpy as np

    examples = np.asarray(statistics, dtype=np.float64)
    rows = examples if clusters is None else _sum_clusters(examples, clusters)
    points = reduce(rows.sum(axis=0))
    if len(rows) < 2:
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
        resampled = reduce(resample_totals(rows, resamples, seed))
        found = {score: _percentile(resampled[score], float(points[score]), level) for score in points} | found
    return {score: found[score] for score in points}


def resample_totals(rows: "NDArray[Any]", resamples: int, seed: int) -> "NDArray[Any]":
    """Sums of the rows of each resample.

    rows: float64, (n, k)
    returns: float64, (resamples, k)
    """
    import numpy as np

    # Sums of integers under 2^24 are exact in float32, in any order, and take half the time.
    whole = bool((rows == np.rint(rows)).all()) and float(np.abs(rows).max(initial=0)) * len(rows) < 2**24
    weighted = rows.astype(np.float32 if whole else np.float64)
    with _one_thread():
        chunks = [counts.astype(weighted.dtype, copy=False) @ weighted for counts in _counts(len(rows), resamples, seed)]
    return np.concatenate(chunks).astype(np.float64)


def _counts(n: int, resamples: int, seed: int) -> "Iterator[NDArray[Any]]":
    """How often each of n rows is drawn: float32 arrays of shape (some resamples, n), whose rows sum to n."""
    import numpy as np

    random = np.random.Generator(np.random.SFC64(seed))
    size = max(1, CHUNK_DRAWS // n)
    for start in range(0, resamples, size):
        draws = random.integers(0, n, (min(size, resamples - start), n), dtype=np.uint32)
        counts = np.empty(draws.shape, dtype=np.float32)
        for i, drawn in enumerate(draws):
            counts[i] = np.bincount(drawn, minlength=n)
        yield counts


def _one_thread() -> AbstractContextManager[Any]:
    """Over several threads a product of non-integers is added up in another order."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _sum_clusters(rows: "NDArray[Any]", clusters: Sequence[str]) -> "NDArray[Any]":
    """One row a cluster, the sum of its examples'; in the order of the clusters' first examples."""
    import numpy as np

    if len(clusters) != len(rows):
        raise ValueError(f"{len(rows)} rows, but {len(clusters)} clusters")
    number = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(number), rows.shape[1]))
    np.add.at(sums, [number[cluster] for cluster in clusters], rows)
    return sums


def _scale(score: str, rows: "NDArray[Any]", column: int, reduce: "Reduce") -> tuple[float, float] | None:
    """What the score is if none and if all of a column's rows are 1; None where it is not the mean between the two."""
    import numpy as np

    totals = np.repeat(rows.sum(axis=0)[None], 2, axis=0)
    totals[:, column] = 0, len(rows)
    bottom, top = (float(v) for v in reduce(totals)[score])
    # every example alone and all together: a ratio to a count that differs between examples is no such mean
    checked = np.vstack([rows, rows.sum(axis=0)])
    values = np.append(rows[:, column], rows[:, column].mean())
    return (bottom, top) if np.allclose(reduce(checked)[score], bottom + values * (top - bottom)) else None


def wilson(p: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion p observed in n trials, without continuity correction.

    source: Wilson (1927), Journal of the American Statistical Association 22
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    # at 0 and 1 the ends are exact, but for rounding
    return (0.0 if p == 0 else centre - half), (1.0 if p == 1 else centre + half)


def _percentile(resampled: "NDArray[Any]", point: float, level: float) -> Interval:
    """The middle `level` of the resampled scores."""
    import numpy as np

    defined = resampled[~np.isnan(resampled)]
    if np.isnan(point) or not len(defined):
        return NO_INTERVAL
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    if not np.isfinite([low, high]).all():
        return NO_INTERVAL
    return Interval(low=float(low), high=float(high), method="percentile bootstrap")
