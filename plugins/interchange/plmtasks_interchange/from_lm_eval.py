"""Runs from the result files of lm-eval: those of `--output_path`, with those of `--log_samples` that lie beside them."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.files import open_folder, sealed, write_bytes, write_text
from plmtasks.results import SCHEMA_VERSION, Result, identity_hash, prediction_lines, run_folder, statistics_bytes

from .evaluated import ASKED, ORIGIN, Evaluated, read_tasks
from .lm_eval_scores import metric_name, scored

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read(path: Path, output: Path, tasks: Mapping[str, str]) -> list[Result]:
    """Writes a run for each task of one file, or of all in a folder.

    tasks: lm-eval's task → the name that it gets here; "": of the only one; those not named become lm-eval/TASK

    raises: InputError, DataError; OutputError
    """
    files = sorted(path.rglob("results_*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: no results of lm-eval at or below it", "lm-eval writes them with --output_path")
    found = [task for file in files for task in read_tasks(file)]
    names = {task.name for task in found}
    if "" in tasks and len(names) > 1:
        raise InputError(f"{path} has several tasks: {', '.join(sorted(names))}", "say which is meant with --task NAME=TASK")
    if unknown := sorted(set(tasks) - names - {""}):
        raise InputError(f"{path} has no task {unknown[0]!r}", f"it has: {', '.join(sorted(names))}")
    return [_write(task, tasks.get(task.name) or tasks.get("") or f"{ORIGIN}/{task.name}", output) for task in found]


def _write(task: Evaluated, name: str, output: Path) -> Result:
    """The run's folder; the scores are in its identity, for lm-eval does not tell the weights' hash.

    raises: DataError for a file of another form; OutputError
    """
    try:
        columns, scores = scored(task)
        record, files = _record(task, name, scores), dict(_files(task, columns))
        surroundings = _json(_environment(task))
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError) as e:
        expected = "what lm-eval 0.4 writes"
        raise DataError(f"{task.path}: {task.name}", expected, f"something else ({type(e).__name__}: {e})") from e
    said = {key: task.of(key) for key in ("configs", "versions", "task_hashes", "higher_is_better")}
    parts = _json({"record": record, "task": said, "model": {**task.general, "batch_sizes": None, "device": None}})
    record |= {
        "identity": identity_hash(parts),
        "files": {n: hashlib.sha256(content).hexdigest() for n, content in files.items()},
    }
    folder = run_folder(str(output), name, task.model, record["identity"])
    open_folder(folder)
    for file, content in files.items():
        write_bytes(folder / file, content)
    rest = {key: value for key, value in task.document.items() if not isinstance(value, dict)}
    write_text(folder / "config.json", sealed({"lm_eval": _json({**rest, "config": task.general}), "identity": parts}))
    write_text(folder / "environment.json", sealed(surroundings))
    write_text(folder / "result.json", sealed(record))
    return Result(record=record, folder=folder)


def _record(task: Evaluated, name: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    score, applied = next(iter(task.scores))
    limit = task.examples if task.examples < task.of_split else None
    return {
        "schema_version": SCHEMA_VERSION, "origin": ORIGIN,
        "task": {"name": name, "version": _version(task.of("versions")), "language": "und", "labels": []},
        "model": {
            "name": task.model, "family": str(task.document.get("model_source") or task.general.get("model") or "unknown"),
            "ask": ASKED.get(task.kind, "Generate"),
        },
        "protocol": {
            "how": f"{task.shots}-shot" if task.shots else "zero-shot", "shots": task.shots, "newly_initialized": [],
            "trained_on": [],
        },
        "data": {
            "name": task.data_name, "split": task.split, "fingerprint": task.fingerprint, "examples": task.examples,
            "total": task.of_split, "limit": limit, "skipped": 0, "truncated": None,
        },
        "settings": _settings(task), "scores": scores, "primary_metric": [metric_name(applied), score],
        "signatures": {metric: _signature(task, metric) for metric in scores},
    }  # fmt: skip


def _files(task: Evaluated, columns: "Mapping[str, NDArray[Any]]") -> Iterator[tuple[str, bytes]]:
    """What rests on the logged samples; nothing without them. Predictions are those that the main score counts."""
    import numpy as np

    if task.samples is None:
        return
    examples, predictions = [], {}
    for id_, row in task.samples.rows(next(iter(task.scores))[1]).items():
        inputs = row["doc"] if isinstance(row["doc"], dict) else {"doc": row["doc"]}
        examples.append(Example(id=id_, inputs=inputs, reference=task.samples.reference(row, task.kind)))
        predictions[id_] = Prediction(value=task.samples.prediction(row, task.kind), scores=task.samples.numbers(row))
    yield "predictions.jsonl", "".join(prediction_lines(examples, predictions)).encode("utf-8", "surrogatepass")
    if columns:
        yield "statistics.npy", statistics_bytes(list(columns), np.stack(list(columns.values()), axis=1), examples)


def _settings(task: Evaluated) -> dict[str, Any]:
    """As far as lm-eval tells them; null: it does not."""
    dtype = str(task.general.get("model_dtype") or task.model_args.get("dtype")).removeprefix("torch.")
    how = task.config.get("generation_kwargs") or {}
    drawn = str(how.get("do_sample", False)).lower() == "true"
    longest = how.get("max_gen_toks", how.get("max_new_tokens"))
    return {
        "dtype": dtype if dtype in ("float32", "bfloat16", "float16") else None, "batch_tokens": None, "threads": None,
        "truncation": "left", "prompt": "chat" if task.document.get("chat_template") else "raw",
        "generation": {
            "num_beams": int(how.get("num_beams") or 1), "temperature": float(how.get("temperature") or 0) if drawn else 0.0,
            "top_p": float(how["top_p"]) if drawn and how.get("top_p") else None,
            "length_penalty": None if how.get("length_penalty") is None else float(how["length_penalty"]),
            "max_new_tokens": None if longest is None else int(longest),
        },
        "seed": int(task.general.get("random_seed") or 0), "model_args": _json(task.model_args),
        "trust_remote_code": str(task.model_args.get("trust_remote_code", False)).lower() == "true",
    }  # fmt: skip


def _environment(task: Evaluated) -> dict[str, Any]:
    seconds = task.document.get("total_evaluation_time_seconds")
    alone = len(task.document["results"]) == 1  # the time is that of all tasks
    return {
        "device": task.general.get("device"), "parameters": task.general.get("model_num_parameters"), "examples": task.examples,
        "seconds": float(seconds) if alone and seconds is not None else None,
        "versions": {"lm_eval": task.document.get("lm_eval_version"), "transformers": task.document.get("transformers_version")},
    }  # fmt: skip


def _signature(task: Evaluated, metric: str) -> str:
    applied = metric.partition(":")[2]
    said = f"lm-eval {task.document.get('lm_eval_version') or 'of unknown version'}, {task.name} version {task.of('versions')}"
    return said + (f", filter {applied}" if applied else "")


def _version(version: Any) -> int:
    try:
        return max(1, int(float(version)))
    except (TypeError, ValueError):
        return 1


def _json(value: Any) -> Any:
    """With null for what JSON does not know."""
    if isinstance(value, dict):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_json(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
