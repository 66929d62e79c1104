"""Predictions and references in, scores with their intervals out, by slice, by confidence and by what was seen in training."""

from . import breakdown, calibration, overlap
from .asked import Asked, writes
from .breakdown import brief
from .given import score_given
from .metrics import bound_metrics, count, led_by, main_score, proportions, shared_clusters, where_defined
from .overlap import find
from .repeats import keeps_values, of_one, over_repeats
from .scores import Judged, Scored, Submission, judge, read_submission, score, score_file
from .submitted import SUBMITTED, Card, predictions_hash, read_card, write_run

__all__ = [
    "SUBMITTED",
    "Asked",
    "Card",
    "Judged",
    "Scored",
    "Submission",
    "bound_metrics",
    "breakdown",
    "brief",
    "calibration",
    "count",
    "find",
    "judge",
    "keeps_values",
    "led_by",
    "main_score",
    "of_one",
    "over_repeats",
    "overlap",
    "predictions_hash",
    "proportions",
    "read_card",
    "read_submission",
    "score",
    "score_file",
    "score_given",
    "shared_clusters",
    "where_defined",
    "write_run",
    "writes",
]
