"""A task and a model in, a result out."""

from .answerer import Answerer
from .bundling import bundle, use_bundle
from .job import any_form, load_data, prompted
from .prediction import BLOCK, PredictConfig
from .reproduction import Moved, Reproduction, Unlike, config_of, differences, reproduce
from .session import BUSY_SECONDS, answers, do_job, estimate, outlook, predict, run, run_apart, train, work_of
from .shots import Asker
from .suite import ENGINES, Suite, read_rows, read_suite
from .work import take_part
from .worker import Worker

__all__ = [
    "BLOCK",
    "BUSY_SECONDS",
    "ENGINES",
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
    "do_job",
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
    "take_part",
    "train",
    "use_bundle",
    "work_of",
]
