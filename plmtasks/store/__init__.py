"""Folders of runs: found, merged, tidied, verified, compared."""

from . import listing
from .comparison import (
    IDENTITY_DIGITS,
    Changed,
    Comparison,
    columns,
    compare,
    metric_of,
    origin,
    predictions_of,
    reasons,
    rows,
    task_of,
    terms,
)
from .runs import Run, delete, find, merge, waste
from .verification import Finding, verify

__all__ = [
    "IDENTITY_DIGITS",
    "Changed",
    "Comparison",
    "Finding",
    "Run",
    "columns",
    "compare",
    "delete",
    "find",
    "listing",
    "merge",
    "metric_of",
    "origin",
    "predictions_of",
    "reasons",
    "rows",
    "task_of",
    "terms",
    "verify",
    "waste",
]
