"""Question answering for plmtasks: extractive, generative, conversational and multiple-choice."""

from collections.abc import Iterable
from pathlib import Path

from plmtasks import declared, hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Listed, Task

from . import catalog, metrics
from .record import Record


@hookimpl
def register_tasks() -> Iterable[Task | Listed]:
    own = declared.tasks(Path(__file__).with_name("tasks"))
    return [*catalog.QUESTION_ANSWERING, *catalog.MULTIPLE_CHOICE, catalog.IDIOMS, *own, Record()]


@hookimpl
def register_metrics() -> list[Metric]:
    return [metrics.Squad(), metrics.cmrc, metrics.Conversation(), metrics.choice_accuracy, metrics.MultiRC()]
