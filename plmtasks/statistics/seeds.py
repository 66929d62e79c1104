"""How far a score moves from one seed of a training to another."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Scores of the same training from several seeds, on the same examples.

    It says nothing of other examples: that is the sampling interval, which is kept apart.
    """

    n: int
    mean: float
    deviation: float | None
    """The standard deviation of one seed's score; None: there is only one."""
    low: float | None
    high: float | None
    """The interval of the mean over all seeds, by Student's t."""


def spread(scores: Sequence[float], level: float = 0.95) -> Spread:
    """Mean, deviation and interval of the scores of several seeds.

    raises: ValueError if there are none
    """
    if not scores:
        raise ValueError("no scores")
    mean = math.fsum(scores) / len(scores)
    if len(scores) == 1:
        return Spread(n=1, mean=mean, deviation=None, low=None, high=None)
    from scipy.special import stdtrit

    deviation = statistics.stdev(scores)
    half = float(stdtrit(len(scores) - 1, (1 + level) / 2)) * deviation / math.sqrt(len(scores))
    return Spread(n=len(scores), mean=mean, deviation=deviation, low=mean - half, high=mean + half)
