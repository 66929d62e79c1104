"""A task and a model in, a result out."""

from . import job, session
from .job import any_form
from .prediction import BLOCK, PredictConfig
from .reproduction import Moved, Reproduction, Unlike, config_of, differences, reproduce
from .session import answers, estimate, fitting, predict, run, train, worker

__all__ = [
    "BLOCK",
    "Moved",
    "PredictConfig",
    "Reproduction",
    "Unlike",
    "answers",
    "any_form",
    "config_of",
    "differences",
    "estimate",
    "fitting",
    "job",
    "predict",
    "reproduce",
    "run",
    "session",
    "train",
    "worker",
]
