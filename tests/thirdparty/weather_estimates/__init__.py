"""How warm is it? A task, a kind of request for numbers, a model that answers it and a metric."""

from collections.abc import Iterable

from plmtasks import hookimpl
from plmtasks.metric import Metric
from plmtasks.model import Model, Provider
from plmtasks.requests import Request
from plmtasks.task import Task

from .metric import WeatherError, within_a_degree
from .model import Trained, WordSums
from .requests import Estimate
from .task import Temperature


@hookimpl
def register_requests() -> Iterable[type[Request]]:
    return [Estimate]


@hookimpl
def register_tasks() -> Iterable[Task | Provider]:
    return [Temperature()]


@hookimpl
def register_models() -> Iterable[Model | Provider]:
    return [WordSums(), Trained()]


@hookimpl
def register_metrics() -> Iterable[Metric | Provider]:
    return [WeatherError(), within_a_degree]
