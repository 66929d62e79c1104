"""Machine translation for plmtasks: BLEU, chrF and TER in any language pair."""

from collections.abc import Iterable

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.model import Provider
from plmtasks.task import Task

from .catalog import TASKS
from .comet import Comets
from .metrics import METRICS


@hookimpl
def register_tasks() -> Iterable[Task | Provider]:
    return TASKS


@hookimpl
def register_metrics() -> Iterable[Metric | Provider]:
    return [*METRICS, Comets()]
