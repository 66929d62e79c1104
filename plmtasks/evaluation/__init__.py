"""A task and a model in, a result out."""

from . import job, session
from .job import any_form
from .prediction import BLOCK, PredictConfig
from .reproduction import Moved, Reproduction, Unlike, config_of, differences, reproduce
from .session import answers, estimate, fitting, predict, run, train, worker
from .suite import Entry, Suite, read_suite

__all__ = [
    "BLOCK",
    "Entry",
    "Moved",
    "PredictConfig",
    "Reproduction",
    "Suite",
    "Unlike",
    "answers",
    "any_form",
    "config_of",
    "differences",
    "estimate",
    "fitting",
    "job",
    "predict",
    "read_suite",
    "reproduce",
    "run",
    "session",
    "train",
    "worker",
]
