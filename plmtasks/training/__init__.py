"""Models that learn from solved answers: updates, optimizer, checkpoints and what they cost."""

from .checkpoint import ensure_trained, own_folder, train, trained_before
from .cost import Estimate, estimate
from .job import Job, Scorer, Selection, TrainingJob, must_learn, train_split
from .publication import check_name, publish
from .recipe import Training, plan, resolve
from .record import came_to, learned, without_seed, write_record

__all__ = [
    "Estimate",
    "Job",
    "Scorer",
    "Selection",
    "Training",
    "TrainingJob",
    "came_to",
    "check_name",
    "ensure_trained",
    "estimate",
    "learned",
    "must_learn",
    "own_folder",
    "plan",
    "publish",
    "resolve",
    "train",
    "train_split",
    "trained_before",
    "without_seed",
    "write_record",
]
