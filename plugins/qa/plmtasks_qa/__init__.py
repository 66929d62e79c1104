"""Question answering for plmtasks: extractive, generative, conversational and multiple-choice."""

from collections.abc import Iterable
from pathlib import Path

from plmtasks import declared, hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Listed, Task

from . import catalog, metrics


@hookimpl
def register_tasks() -> Iterable[Task | Listed]:
    return [
        *catalog.QUESTION_ANSWERING, *catalog.MULTIPLE_CHOICE, catalog.IDIOMS,
        *declared.tasks(Path(__file__).with_name("tasks")),
    ]  # fmt: skip


@hookimpl
def register_metrics() -> list[Metric]:
    return [metrics.Squad(), metrics.cmrc, metrics.Conversation(), metrics.choice_accuracy]
