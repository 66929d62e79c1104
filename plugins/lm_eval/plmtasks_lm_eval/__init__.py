"""The tasks of lm-evaluation-harness in plmtasks, and the engine of plmtasks in lm-evaluation-harness."""

from plmtasks import hookimpl

from .metric import LmEvalMetric
from .task import LmEvalTask, Tasks

__all__ = ["LmEvalTask", "register_metrics", "register_tasks"]


@hookimpl
def register_tasks() -> list[Tasks]:
    return [Tasks()]


@hookimpl
def register_metrics() -> list[LmEvalMetric]:
    return [LmEvalMetric()]
