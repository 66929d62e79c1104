"""How far a score moves from one seed of a training to another."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Scores of the same training from several seeds, on the same examples.

    It says nothing of other examples: that is the sampling interval, which is kept apart.
    """

    n: int
    mean: float
    deviation: float
    """The standard deviation of one seed's score."""
    low: float
    high: float
    """The interval of the mean over all seeds, by Student's t."""


def spread(scores: Sequence[float]) -> Spread:
    """Mean, deviation and interval of the scores of several seeds.

    raises: ValueError if there are fewer than two
    """
    from scipy.special import stdtrit

    deviation, mean = statistics.stdev(scores), math.fsum(scores) / len(scores)
    half = float(stdtrit(len(scores) - 1, (1 + LEVEL) / 2)) * deviation / math.sqrt(len(scores))
    return Spread(n=len(scores), mean=mean, deviation=deviation, low=mean - half, high=mean + half)


def seeds_apart(a: Sequence[float], b: Sequence[float]) -> bool | None:
    """Whether the mean scores of two trainings differ by more than their seeds make them.

    a, b: scores of the seeds of each. Of one that has a single seed, the other's deviation is taken

    returns: None if both have a single seed: nobody knows
    source: Welch (1947), with the degrees of freedom of Satterthwaite (1946)
    """
    if len(a) == len(b) == 1:
        return None
    from scipy.special import stdtrit

    first, second = statistics.variance(a if len(a) > 1 else b), statistics.variance(b if len(b) > 1 else a)
    parts = [(first / len(a), len(a) - 1), (second / len(b), len(b) - 1)]
    error = math.sqrt(sum(part for part, _ in parts))
    if min(len(a), len(b)) == 1:
        freedom = float(max(len(a), len(b)) - 1)
    else:
        freedom = error**4 / sum(part**2 / n for part, n in parts) if error else 1.0
    difference = abs(math.fsum(a) / len(a) - math.fsum(b) / len(b))
    return bool(difference > float(stdtrit(freedom, (1 + LEVEL) / 2)) * error)
