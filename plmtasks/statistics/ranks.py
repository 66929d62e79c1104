"""Which of many runs the data can tell apart, and the ranks that this leaves open."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from .resampling import leave_one_out, one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .resampling import Reduce

ALL_PAIRS = 256
"""The most runs whose pairs are corrected by Holm's procedure; of more, by Bonferroni's, which needs no table."""

POWER = 0.8
"""Of the test for which a smallest difference is told."""


LARGE, MANY = 5, 100
"""A t over which, of so many examples, the normal p-value is certainly the larger of the two."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What the data says of the order of m runs, as arrays in the order in which they were given."""

    low: "NDArray[Any]"
    """The best rank that each can have: behind those alone that are shown to be better. int, (m,)"""
    high: "NDArray[Any]"
    """The worst: before those alone that are shown to be worse."""
    tier: "NDArray[Any]"
    """1 for the best run and all that cannot be told from it, 2 for the best of the others and all of them that cannot be told
    from it, and so on: each tier is held together by its best run, and not by chains of neighbours. int, (m,)"""
    errors: "NDArray[Any]"
    """The standard error of each score. (m,)"""
    smallest: float | None
    """The true difference between neighbours in rank that such data would show in four cases of five, before any correction;
    None: there is one run."""


def rank(
    rows: "NDArray[Any]", reduce: "Reduce", score: str, *, higher_is_better: bool = True,
    groups: Sequence[Sequence[int]] | None = None, level: float = 0.05,
) -> Ranking:  # fmt: skip
    """Tests each pair of runs on the same examples, corrected for the number of pairs.

    rows: (n, m, k) statistics of n independent examples (or clusters) in m runs
    groups: runs (by position) whose mean score is ranked, such as several seeds; None: each alone. The arrays that come back
        are then as long as there are groups
    level: the chance that any difference is shown which is none

    The standard error of a difference is the jackknife's: that of the contributions that single examples make to it. A pair's
    p-value is Student's, and never under what exchanging answers could give (2^(1-d) where d examples differ), since few
    differences are not normally distributed.

    source: Efron and Tibshirani (1993), chapter 11; Holm (1979); rank intervals from tests of all pairs: Mohamad et al. (2019)
    """
    import numpy as np

    tests = _Tests(rows, reduce, score, groups, level)
    values = tests.values if higher_is_better else -tests.values
    better = np.zeros(len(values), dtype=np.int64)
    worse = np.zeros(len(values), dtype=np.int64)
    order = np.lexsort((np.arange(len(values)), -values))
    tier, leader = np.zeros(len(values), dtype=np.int64), {}
    for i, shown in tests.shown():
        better[i] = (shown & (values > values[i])).sum()
        worse[i] = (shown & (values < values[i])).sum()
        leader[i] = shown
    number = 0
    for i in order:
        if not tier[i]:
            number += 1
            # those that are better and in an earlier tier keep theirs
            tier[(tier == 0) & ~leader[i]] = number
    return Ranking(
        low=1 + better, high=len(values) - worse, tier=tier, errors=tests.errors, smallest=_smallest(tests, order, level)
    )


def holm(p: "NDArray[Any]") -> "NDArray[Any]":
    """p-values corrected for all being looked at, so that the chance of any false one stays at its level.

    p: any shape
    source: Holm (1979), Scandinavian Journal of Statistics 6
    """
    import numpy as np

    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    factors = np.arange(len(flat), 0, -1)
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(flat[order] * factors))
    return corrected.reshape(p.shape)


def pair_p(rows: "NDArray[Any]", reduce: "Reduce", score: str) -> float:
    """The p-value of two runs alone, as `rank` tests a pair.

    rows: (n, 2, k) statistics of n independent examples (or clusters)
    """
    return float(_Tests(rows, reduce, score).p(0, 1, exactly=True)[0])


def _contributions(
    rows: "NDArray[Any]", reduce: "Reduce", score: str, groups: Sequence[Sequence[int]] | None
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """The scores, and how far each row moves them, so scaled that the sum of its squares is the squared standard error.

    returns: (g,), (n, g)
    """
    import numpy as np

    n = len(rows)
    values = np.asarray(reduce(rows.sum(axis=0))[score], dtype=np.float64)
    without = leave_one_out(rows, reduce, score)
    # where the score is not defined without an example, that example is taken to say nothing
    without = np.where(np.isnan(without), values, without)
    moved = (without.mean(axis=0) - without) * ((n - 1) / n) ** 0.5
    if groups is not None:
        mean = np.zeros((rows.shape[1], len(groups)))
        for g, members in enumerate(groups):
            mean[list(members), g] = 1 / len(members)
        values, moved = values @ mean, moved @ mean
    return values, moved


def _fingerprints(rows: "NDArray[Any]", groups: Sequence[Sequence[int]] | None) -> "NDArray[Any]":
    """A number for each row of each group, equal where the rows are equal. (n, g)"""
    import numpy as np

    weights = np.random.Generator(np.random.PCG64(0)).normal(size=rows.shape[2])
    marks = rows @ weights
    if groups is None:
        return marks
    return np.stack([marks[:, list(members)] @ (np.sqrt(2) + np.arange(len(members))) for members in groups], axis=1)


class _Tests:
    """The tests of all pairs of runs at one level."""

    def __init__(
        self,
        rows: "NDArray[Any]",
        reduce: "Reduce",
        score: str,
        groups: Sequence[Sequence[int]] | None = None,
        level: float = 0.05,
    ) -> None:
        """As of `rank`."""
        from scipy.special import stdtrit

        with one_thread():
            self.values, contributions = _contributions(rows, reduce, score, groups)
            self.marks, self.covariance = _fingerprints(rows, groups), contributions.T @ contributions
        self.level, runs = level, len(self.values)
        self.freedom = max(len(rows) - 1, 1)
        self.pairs = max(runs * (runs - 1) // 2, 1)
        # Student's distribution is slow to compute, and is only where it decides: no correction shows a t up to the first of
        # these, and none hides one over the second
        self.near, self.sure = -stdtrit(self.freedom, [level / 2, level / (2 * self.pairs)])
        self.variances = self.covariance.diagonal()
        self.errors = self.variances**0.5
        self.tiny = 1e-12 * max(1.0, float(abs(self.values).max(initial=0.0)))

    def error(self, i: int, since: int = 0) -> "NDArray[Any]":
        """The standard errors of one run's differences from all since a position. (g - since,)"""
        import numpy as np

        squared = self.variances[since:] + self.variances[i] - 2 * self.covariance[i, since:]
        found: NDArray[Any] = np.sqrt(np.maximum(squared, 0.0))
        return found

    def p(self, i: int, since: int = 0, *, exactly: bool = False) -> "NDArray[Any]":
        """The p-values of one run against all since a position. (g - since,)

        exactly: not 1 or 0 where that decides as well
        """
        import numpy as np
        from scipy.special import stdtr

        n, values = len(self.marks), self.values
        difference, error = np.abs(values[since:] - values[i]), self.error(i, since)
        t = np.where(error > self.tiny, difference / np.maximum(error, self.tiny), np.where(difference > self.tiny, np.inf, 0.0))
        p: NDArray[Any] = np.ones_like(t)
        near, sure = (0.0, np.inf) if exactly else (self.near, self.sure)
        far, open = t > near, (t > near) & (t <= sure)
        p[far] = 0.0
        p[open] = 2 * stdtr(self.freedom, -t[open])
        # Few examples that differ are counted: exchanging answers cannot give less than this. Where t is large, many differ:
        # a sum's square is at most the sum of its terms' squares times their number.
        few = far & ((t < LARGE) | (n < MANY) | np.isinf(t))
        differing = (self.marks[:, since:][:, few] != self.marks[:, i : i + 1]).sum(axis=0)
        p[few] = np.clip(2.0 ** (1.0 - differing), p[few], 1.0)
        return p

    def shown(self) -> "Iterator[tuple[int, NDArray[Any]]]":
        """For each run, from which others it is told apart. bool, (g,)"""
        import numpy as np

        g = len(self.values)
        if g > ALL_PAIRS:
            for i in range(g):
                yield i, self.p(i) * self.pairs < self.level
            return
        upper = np.triu_indices(g, 1)
        shown = np.zeros((g, g), dtype=bool)
        shown[upper] = holm(np.concatenate([self.p(i, i + 1) for i in range(g)])) < self.level
        yield from enumerate(shown | shown.T)


def _smallest(tests: _Tests, order: "NDArray[Any]", level: float) -> float | None:
    import numpy as np

    if len(order) < 2:
        return None
    # of runs that answered alike there is no difference that more examples would show
    errors = [e for i, j in itertools.pairwise(order) if (e := tests.error(int(i))[int(j)]) > tests.tiny]
    if not errors:
        return None
    normal = NormalDist()
    return float(np.median(errors)) * (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(POWER))
