"""Two runs on the same examples, and whether they are."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .. import statistics
from ..declared import task_of_config
from ..errors import DataError, InputError, UnknownNameError, listed
from ..examples import Example, Prediction
from ..hooks import Registry
from ..metric import Metric
from ..results import CLUSTER, Result
from ..scoring import keeps_values, over_repeats, proportions, where_defined
from ..task import Task, as_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

IDENTITY_DIGITS = 6


def task_of(result: Result, registry: Registry) -> Task:
    """A result's task, as it was bound in the run.

    raises: UnknownNameError
    """
    facts = result.record["task"]
    declared = task_of_config(facts)
    if declared is None and result.task.endswith(".toml"):  # a path, which no run has for a name
        raise UnknownNameError("task", result.task, registry.items["task"])
    return as_run(declared or registry.task(result.task), facts)


def terms(record: Mapping[str, Any]) -> list[Any]:
    """What runs must have in common to be compared."""
    task, data = [record["task"]["version"], record["task"].get("declared")], record["data"]
    scored = [record["primary_metric"], record["signatures"], _kinds(record)]
    return [origin(record), task, data["split"], data["fingerprint"], *scored]


def origin(record: Mapping[str, Any]) -> str:
    """Who asked and scored: another tool, or plmtasks."""
    return str(record.get("origin", "plmtasks"))


def predictions_of(record: Mapping[str, Any]) -> str:
    """Whose predictions took the place of what the data gives, or were judged."""
    run = record["protocol"].get("predictions_of")
    named = [f"{one['model']} ({one['identity'][:IDENTITY_DIGITS]})" for one in (run, *run.get("others", []))] if run else []
    return f"predictions of {run['task']} on {' and '.join(named)}" if run else ""


def _kinds(record: Mapping[str, Any]) -> dict[str, Any]:
    """The scores that say what kind of figures the others are: a pseudo-likelihood is not compared with a likelihood."""
    named = ((f"{metric} {name}", s) for metric, scores in record["scores"].items() for name, s in scores.items())
    return {name: s["value"] for name, s in named if s["unit"] == "kind"}


def reasons(one: Result, another: Result) -> list[str]:
    """Why a run cannot be compared with the first: all that differs, one by one; empty if it can be."""
    first, other, found = one.record, another.record, []
    a, b = first["data"], other["data"]
    if first["task"]["name"] != other["task"]["name"]:
        return [f"another task: {other['task']['name']}"]
    if origin(first) != origin(other):
        return [f"scored by {origin(other)}"]
    if a["name"] != b["name"] and one.data != another.data:
        found.append(f"other data: {another.data}")
    if a["split"] != b["split"]:
        found.append(f"another split: {b['split']}")
    if predictions_of(other) != predictions_of(first):
        found.append(predictions_of(other) or "of what the data gives")
    elif a["fingerprint"] != b["fingerprint"]:
        found.append(f"other examples: {_other_examples(one, another)}")
    if first["task"]["version"] != other["task"]["version"]:
        found.append(f"another version of the task: {other['task']['version']}")
    if (first["primary_metric"], first["signatures"]) != (other["primary_metric"], other["signatures"]):
        found.append("scored in another way")
    kinds, others = _kinds(first), _kinds(other)
    found += [f"another kind of figures: {name} {value:g}" for name, value in others.items() if value != kinds.get(name)]
    return found if terms(first) != terms(other) else []


def _other_examples(one: Result, another: Result) -> str:
    """How many examples of the second run are others than the first's, and which."""
    a, b = one.record["data"], another.record["data"]
    number = f"{b['examples']} of {b['total']}"
    try:
        first, other = (
            {
                str(line["id"]): [None if line.get("prompted") else line["inputs"], line["reference"], line.get("cluster")]
                for line in result.predictions()
            }
            for result in (one, another)
        )
    except (DataError, OSError, ValueError, KeyError, TypeError):  # the counts have to do
        return number
    said = {
        "differ": [id_ for id_, content in other.items() if id_ in first and first[id_] != content],
        "have other ids": [id_ for id_ in other if id_ not in first],
    }
    if sum(map(len, said.values())) == len(other):  # they have nothing in common, so that no list would help
        return f"{number}, none in common"
    found = [number] if (a["examples"], a["total"]) != (b["examples"], b["total"]) else []
    for what, ids in said.items():
        if ids:
            found.append(f"{len(ids)} of {len(other)} {what} ({listed(ids, 3)})")
    return ", ".join(found) or "the same in another order"


def metric_of(result: Result, name: str, registry: Registry) -> Metric:
    """The metric that gave a result's scores, as it was.

    raises: InputError if it is not installed in the version that counted, or may run code that is not installed
    """
    signature, facts = result.record["signatures"].get(name), result.record["task"]
    try:
        told: Any = task_of(result, registry)
    except InputError:  # of a task that is not installed the result tells what a metric needs to know
        told = SimpleNamespace(**{**facts, "labels": tuple(facts["labels"])})
    one: Metric = registry.named("metric", name, str(result.folder)).bind(told)
    [metric] = over_repeats([one], result.record["protocol"].get("repeats", 1))
    if metric.signature() != signature:
        raise InputError(f"{result.folder} was scored by {signature!r}; installed is {metric.signature()!r}")
    return metric


@dataclass(frozen=True, kw_only=True)
class Rows:
    """One metric's statistics of a run."""

    metric: Metric
    values: "NDArray[Any]"
    """(n, k); nan where an example was skipped"""
    clusters: "NDArray[Any] | None"
    """Of each example; None: all are independent"""


def rows(result: Result, name: str, registry: Registry) -> Rows:
    """The statistics of a run's examples by one of its metrics.

    raises: InputError if the metric is not installed in the version that counted; DataError for a file that is not the result's
    """
    metric, array = metric_of(result, name, registry), result.statistics()
    values = columns(array, name, metric.columns(), result)
    clusters = array[CLUSTER]
    return Rows(metric=metric, values=values, clusters=clusters if clusters.max(initial=-1) + 1 < len(clusters) else None)


def columns(array: "NDArray[Any]", name: str, expected: Sequence[str], result: Result) -> "NDArray[Any]":
    """One metric's columns of a run's statistics. (n, k)

    raises: DataError if they are not there
    """
    import numpy as np

    try:
        return np.stack([array[f"{name}:{column}"] for column in expected], axis=1)
    except ValueError as e:
        path = result.folder / "statistics.npy"
        raise DataError(str(path), f"columns of {name}: {', '.join(expected)}"[:200], str(e), "run again") from e


@dataclass(frozen=True, kw_only=True)
class Changed:
    """An example, and what two runs make of it."""

    id: str
    inputs: Mapping[str, Any]
    reference: Any
    predictions: tuple[Any, Any]
    scores: tuple[float | None, float | None]
    """The main score of this example alone; None where it is not defined."""
    slices: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What sets two runs on the same examples apart."""

    first: Result
    second: Result
    n: int
    """Examples that both answered."""
    differences: Mapping[str, Mapping[str, statistics.Difference]]
    """metric → score → the second's less the first's"""
    slices: Mapping[str, tuple[int, statistics.Difference | None]]
    """slice → its examples, and the difference in the main score; None: it is not defined"""
    changed: Sequence[Changed] = field(repr=False)
    """The examples with another prediction; those that moved the main score farthest come first."""


def compare(first: Result, second: Result, registry: Registry) -> Comparison:
    """The paired tests of two runs, in all and on each slice, and the examples that changed.

    raises: InputError if they are not comparable, or a metric is not installed; DataError for files that are not the results'
    """
    import numpy as np

    why = reasons(first, second)
    if why:
        raise InputError(f"{second.folder} cannot be compared with {first.folder}", *why)
    first.check_files()
    second.check_files()
    main, score = first.record["primary_metric"]
    pairs = list(zip(first.predictions(), second.predictions(), strict=True))
    differences, slices, changed, n = {}, {}, [], 0
    for name in first.record["scores"]:
        a, b = rows(first, name, registry), rows(second, name, registry)
        both, test = ~(np.isnan(a.values).any(axis=1) | np.isnan(b.values).any(axis=1)), partial(_test, a, b, pairs)
        differences[name] = test(both)
        if name == main:
            n = int(both.sum())
            for part in dict.fromkeys(s for pair in pairs for s in pair[0]["slices"]):
                inside = both & np.array([part in pair[0]["slices"] for pair in pairs])
                slices[part] = (int(inside.sum()), test(inside, statistics.SLICE_RESAMPLES).get(score))
            nothing = np.full(len(pairs), np.nan)  # the score is no function of rows
            values = [np.asarray(a.metric.reduce(r.values).get(score, nothing)) for r in (a, b)]
            changed = list(_changed(pairs, *values))
    return Comparison(first=first, second=second, n=n, differences=differences, slices=slices, changed=changed)


Line = Mapping[str, Any]
"""Of predictions.jsonl."""


def _test(
    a: Rows, b: Rows, pairs: Sequence[tuple[Line, Line]], chosen: "NDArray[Any]", resamples: int = statistics.RESAMPLES
) -> dict[str, statistics.Difference]:
    import numpy as np

    if chosen.sum() < 2:
        return {}
    clusters = a.clusters[chosen] if a.clusters is not None else None
    found = statistics.compare(
        b.values[chosen], a.values[chosen], a.metric.reduce, proportions=proportions(a.metric), resamples=resamples,
        clusters=clusters,
    )  # fmt: skip
    if keeps_values(a.metric):
        computed = where_defined(_selected(a.metric, [pairs[i] for i in np.flatnonzero(chosen).tolist()]))
        found |= statistics.compare_computed(computed, int(chosen.sum()), None if clusters is None else clusters.tolist())
    return found


def _selected(metric: Metric, pairs: Sequence[tuple[Line, Line]]) -> Callable[[Iterable[int]], Mapping[str, float]]:
    """What computes the scores that are no sums: of the second run by the first positions, of the first by as many behind."""
    lines = [pair[which] for which in (1, 0) for pair in pairs]
    examples = [Example(id=line["id"], inputs=line["inputs"], reference=line["reference"]) for line in lines]
    return metric.selected([Prediction.from_line(line) for line in lines], examples)


def _changed(
    pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], before: "NDArray[Any]", after: "NDArray[Any]"
) -> Iterator[Changed]:
    import numpy as np

    moved = np.nan_to_num(np.abs(after - before))
    for i in sorted(range(len(pairs)), key=lambda i: (-moved[i], i)):
        a, b = pairs[i]
        if json.dumps(a["prediction"], sort_keys=True) != json.dumps(b["prediction"], sort_keys=True):
            scores = tuple(None if np.isnan(v[i]) else float(v[i]) for v in (before, after))
            yield Changed(
                id=a["id"], inputs=a["inputs"], reference=a["reference"], predictions=(a["prediction"], b["prediction"]),
                scores=(scores[0], scores[1]), slices=a["slices"],
            )  # fmt: skip
