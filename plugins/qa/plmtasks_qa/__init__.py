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
    return [*catalog.QUESTION_ANSWERING, *catalog.TRANSFER, *catalog.MULTIPLE_CHOICE, *own, catalog.IDIOMS, Record()]


@hookimpl
def register_metrics() -> list[Metric]:
    of_spans = [metrics.Squad(), metrics.XQuad(), metrics.Mlqa(), metrics.cmrc]
    return [*of_spans, metrics.Conversation(), metrics.choice_accuracy, metrics.MultiRC()]
