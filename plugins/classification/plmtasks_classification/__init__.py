"""Text classification for plmtasks: one label or several, of one text or a pair."""

from collections.abc import Iterable

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Task

from .catalog import TASKS
from .metrics import METRICS


@hookimpl
def register_tasks() -> Iterable[Task]:
    return TASKS


@hookimpl
def register_metrics() -> Iterable[Metric]:
    return METRICS
