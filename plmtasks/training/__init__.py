"""Models that learn from solved answers: updates, optimizer, checkpoints and what they cost."""

from . import cost, sharding
from .checkpoint import finished, passed_over, recipe, resolve, train
from .cost import Estimate
from .publication import check_name, publish
from .record import came_to, learned, without_seed, write_record
from .trainer import Lesson, Teacher

__all__ = [
    "Estimate",
    "Lesson",
    "Teacher",
    "came_to",
    "check_name",
    "cost",
    "finished",
    "learned",
    "passed_over",
    "publish",
    "recipe",
    "resolve",
    "sharding",
    "train",
    "without_seed",
    "write_record",
]
