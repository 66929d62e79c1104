"""Predictions and references in, scores with their intervals out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Source
from ..data import Dataset, held_out, refuse_unknown, warn_flaws
from ..errors import DataError, InputError, MetricError
from ..examples import Example, Prediction
from ..hooks import Registry, owner
from ..metric import Metric
from ..statistics import RESAMPLES, bootstrap, bootstrap_computed
from ..task import Abstaining, Task
from .metrics import bound_metrics, computes, count, proportions, shared_clusters, where_defined
from .predictions import Predictions
from .repeats import counted_repeats, over_repeats

if TYPE_CHECKING:
    from numpy.typing import NDArray


TOGETHER = 8_192
"""Predictions that are counted at a time: a metric's rows are each example's own."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What the metrics make of a run's predictions."""

    scores: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """metric → score → value, low, high, …: as in `result.json`"""
    columns: Sequence[str]
    """"metric:column" """
    rows: "NDArray[Any]"
    """(n, k): one row an example; nan where it was skipped"""
    signatures: Mapping[str, str]
    """metric → how it counted"""
    predictions: Mapping[str, Prediction] = field(default_factory=dict, repr=False)
    """Of the examples that were answered, by their ids."""

    def of(self, metric: Metric) -> "NDArray[Any]":
        """The statistics of one of its metrics. (n, k)"""
        return self.rows[:, [self.columns.index(f"{metric.name}:{column}") for column in metric.columns()]]

    def column(self, metric: Metric, column: int) -> "NDArray[Any]":
        """One of these alone. (n,)"""
        return self.rows[:, self.columns.index(f"{metric.name}:{metric.columns()[column]}")]


def score(
    metrics: Sequence[Metric], examples: Sequence[Example], predictions: Mapping[str, Prediction], resamples: int = RESAMPLES
) -> Scored:
    """Every metric's scores on the examples that have a prediction.

    resamples: of the bootstrap; 0: no intervals

    raises: MetricError if a metric's statistics are not what it says
    """
    import numpy as np

    predictions = Predictions.of(examples, predictions)
    kept = np.flatnonzero(predictions.there())
    chosen = examples if len(kept) == len(examples) else [examples[i] for i in kept.tolist()]
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    columns: list[str] = []
    blocks = []
    parts: list[list[NDArray[Any]]] = [[] for _ in metrics]
    for part in [chosen[i : i + TOGETHER] for i in range(0, len(chosen), TOGETHER)] or [chosen]:
        some = [predictions[e.id] for e in part]
        for metric, found in zip(metrics, parts, strict=True):
            found.append(_statistics(metric, some, part))
    for metric, found in zip(metrics, parts, strict=True):
        rows = np.concatenate(found)
        whole = [predictions[e.id] for e in chosen] if computes(metric) else ()
        scores[metric.name] = score_rows(metric, rows, chosen, resamples, whole)
        columns += [f"{metric.name}:{column}" for column in metric.columns()]
        blocks.append(rows)
    signatures = {metric.name: metric.signature() for metric in metrics}
    rows = np.full((len(examples), len(columns)), np.nan)
    for place, block in zip(np.cumsum([0, *(block.shape[1] for block in blocks)]), blocks, strict=False):
        rows[kept, place : place + block.shape[1]] = block
    return Scored(scores=scores, columns=columns, rows=rows, signatures=signatures, predictions=predictions)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A file of somebody else's predictions, and how it is scored."""

    path: Path
    split: str | None = None
    na_prob: str | None = None
    """A file of no-answer probabilities, for a task that can read one."""
    metrics: tuple[str, ...] = ()
    """Further ones beside the task's own."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A file of predictions with the references that they were scored against."""

    given: Submission
    source: Source
    """Of the references."""
    task: Task
    metrics: Sequence[Metric]
    data: Dataset
    split: str
    examples: Sequence[Example]
    predictions: Mapping[str, Prediction]
    """One for each example."""

    @cached_property
    def scored(self) -> Scored:
        """raises: MetricError"""
        return score(self.metrics, self.examples, self.predictions)


def score_file(registry: Registry, name: str, source: Source, given: Submission) -> Scored:
    """Scores of a file of predictions; as `judge`."""
    return judge(registry, name, source, given).scored


def judge(registry: Registry, name: str, source: Source, given: Submission) -> Judged:
    """A file of predictions, read and ready to be scored.

    source: the references

    Predictions of no example do not count, as with the official scripts; a warning tells how many there are.

    raises: DataError for predictions that cannot be read or are missing
    """
    task = registry.task(name, own_data=source.data is not None)
    data = held_out(task.load(source), source)
    task = task.bind(data)
    split = given.split or data.default_split()
    refuse_unknown(data, split, task.labels)
    examples = data[split]
    predictions = read_submission(task, examples, given)
    metrics = over_repeats(bound_metrics(task, given.metrics, registry), counted_repeats(predictions.values()))
    return Judged(
        given=given, source=source, task=task, metrics=metrics, data=data, split=split, examples=examples, predictions=predictions
    )


def read_submission(task: Task, examples: Sequence[Example], given: Submission) -> dict[str, Prediction]:
    """The predictions of a file for these examples; their references are not looked at.

    raises: DataError for predictions that cannot be read or are missing
    """
    path = given.path
    predictions = dict(task.read_predictions(path, examples))
    missing = [e.id for e in examples if e.id not in predictions]
    if missing:
        raise DataError(
            str(path), "a prediction for every example", f"none for {len(missing)} of {len(examples)}, {missing[0]!r} first"
        )
    strange = len(predictions.keys() - {e.id for e in examples})
    one = "prediction is of no example, and does not count"
    warn_flaws(str(path), strange, "predictions are of no example, and do not count", one)
    if given.na_prob is not None:
        return _with_no_answer(task, examples, predictions, given.na_prob)
    return {e.id: predictions[e.id] for e in examples}


def _with_no_answer(
    task: Task, examples: Sequence[Example], predictions: Mapping[str, Prediction], path: str
) -> dict[str, Prediction]:
    """The predictions with the probabilities of no answer in a file as their scores."""
    if not isinstance(task, Abstaining) or not task.may_abstain:
        raise InputError(f"task {task.name!r} knows no questions without an answer", "leave out --na-prob")
    probabilities = task.read_no_answer_probabilities(Path(path))
    missing = [e.id for e in examples if e.id not in probabilities]
    if missing:
        raise DataError(path, "a probability for every example", f"none for {len(missing)}, {missing[0]!r} first")
    return {
        e.id: replace(predictions[e.id], scores={**predictions[e.id].scores, "no_answer": probabilities[e.id]}) for e in examples
    }


def _statistics(metric: Metric, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
    import numpy as np

    k = len(metric.columns())
    if not examples:
        return np.zeros((0, k))
    try:
        rows = count(metric, predictions, examples)
    except (TypeError, AttributeError, KeyError, IndexError) as e:
        raise MetricError(
            f"metric {metric.name!r} of {owner(metric)} cannot score such predictions: {type(e).__name__}: {e}",
            f"a prediction: {predictions[0].value!r:.80}, its reference: {examples[0].reference!r:.80}",
        ) from e
    unknown = bool(np.isnan(rows).any())
    if rows.shape != (len(examples), k) or unknown:
        raise MetricError(
            f"metric {metric.name!r} of {owner(metric)} gave statistics of shape {rows.shape}{' with nan' if unknown else ''}",
            f"expected ({len(examples)}, {k}): one row a prediction, one column for each of {', '.join(metric.columns())}"[:300],
        )
    return rows


def score_rows(
    metric: Metric, rows: "NDArray[Any]", examples: Sequence[Example], resamples: int, predictions: Sequence[Prediction] = ()
) -> dict[str, dict[str, Any]]:
    """The scores of these rows, one an example, each with value, ends and what it means.

    predictions: for the scores that are no function of the rows, which are left out without
    """

    anew = metric.selected(predictions, examples) if predictions else None
    infos, further = metric.scores(), anew(range(len(examples))) if anew else {}
    values = {name: float(value) for name, value in metric.reduce(rows.sum(axis=0)).items()} | dict(further)
    intervals = {}
    if resamples:
        shared, means = shared_clusters(examples), proportions(metric)
        intervals = bootstrap(rows, metric.reduce, clusters=shared, proportions=means, resamples=resamples)
        if anew and any(infos[name].resampled for name in further):
            intervals |= bootstrap_computed(where_defined(anew), len(examples), shared)
    scores = {}
    for name, info in infos.items():
        interval = intervals.get(name) if info.resampled else None
        low, high, method = (interval.low, interval.high, interval.method) if interval else (None, None, "none")
        scores[name] = {
            "value": _number(values.get(name)), "low": _number(low), "high": _number(high), "interval": method,
            "unit": info.unit, "higher_is_better": info.higher_is_better, "best": info.best,
        }  # fmt: skip
    return scores


def _number(value: float | None) -> float | None:
    """JSON knows neither nan nor infinity."""
    return value if value is not None and math.isfinite(value) else None
