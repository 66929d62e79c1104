"""A task and a model in, a result out."""

from .answerer import Answerer
from .bundling import bundle, use_bundle
from .job import any_form, load_data, prompted
from .prediction import BLOCK, PredictConfig
from .reproduction import Moved, Reproduction, Unlike, config_of, differences, reproduce
from .session import answers, estimate, outlook, predict, run, run_apart, train
from .shots import Asker
from .suite import Suite, read_rows, read_suite
from .work import worker
from .worker import Worker

__all__ = [
    "BLOCK",
    "Answerer",
    "Asker",
    "Moved",
    "PredictConfig",
    "Reproduction",
    "Suite",
    "Unlike",
    "Worker",
    "answers",
    "any_form",
    "bundle",
    "config_of",
    "differences",
    "estimate",
    "load_data",
    "outlook",
    "predict",
    "prompted",
    "read_rows",
    "read_suite",
    "reproduce",
    "run",
    "run_apart",
    "train",
    "use_bundle",
    "worker",
]
