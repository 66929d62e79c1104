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
from .mistakes import Confusion, JudgedExample, Mistakes, Together, label_of, mistakes, texts, together
from .runs import Run, delete, find, merge, waste
from .verification import Finding, verify

__all__ = [
    "IDENTITY_DIGITS",
    "Changed",
    "Comparison",
    "Confusion",
    "Finding",
    "JudgedExample",
    "Mistakes",
    "Run",
    "Together",
    "columns",
    "compare",
    "delete",
    "find",
    "label_of",
    "listing",
    "merge",
    "metric_of",
    "mistakes",
    "origin",
    "predictions_of",
    "reasons",
    "rows",
    "task_of",
    "terms",
    "texts",
    "together",
    "verify",
    "waste",
]
