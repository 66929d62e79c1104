"""Scores as other tools name and scale them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

Z = NormalDist().inv_cdf(0.975)

PERCENTAGES = {"bleu", "chrf", "chrf++", "ter"}
"""Scores that other tools, too, give from 0 to 100; other points are fractions there."""


@dataclass(frozen=True)
class Scaled:
    """A score that is defined, on the scale that other tools give it."""

    metric: str
    name: str
    score: Mapping[str, Any]

    @property
    def _factor(self) -> float:
        return 0.01 if self.score["unit"] == "points" and self.name not in PERCENTAGES else 1.0

    @property
    def value(self) -> float:
        return float(self.score["value"] * self._factor)

    @property
    def interval(self) -> tuple[float, float] | None:
        low, high = self.score["low"], self.score["high"]
        return None if low is None or high is None else (low * self._factor, high * self._factor)

    @property
    def error(self) -> float | None:
        """The standard error: half the width of the 95 % interval, over 1.96."""
        ends = self.interval
        return None if ends is None else (ends[1] - ends[0]) / (2 * Z)


def scaled(record: Mapping[str, Any], renamed: Mapping[str, str] | None = None) -> dict[str, Scaled]:
    """The defined scores of a result by name; a metric that is not the main one stands before names that come twice.

    renamed: names of scores as another tool has them
    """
    found = [Scaled(metric, name, s) for metric, scores in record["scores"].items() for name, s in scores.items()]
    known = {id(s): (renamed or {}).get(s.name, s.name) for s in found}
    times = Counter(known.values())
    main = record["primary_metric"][0]
    named = {known[id(s)] if times[known[id(s)]] == 1 or s.metric == main else f"{s.metric}_{s.name}": s for s in found}
    return {name: s for name, s in named.items() if s.score["value"] is not None}
