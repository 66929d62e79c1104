"""Question answering for plmtasks: extractive, generative, conversational and multiple-choice."""

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Task

from . import catalog, metrics


@hookimpl
def register_tasks() -> list[Task]:
    return [*catalog.QUESTION_ANSWERING, *catalog.TRANSFER, *catalog.MULTIPLE_CHOICE]


@hookimpl
def register_metrics() -> list[Metric]:
    return [metrics.Squad(), metrics.XQuad(), metrics.Mlqa(), metrics.cmrc, metrics.Conversation(), metrics.choice_accuracy]
