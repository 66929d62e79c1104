"""A run's scores as the hub's evaluation results, with what they rest on in the arguments of each metric."""

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from plmtasks.comparing import task_of
from plmtasks.errors import UnknownNameError
from plmtasks.leaderboard import Row
from plmtasks.results import Result

from .scales import scaled

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from plmtasks.registry import Registry

HUB = re.compile(r"hf://(?P<repo>[^@#]+)(@(?P<revision>[^#]+))?(#(?P<config>.+))?")
"""A data set's name, if it lies on the hub."""


def hub_results(result: Result, registry: "Registry") -> "list[EvalResult]":
    """The defined scores, the main one first; not those of single labels, which have brackets in their names."""
    from huggingface_hub import EvalResult

    record, data, main = result.record, result.record["data"], tuple(result.record["main"])
    hub = HUB.fullmatch(data["name"])
    found = [
        (name, s) for name, s in scaled(record).items() if "[" not in s.name and s.score["unit"] != "kind"
    ]  # fmt: skip
    found.sort(key=lambda item: (item[1].metric, item[1].name) != main)
    return [
        EvalResult(
            task_type=_task_type(result, registry), task_name=result.task, dataset_name=data["name"],
            dataset_type=hub["repo"] if hub else re.sub(r"[^\w.-]+", "-", data["name"]).strip("-") or "data",
            dataset_config=hub["config"] if hub else None, dataset_revision=hub["revision"] if hub else None,
            dataset_split=data["split"], metric_type=s.name, metric_name=name, metric_value=s.score["value"],
            metric_args={
                **_rests_on(result), **{k: s.score[k] for k in ("low", "high", "interval", "unit", "higher_is_better")},
                "signature": record["signatures"].get(s.metric),
                **({"command": command(result), "fingerprint": data["fingerprint"]} if (s.metric, s.name) == main else {}),
            },
        )
        for name, s in found
    ]  # fmt: skip


def _rests_on(result: Result) -> dict[str, Any]:
    row, data = Row(result), result.record["data"]
    return {
        "task": result.task, "data": data["name"], "split": data["split"], "examples": row.examples, "of": row.of,
        "protocol": row.protocol, "asked_by": result.record["model"]["ask"], "marks": row.marks, "identity": result.identity,
    }  # fmt: skip


def is_ours(found: "EvalResult") -> bool:
    """Whether `hub_results` made it."""
    return isinstance(found.metric_args, dict) and {"identity", "protocol", "marks"} <= set(found.metric_args)


def same_figure(found: "EvalResult") -> tuple[Any, ...]:
    """What two of ours have in common if one is the other measured again."""
    args = found.metric_args or {}
    return found.metric_name, *(args[key] for key in ("task", "data", "split", "protocol", "asked_by", "examples"))


def _task_type(result: Result, registry: "Registry") -> str:
    """The hub's word for the task; of a task that is not installed, the first of its name."""
    try:
        known = task_of(result, registry).hub_type
    except UnknownNameError:
        known = ""
    return known or result.task.split("/")[0]


def command(result: Result) -> str | None:
    """What runs it again; None for what another tool ran."""
    record, settings, source = result.record, result.record["settings"], _source(result)
    if "origin" in record:
        return None
    options = {
        "--task": result.task, "--model": result.model, "--data": source.get("data"),
        "--columns": ",".join(f"{k}={v}" for k, v in source.get("columns", {}).items()), "--split": record["data"]["split"],
        "--limit": record["data"]["limit"], "--shots": record["protocol"]["shots"], "--ask": record["model"]["ask"],
        "--dtype": settings["dtype"], "--batch-tokens": settings["batch_tokens"], "--threads": settings["threads"],
        "--truncation": settings["truncation"], "--seed": settings["seed"],
    }  # fmt: skip
    words = [word for name, value in options.items() if value not in (None, "", 0, "auto") for word in (name, str(value))]
    return shlex.join(["plmtasks", "run", *words, *{"raw": ["--raw-prompt"], "chat": ["--chat"]}.get(settings["prompt"], [])])


def _source(result: Result) -> dict[str, Any]:
    """Where the data came from, as the run was told."""
    path = result.folder / "config.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["config"]["source"] if path.exists() else {}
    return found
