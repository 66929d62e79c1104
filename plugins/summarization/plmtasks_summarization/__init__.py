"""Summarization for plmtasks: news, dialogues and your own texts, by ROUGE in any language."""

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.model import Provider
from plmtasks.task import Task

from . import bertscore, catalog, metrics


@hookimpl
def register_tasks() -> list[Task]:
    return [*catalog.TASKS]


@hookimpl
def register_metrics() -> list[Metric | Provider]:
    return [metrics.Rouge(), metrics.SummaryStyle(), bertscore.BertScores()]
