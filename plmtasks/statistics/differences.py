"""Whether one run is better than another on the same examples."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .ranks import pair_p
from .resampling import by_cluster, coins, drawing, leave_one_out, numbered, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .resampling import Reduce


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The score of one run less that of another on the same examples, in the score's own unit."""

    value: float
    low: float | None
    high: float | None
    """Of the percentile bootstrap of pairs."""
    p: float
    """Two-sided: of the test by which tables are ranked, Student's with the jackknife's standard error."""
    p_bootstrap: float
    """Two-sided: how often a resample's difference lies as far from the one found as that from 0."""
    p_randomization: float
    """Two-sided: how often the difference is as large after the two runs' answers were exchanged at random."""
    p_mcnemar: float | None
    """Two-sided and exact; None where examples are not simply right or wrong, or not independent."""
    effect: float | None
    """The difference in standard deviations of what single examples (or clusters) contribute to it; None: they have none."""
    effect_low: float | None
    effect_high: float | None


def compare(  # noqa: PLR0913  two runs, and options that can be left out
    first: "NDArray[Any]", second: "NDArray[Any]", reduce: "Reduce", *,
    clusters: "Sequence[Any] | NDArray[Any] | None" = None, proportions: Mapping[str, int] | None = None,
    resamples: int = 10_000, level: float = 0.95, seed: int = 0,
) -> dict[str, Difference]:  # fmt: skip
    """For each score that both runs have, how they differ.

    first, second: (n, k) statistics of the same n examples
    reduce, clusters, proportions: as of `bootstrap`; clusters are drawn and exchanged whole

    source: Efron and Tibshirani (1993), chapter 16; Noreen (1989) for randomization, one added to both counts;
        Riezler and Maxwell (2005); McNemar (1947); Cohen's d of pairs
    """
    import numpy as np

    both = np.stack([first, second], axis=1).astype(np.float64)
    rows = by_cluster(both, clusters)
    total = rows.sum(axis=0)
    drawn = resampled(rows, reduce, resamples=resamples, seed=seed)
    moved = coins(rows[:, 1] - rows[:, 0], resamples, seed)
    exchanged = reduce(np.stack([total[0] + moved, total[1] - moved], axis=1))
    found = {}
    for score, values in reduce(total).items():
        value = float(values[0] - values[1])
        if math.isnan(value):
            continue
        low, high, p_bootstrap = _drawn(value, drawn[score][:, 0] - drawn[score][:, 1], level)
        swapped = exchanged[score][:, 0] - exchanged[score][:, 1]
        ends = [None, None] if math.isnan(low) else [low, high]
        deviation = _deviation(rows, reduce, score)
        effect, effect_low, effect_high = (None if end is None or not deviation else end / deviation for end in (value, *ends))
        found[score] = Difference(
            value=value, low=ends[0], high=ends[1], p=pair_p(rows, reduce, score), p_bootstrap=p_bootstrap,
            p_randomization=_share(np.abs(swapped[np.isfinite(swapped)]), value),
            p_mcnemar=_mcnemar_of(both, (proportions or {}).get(score), len(rows)),
            effect=effect, effect_low=effect_low, effect_high=effect_high,
        )  # fmt: skip
    return found


def compare_computed(
    compute: "Callable[[NDArray[Any]], Mapping[str, float]]", n: int, clusters: Sequence[Any] | None = None, *,
    resamples: int = 200, level: float = 0.95, seed: int = 0,
) -> dict[str, Difference]:  # fmt: skip
    """The slow way, for scores that are no function of a sum; `p` is by the bootstrap's standard error, and there is no effect.

    compute: positions of predictions → the scores on them, where the first run's are 0 to n - 1 and the second's the n behind;
        what it does not give is not defined there
    clusters: as of `compare`
    """
    import numpy as np

    of, random = numbered(range(n) if clusters is None else clusters), np.random.Generator(np.random.SFC64(seed))
    count, positions = drawing(of)
    points = [compute(np.arange(n)), compute(np.arange(n, 2 * n))]
    drawn, exchanged = list[list[Mapping[str, float]]](), list[list[Mapping[str, float]]]()
    for _ in range(resamples):
        chosen = positions(random.integers(0, count, count))
        drawn.append([compute(chosen), compute(chosen + n)])
        swap = n * random.integers(0, 2, count)[of]
        exchanged.append([compute(np.arange(n) + swap), compute(np.arange(n) + n - swap)])
    found = {}
    for score, first in points[0].items():
        value = float(first - points[1].get(score, math.nan))
        if math.isnan(value):
            continue
        others, swapped = (
            np.array([a.get(score, math.nan) - b.get(score, math.nan) for a, b in pairs]) for pairs in (drawn, exchanged)
        )
        low, high, p_bootstrap = _drawn(value, others, level)
        ends = [None, None] if math.isnan(low) else [low, high]
        found[score] = Difference(
            value=value, low=ends[0], high=ends[1], p=_student(value, others, count), p_bootstrap=p_bootstrap,
            p_randomization=_share(np.abs(swapped[np.isfinite(swapped)]), value), p_mcnemar=None,
            effect=None, effect_low=None, effect_high=None,
        )  # fmt: skip
    return found


def _student(value: float, drawn: "NDArray[Any]", n: int) -> float:
    """The p-value of a difference by the spread of its resamples."""
    import numpy as np
    from scipy.special import stdtr

    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std(ddof=1)) if len(drawn) > 1 else 0.0
    if error <= 1e-12:
        return float(abs(value) <= 1e-12)
    return float(2 * stdtr(max(n - 1, 1), -abs(value) / error))


def compare_pairs(
    rows: "NDArray[Any]", reduce: "Reduce", score: str, pairs: Sequence[tuple[int, int]], *,
    resamples: int = 2_000,
) -> "list[tuple[float, float, float, float]]":  # fmt: skip
    """How the runs of each pair differ in one score, all pairs by the same resamples: a second look at hundreds is cheap.

    rows: (n, m, k) statistics of n independent examples (or clusters) in m runs
    pairs: positions of two runs

    returns: for each pair the first's score less the second's, its interval's ends and its `p_bootstrap`, as `compare` gives
        them, not corrected for the number of pairs; nan where the score is not defined
    """
    import numpy as np

    points = np.asarray(reduce(rows.sum(axis=0))[score])
    drawn = resampled(rows.astype(np.float64, copy=False), reduce, resamples=resamples)[score]
    found = []
    for first, second in pairs:
        value = float(points[first] - points[second])
        found.append((value, *_drawn(value, drawn[:, first] - drawn[:, second])))
    return found


def _drawn(value: float, others: "NDArray[Any]", level: float = 0.95) -> tuple[float, float, float]:
    """The ends of a difference's interval by its resamples, nan where none is defined; and its `p_bootstrap`."""
    import numpy as np

    others = others[np.isfinite(others)]
    low, high = np.quantile(others, ((1 - level) / 2, (1 + level) / 2)).tolist() if len(others) else (math.nan, math.nan)
    return low, high, _share(np.abs(others - value), value)


def _share(distances: "NDArray[Any]", value: float) -> float:
    """The share of distances that reach the value; the data themselves count as one more, so that it is never 0."""
    reached = (distances >= abs(value) - 1e-9 * max(1.0, abs(value))).sum()
    return float((reached + 1) / (len(distances) + 1))


def _deviation(rows: "NDArray[Any]", reduce: "Reduce", score: str) -> float | None:
    """The standard deviation of what single rows contribute to the difference, by the jackknife."""
    import numpy as np

    left_out = leave_one_out(rows, reduce, score)
    contributions = (len(rows) - 1) * (left_out[:, 0] - left_out[:, 1])
    contributions = contributions[np.isfinite(contributions)]
    deviation = float(contributions.std(ddof=1)) if len(contributions) > 1 else 0.0
    return deviation if deviation > 1e-12 else None


def _mcnemar_of(both: "NDArray[Any]", column: int | None, independent: int) -> float | None:
    import numpy as np

    if column is None or independent != len(both) or not np.isin(values := both[:, :, column], (0.0, 1.0)).all():
        return None
    return mcnemar(int((values[:, 0] > values[:, 1]).sum()), int((values[:, 0] < values[:, 1]).sum()))


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test: a fair coin for each example on which just one run is right.

    source: McNemar (1947), Psychometrika 12; the binomial form
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(first_only, second_only), first_only + second_only, 0.5)))
