"""Intervals, paired tests and ranks from per-example statistics.

docs/design/statistics.md says which method answers which question, and how each was checked.
"""

from .differences import Difference, compare, compare_computed, compare_pairs, mcnemar
from .intervals import Interval, bootstrap, bootstrap_computed, wilson
from .ranks import Ranking, holm, rank
from .resampling import (
    KINDS_FROM,
    RESAMPLES,
    ROWS_A_KIND,
    SLICE_RESAMPLES,
    by_cluster,
    drawn_by,
    evened,
    resampled,
    resampled_parts,
)
from .seeds import Spread, seeds_apart, spread

__all__ = [
    "KINDS_FROM",
    "RESAMPLES",
    "ROWS_A_KIND",
    "SLICE_RESAMPLES",
    "Difference",
    "Interval",
    "Ranking",
    "Spread",
    "bootstrap",
    "bootstrap_computed",
    "by_cluster",
    "compare",
    "compare_computed",
    "compare_pairs",
    "drawn_by",
    "evened",
    "holm",
    "mcnemar",
    "rank",
    "resampled",
    "resampled_parts",
    "seeds_apart",
    "spread",
    "wilson",
]
