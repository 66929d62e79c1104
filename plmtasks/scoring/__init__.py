"""Predictions and references in, scores with their intervals out, by slice, by confidence and by what was seen in training."""

from . import breakdown, calibration, overlap
from .breakdown import brief
from .overlap import find
from .scores import Scored, Submission, bound_metrics, main_score, main_value, proportions, score, score_file

__all__ = [
    "Scored",
    "Submission",
    "bound_metrics",
    "breakdown",
    "brief",
    "calibration",
    "find",
    "main_score",
    "main_value",
    "overlap",
    "proportions",
    "score",
    "score_file",
]
