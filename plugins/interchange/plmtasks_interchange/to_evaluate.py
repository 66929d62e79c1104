"""Results as `evaluate.save` writes them."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError
from plmtasks.files import open_folder, write_text
from plmtasks.results import Result

from .scales import scaled

if TYPE_CHECKING:
    from plmtasks.hooks import Registry


def write(results: Sequence[Result], path: Path, registry: "Registry") -> list[Path]:
    """One file a result. A path without suffix is a folder, as for `evaluate.save`.

    raises: InputError for several results and the name of one file; OutputError
    """
    if path.suffix and len(results) > 1:
        raise InputError(f"{path} is one file, and there are {len(results)} runs", "name a folder with --output DIR")
    open_folder(path.parent if path.suffix else path)
    files = []
    for result in results:
        made = _made(result)
        name = f"result-{made:%Y_%m_%d-%H_%M_%S}{f'-{result.identity[:6]}' if len(results) > 1 else ''}.json"
        files.append(path if path.suffix else path / name)
        write_text(files[-1], json.dumps(_content(result, made), ensure_ascii=False, allow_nan=False) + "\n")
    return files


def _made(result: Result) -> datetime:
    return datetime.fromtimestamp((result.folder / "result.json").stat().st_mtime)


def _content(result: Result, made: datetime) -> dict[str, Any]:
    """Scores as evaluate's evaluators give them with strategy="bootstrap", and what they rest on, all on one level."""
    record, surroundings = result.record, result.environment()
    data = record["data"]
    n, took = data["examples"] - data["skipped"], result.answering()
    scores = {
        name: {"score": s.value, "confidence_interval": s.interval, "standard_error": s.error}
        for name, s in scaled(record).items()
    }
    speed = {
        "total_time_in_seconds": took[1], "samples_per_second": took[0] / took[1], "latency_in_seconds": took[1] / took[0],
    } if took else {}  # fmt: skip
    return {
        **scores, **speed,
        "model": result.model, "task": result.task, "data": result.data, "split": data["split"], "examples": n,
        "total": data["total"],
        "fingerprint": data["fingerprint"], "protocol": record["protocol"]["how"], "shots": record["protocol"]["shots"],
        "newly_initialized": record["protocol"]["newly_initialized"],
        "settings": record["settings"], "signatures": record["signatures"],
        "identity": result.identity,
        "_timestamp": made.isoformat(), "_git_commit_hash": None, "_evaluate_version": None,
        "_python_version": surroundings.get("python"), "_interpreter_path": None,
    }  # fmt: skip
