"""Text classification and regression for plmtasks: one label or several, or a number, of one text or a pair."""

from collections.abc import Iterable
from pathlib import Path

from plmtasks import declared, hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Listed, Task

from . import clue, metrics, numbers, superglue
from .catalog import DEGREES, TASKS


@hookimpl
def register_tasks() -> Iterable[Task | Listed]:
    own = declared.tasks(Path(__file__).with_name("tasks"))
    return [*TASKS, DEGREES, *own, *superglue.TASKS, clue.CLUEWSC]


@hookimpl
def register_metrics() -> Iterable[Metric]:
    return [*metrics.METRICS, *numbers.METRICS]
