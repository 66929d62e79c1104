"""Language modelling for plmtasks: perplexity, last words, open-ended generation, pretraining."""

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Task

from . import catalog, metrics


@hookimpl
def register_tasks() -> list[Task]:
    return [*catalog.TASKS]


@hookimpl
def register_metrics() -> list[Metric]:
    return [metrics.Perplexity(), metrics.LastWordAccuracy(), metrics.OpenEnded()]
