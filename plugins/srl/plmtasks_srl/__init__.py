"""Semantic role labelling, predicate finding and named-entity tagging for plmtasks."""

from collections.abc import Iterable
from pathlib import Path

from plmtasks import declared, hookimpl
from plmtasks.metric import Metric
from plmtasks.task import Listed, Task

from . import catalog, metrics


@hookimpl
def register_tasks() -> Iterable[Task | Listed]:
    return (*catalog.PROPOSITIONS, *catalog.TAGGING, *declared.tasks(Path(__file__).with_name("tasks")))


@hookimpl
def register_metrics() -> Iterable[Metric]:
    return metrics.METRICS
