"""Asking for a number."""

from dataclasses import dataclass

from plmtasks.requests import Answer, Request


@dataclass(frozen=True, kw_only=True)
class EstimateAnswer(Answer):
    value: float


@dataclass(frozen=True, kw_only=True)
class Estimate(Request):
    """Which number does the text tell?"""

    answer_type = EstimateAnswer
    text: str
    unit: str
    low: float
    high: float
    """The number is at least `low` and at most `high`."""
