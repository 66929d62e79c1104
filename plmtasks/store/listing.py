"""What a list of runs tells, and all that is known of one run."""

from typing import Any

from ..config import RunConfig
from ..errors import printable
from ..execution import size
from ..files import as_text
from ..requests import to_json
from .runs import Run

COLUMNS = ("task", "model", "protocol", "score", "examples", "finished", "size", "folder")
"""Of the list, as text."""


def row(run: Run) -> dict[str, Any]:
    """What a list of runs tells of one."""
    record = run.result.record if run.result else None
    told = {
        "folder": str(run.folder), "state": run.state, "task": run.task, "model": run.model, "machine": run.machine,
        "finished": run.environment.get("finished"), "bytes": run.bytes,
        "damage": run.damage.message if run.damage else None,
    }  # fmt: skip
    if record is not None:
        metric, name = record["primary_metric"]
        score, data = record["scores"][metric][name], record["data"]
        told |= {
            "identity": record["identity"], "protocol": record["protocol"]["how"], "metric": metric, "score": name,
            **{end: score[end] for end in ("value", "low", "high")}, "examples": data["examples"], "total": data["total"],
        }  # fmt: skip
    return told


def cell(row: dict[str, Any], name: str) -> str:
    """One column of the list, as text."""
    if name == "score":
        if row["state"] != "finished":
            return row["damage"] or "not finished"
        interval = "" if row["low"] is None else f" [{row['low']:.1f}, {row['high']:.1f}]"
        return f"{row['score']} –" if row["value"] is None else f"{row['score']} {row['value']:.2f}{interval}"
    if name == "size":
        return size(row["bytes"])
    if name == "finished":
        return str(row["finished"] or "–")[:16].replace("T", " ")
    return str(row.get(name, "–"))


def everything(run: Run) -> dict[str, Any]:
    """All that is known of one."""
    return {
        "folder": str(run.folder), "state": run.state, "machine": run.machine, "files": run.files,
        "result": run.result.record if run.result else None, "config": run.config.get("config"),
        "identity": run.config.get("identity"), "environment": run.environment,
    }  # fmt: skip


def lines(everything: dict[str, Any]) -> list[str]:
    """What a person reads of it."""
    found = [f"folder: {everything['folder']}", f"state: {everything['state']}", f"class of machine: {everything['machine']}"]
    result = everything["result"] or {}
    for metric, scores in result.get("scores", {}).items():
        for name, s in scores.items():
            interval = "no interval" if s["low"] is None else f"{s['low']:.4g} to {s['high']:.4g}, {s['interval']}"
            value = "not defined" if s["value"] is None else f"{s['value']:.4f} {s['unit']} ({interval})"
            found.append(f"score {metric}/{name}: {value}")
    asked, identity = everything["config"] or {}, everything["identity"] or {}
    parts = {
        **{name: value for name, value in result.items() if name not in ("scores", "files")},
        "asked, where it is not the default": _asked(asked), "files of the model": identity.get("model", {}).get("files"),
        "environment": everything["environment"],
        "files": {name: f"{count:,} bytes" for name, count in everything["files"].items()},
    }  # fmt: skip
    for name, value in parts.items():
        found += list(_indented(name.replace("_", " "), value, 0))
    return [printable(line) for line in found]


def _asked(config: dict[str, Any]) -> dict[str, Any]:
    """What of the settings of a run is not at its default; those that the result repeats are left out."""
    defaults = to_json(RunConfig(task="", model=""))

    def others(value: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
        nested = {k: others(v, default[k]) if isinstance(v, dict) and default.get(k) else v for k, v in value.items()}
        return {k: v for k, v in nested.items() if v != default.get(k) and v != {}}

    return others({k: v for k, v in config.items() if k != "settings"}, defaults)


def _indented(name: str, value: Any, depth: int) -> list[str]:
    if isinstance(value, dict) and value:
        inner = [line for key, part in value.items() for line in _indented(key, part, depth + 1)]
        return [f"{'  ' * depth}{name}:", *inner]
    if isinstance(value, str) and "\n" in value:
        return [f"{'  ' * depth}{name}:", *(f"{'  ' * (depth + 1)}{line}".rstrip() for line in value.splitlines())]
    return [f"{'  ' * depth}{name}: {as_text(value)}"]
