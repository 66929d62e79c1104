"""A run's scores as the hub's evaluation results.

What all scores of a run rest on stands once, in the arguments of the first; the others name the run's identity.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from plmtasks.errors import UnknownNameError
from plmtasks.results import Result
from plmtasks.store import task_of
from plmtasks.tables import Row
from plmtasks.task import HubTask

from .commands import command
from .scales import scaled

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from plmtasks.hooks import Registry

HUB = re.compile(r"hf://(?P<repo>[^@#]+)(@(?P<revision>[^#]+))?(#(?P<config>.+))?")
"""A data set's name, if it lies on the hub."""


def hub_results(result: Result, registry: "Registry") -> "list[EvalResult]":
    """The defined scores, the main one first; not those of single labels, which have brackets in their names."""
    from huggingface_hub import EvalResult

    record, data, main = result.record, result.record["data"], tuple(result.record["primary_metric"])
    hub = HUB.fullmatch(data["name"])
    found = [(name, s) for name, s in scaled(record).items() if "[" not in s.name and s.score["unit"] != "kind"]
    found.sort(key=lambda item: (item[1].metric, item[1].name) != main)
    made = [
        EvalResult(
            task_type=_task_type(result, registry), task_name=result.task, dataset_name=result.data,
            dataset_type=hub["repo"] if hub else re.sub(r"[^\w.-]+", "-", result.data).strip("-") or "data",
            # what agrees in type, data, config, split and revision becomes one entry there, under the first one's name
            dataset_config=hub["config"] if hub else result.task, dataset_revision=hub["revision"] if hub else None,
            dataset_split=data["split"], metric_type=s.name, metric_name=name, metric_value=s.score["value"],
            metric_args={
                "identity": result.identity, **{k: s.score[k] for k in ("low", "high", "interval", "unit", "higher_is_better")},
                "signature": record["signatures"].get(s.metric),
            },
        )
        for name, s in found
    ]  # fmt: skip
    for first in made[:1]:
        first.metric_args = {**_rests_on(result), **(first.metric_args or {})}
    return made


def _rests_on(result: Result) -> dict[str, Any]:
    row, data = Row(result), result.record["data"]
    return {
        "task": result.task, "data": row.result.data, "split": data["split"], "examples": row.examples, "total": row.total,
        "fingerprint": data["fingerprint"], "protocol": row.protocol, "asked_by": result.record["model"]["ask"],
        "marks": row.marks, "command": command(result),
    }  # fmt: skip


def _task_type(result: Result, registry: "Registry") -> str:
    """The hub's word for the task; of a task that is not installed, the first of its name."""
    try:
        task = task_of(result, registry)
    except UnknownNameError:
        task = None
    return (task.hub_type if isinstance(task, HubTask) else "") or result.task.split("/")[0]


def identity(found: "EvalResult") -> str | None:
    """Of the run that it is of; None for what `hub_results` did not make."""
    args = found.metric_args if isinstance(found.metric_args, dict) else {}
    return args["identity"] if {"identity", "low", "high", "interval"} <= set(args) else None


def by_run(results: "Iterable[EvalResult]") -> "dict[str, list[EvalResult]]":
    """Those that `hub_results` made, by identity; the first of each tells what they rest on."""
    runs: dict[str, list[EvalResult]] = {}
    for found in results:
        if (known := identity(found)) is not None:
            runs.setdefault(known, []).append(found)
    return {name: run for name, run in runs.items() if {"task", "protocol", "marks"} <= set(run[0].metric_args or {})}


def same_figures(run: "list[EvalResult]") -> tuple[Any, ...]:
    """What two runs have in common if one is the other, made again."""
    args = run[0].metric_args or {}
    return tuple(args.get(key) for key in ("task", "data", "split", "protocol", "asked_by", "examples"))
