"""Results in the form of lm-eval 0.4's result files."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError
from plmtasks.files import open_folder, write_text
from plmtasks.results import Result

from .scales import scaled

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

NAMES = {"accuracy": "acc", "accuracy_bytes": "acc_bytes", "accuracy_norm_bytes": "acc_bytes", "matthews": "mcc"}
"""Our scores that lm-eval has under another name."""

OUTPUT_TYPES = {"Choose": "multiple_choice", "LogLikelihood": "loglikelihood_rolling"}
"""What lm-eval calls our kinds of request; all others give text or labels."""


def write(results: Sequence[Result], path: Path, registry: "Registry") -> list[Path]:
    """One file a model: `path` itself if it ends in .json, else as lm-eval does, `path/MODEL/results_DATE.json`.

    raises: InputError for two runs of one task, or for one file and several models; OutputError
    """
    models: dict[str, dict[str, Result]] = {}
    for result in results:
        tasks = models.setdefault(result.model, {})
        if result.task in tasks:
            raise InputError(
                f"two runs of {result.task} on {result.model}, and lm-eval's files have one",
                f"name one of {tasks[result.task].folder} and {result.folder}",
            )
        tasks[result.task] = result
    if path.suffix == ".json" and len(models) > 1:
        raise InputError(f"{path} is one file, and there are {len(models)} models", "name a folder with --output DIR")
    files = []
    for model, tasks in models.items():
        date = max((result.folder / "result.json").stat().st_mtime for result in tasks.values())
        named = f"results_{datetime.fromtimestamp(date).isoformat().replace(':', '-')}.json"
        file = path if path.suffix == ".json" else path / _sanitized(model) / named
        open_folder(file.parent)
        content = {**_content(tasks, date), **_of_model(model, list(tasks.values()))}
        write_text(file, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2))
        files.append(file)
    return files


def _content(tasks: Mapping[str, Result], date: float) -> dict[str, Any]:
    tasks = {_task_name(result): result for result in tasks.values()}
    records = {task: result.record for task, result in tasks.items()}
    return {
        "results": {task: _scores(task, record) for task, record in records.items()},
        "group_subtasks": {},
        "configs": {task: _config(task, result) for task, result in tasks.items()},
        "versions": {task: _version(record["task"]) for task, record in records.items()},
        "n-shot": {task: record["protocol"]["shots"] for task, record in records.items()},
        "higher_is_better": {
            task: {_parts(name, record)[0]: s.score["higher_is_better"] for name, s in scaled(record, NAMES).items()}
            for task, record in records.items()
        },
        "n-samples": {
            task: {"original": record["data"]["total"], "effective": _counted(record)} for task, record in records.items()
        },
        "git_hash": None, "date": date, "task_hashes": {},
    }  # fmt: skip


def _scores(task: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Values and standard errors by "name,FILTER": "none" where no filter was applied that we would know of."""
    found: dict[str, Any] = {"name": task, "alias": task, "sample_len": _counted(record)}
    for name, s in scaled(record, NAMES).items():
        metric, through = _parts(name, record)
        found[f"{metric},{through}"] = s.value
        found[f"{metric}_stderr,{through}"] = "N/A" if s.error is None else s.error
    return found


def _config(task: str, result: Result) -> dict[str, Any]:
    """What of the task lm-eval has words for, and under "metadata" the whole result."""
    record, data = result.record, result.record["data"]
    return {
        "task": task, "dataset_path": result.data, "test_split": data["split"], "num_fewshot": record["protocol"]["shots"],
        "output_type": OUTPUT_TYPES.get(record["model"]["ask"], "generate_until"), "repeats": 1,
        "metadata": {"version": _version(record["task"]), "plmtasks": record},
    }  # fmt: skip


def _of_model(model: str, results: Sequence[Result]) -> dict[str, Any]:
    settings, surroundings = results[0].record["settings"], [result.environment() for result in results]
    seconds = [found["seconds"] for found in surroundings if found.get("seconds") is not None]
    limits = {result.record["data"]["limit"] for result in results}
    return {
        "config": {
            "model": "plmtasks", "model_args": {"pretrained": model, **settings["model_args"]},
            "model_num_parameters": surroundings[0].get("parameters"), "model_dtype": settings["dtype"], "batch_size": None,
            "batch_sizes": [], "device": surroundings[0].get("device"), "use_cache": None,
            "limit": limits.pop() if len(limits) == 1 else None, "gen_kwargs": None, "random_seed": settings["seed"],
        },
        "transformers_version": surroundings[0].get("versions", {}).get("transformers"),
        "model_source": "plmtasks", "model_name": model, "model_name_sanitized": _sanitized(model), "chat_template": None,
        "total_evaluation_time_seconds": str(sum(seconds)) if len(seconds) == len(results) else None,
    }  # fmt: skip


def _counted(record: Mapping[str, Any]) -> int:
    return int(record["data"]["examples"] - record["data"]["skipped"])


def _task_name(result: Result) -> str:
    """A task of lm-eval's own has the name that it has there."""
    return result.task.removeprefix("lm-eval:") if "lm_eval" in result.record["task"] else result.task


def _version(task: Mapping[str, Any]) -> Any:
    return task["lm_eval"]["task_version"] if "lm_eval" in task else task["version"]


def _parts(name: str, record: Mapping[str, Any]) -> tuple[str, str]:
    """What stands before the comma, and behind it lm-eval's name of a filter."""
    if "lm_eval" not in record["task"]:
        return name.replace(",", ";"), "none"
    metric, _, through = name.partition(",")
    return metric, through or "none"


def _sanitized(model: str) -> str:
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", model.strip(".")) or "_"  # a model called ".." is no way out of the folder
