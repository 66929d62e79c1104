"""Intervals, paired tests and ranks from per-example statistics.

docs/design/statistics.md says which method answers which question, and how each was checked.
"""

from .differences import Difference, compare, compare_pairs, mcnemar, randomization
from .intervals import NO_INTERVAL, Interval, bootstrap, bootstrap_computed, wilson
from .ranks import Ranking, holm, rank
from .resampling import RESAMPLES, SLICE_RESAMPLES, by_cluster, leave_one_out, resample_totals, resampled, resampled_parts
from .seeds import Spread, seeds_apart, spread

__all__ = [
    "NO_INTERVAL",
    "RESAMPLES",
    "SLICE_RESAMPLES",
    "Difference",
    "Interval",
    "Ranking",
    "Spread",
    "bootstrap",
    "bootstrap_computed",
    "by_cluster",
    "compare",
    "compare_pairs",
    "holm",
    "leave_one_out",
    "mcnemar",
    "randomization",
    "rank",
    "resample_totals",
    "resampled",
    "resampled_parts",
    "seeds_apart",
    "spread",
    "wilson",
]
