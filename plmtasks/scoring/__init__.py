"""Predictions and references in, scores with their intervals out, by slice, by confidence and by what was seen in training."""

from . import breakdown, calibration, overlap
from .asked import Asked
from .breakdown import brief
from .given import score_given
from .metrics import bound_metrics, main_score, proportions, shared_clusters
from .overlap import find
from .scores import Scored, Submission, score, score_file

__all__ = [
    "Asked",
    "Scored",
    "Submission",
    "bound_metrics",
    "breakdown",
    "brief",
    "calibration",
    "find",
    "main_score",
    "overlap",
    "proportions",
    "score",
    "score_file",
    "score_given",
    "shared_clusters",
]
