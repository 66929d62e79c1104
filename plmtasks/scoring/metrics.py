"""The metrics of a task, and the score by which it ranks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MetricError
from ..examples import Example, Prediction
from ..hooks import Registry
from ..metric import Metric
from ..task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bound_metrics(task: Task, more: Sequence[str], registry: Registry) -> list[Metric]:
    """The task's metrics and further ones, each once.

    raises: UnknownNameError, PluginError, InputError if none gives the main score, and whatever a provider finds wrong
    """
    bound = [registry.metric(name).bind(task) for name in dict.fromkeys((*task.metrics, *more))]
    metrics = list({metric.name: metric for metric in bound}.values())
    if not task.main:
        return metrics
    first = next((metric for metric in metrics if task.main in metric.scores()), None)
    if first is None:
        known = ", ".join(name for metric in metrics for name in metric.scores())
        raise InputError(f"{task.name}: none of its metrics gives its main score {task.main!r}", f"they give: {known}")
    return [led_by(first, task.main), *(metric for metric in metrics if metric is not first)]


def led_by(metric: Metric, score: str) -> Metric:
    """The metric, which ranks by this score of it."""
    led = copy(metric)
    object.__setattr__(led, "main", score)  # a metric may be frozen; the copy is nobody else's yet
    return led


def main_score(metric: Metric) -> str:
    """The score by which a metric ranks."""
    return metric.main or next(iter(metric.scores()))


def computes(metric: Metric) -> bool:
    """Whether it may have scores that are no function of its rows."""
    kind = type(metric)
    return (kind.compute, kind.selected) != (Metric.compute, Metric.selected)


def count(metric: Metric, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
    """The metric's rows, (n, k). Where thinking did not end, there is no answer that could be right, whatever was read.

    The means that reward what is right have 0 there.
    """
    import numpy as np

    rows = np.asarray(metric.statistics(predictions, examples), dtype=np.float64)
    unfinished = [i for i, p in enumerate(predictions) if p.unfinished]
    if unfinished and len(rows) == len(predictions):
        rewards = [column for name, column in proportions(metric).items() if metric.scores()[name].rewards]
        rows = rows.copy()
        rows[np.ix_(unfinished, rewards)] = 0
    return rows


def where_defined(
    computed: Callable[[Iterable[int]], Mapping[str, float]],
) -> Callable[[Iterable[int]], Mapping[str, float]]:
    """The same of resamples: no score of one that has not what it needs, such as examples of two labels."""

    def defined(positions: Iterable[int]) -> Mapping[str, float]:
        try:
            return computed(positions)
        except MetricError:
            return {}

    return defined


def proportions(metric: Metric) -> dict[str, int]:
    """The scores that are means of a column, with its position."""
    columns = list(metric.columns())
    return {name: columns.index(info.mean_of) for name, info in metric.scores().items() if info.mean_of is not None}


def shared_clusters(examples: Sequence[Example]) -> list[str] | None:
    """What each example shares with others, or has alone; None where nothing is shared."""
    if all(e.cluster is None for e in examples):  # ids are different
        return None
    clusters = [e.cluster if e.cluster is not None else e.id for e in examples]
    return clusters if len(set(clusters)) < len(clusters) else None
