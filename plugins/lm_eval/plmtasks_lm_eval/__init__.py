"""The tasks of lm-evaluation-harness in plmtasks, and the engine of plmtasks in lm-evaluation-harness."""

from typing import TYPE_CHECKING, Any

from plmtasks import hookimpl

from .metric import LmEvalMetric
from .task import LmEvalTask, Tasks

if TYPE_CHECKING:
    from .lm import LM

__all__ = ["LM", "LmEvalTask", "register_metrics", "register_tasks"]


@hookimpl
def register_tasks() -> list[Tasks]:
    return [Tasks()]


@hookimpl
def register_metrics() -> list[LmEvalMetric]:
    return [LmEvalMetric()]


def __getattr__(name: str) -> Any:
    if name == "LM":  # it imports lm_eval, and so torch
        from .lm import LM

        return LM
    raise AttributeError(name)
