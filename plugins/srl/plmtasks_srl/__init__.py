"""Semantic role labelling, predicate finding and named-entity tagging for plmtasks."""

from collections.abc import Iterable

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Task

from . import catalog, metrics


@hookimpl
def register_tasks() -> Iterable[Task]:
    return (*catalog.PROPOSITIONS, *catalog.TAGGING)


@hookimpl
def register_metrics() -> Iterable[Metric]:
    return metrics.METRICS
