"""The files that a run leaves behind."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import results, scoring
from ..data import is_empty
from ..examples import fingerprint
from ..execution import answering, environment
from ..files import sealed, write_bytes, write_text
from ..requests import Answer, Prompted, to_json
from ..scoring import breakdown, calibration, overlap
from ..training import came_to, without_seed
from . import robustness
from .job import Job, data_name, read


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model answered, and how."""

    work: answering.Plan
    answers: Mapping[str, Answer]
    newly_initialized: Sequence[str]
    """Names of weights that were never trained."""
    limited: str
    """The model's limit, in words."""
    device: str
    measured: Mapping[str, Any]
    """What answering took."""


def write(job: Job, folder: Path, parts: Mapping[str, Any], outcome: Outcome) -> None:
    """The run's files; `result.json` last, so that a folder that has it is complete."""
    work, examples = outcome.work, job.sliced()
    predictions = read(job.task, job.examples, job.requests, outcome.answers, work.skipped)
    scored = scoring.score(job.metrics, job.examples, predictions)
    found: dict[str, Any] = {}
    if job.config.overlap:
        seen = overlap.find(job.examples, job.data["train"], data_name(job.data, "train", job.config.source))
        examples, found["overlap"] = seen.sliced(examples), seen.record()
    files = {
        "predictions.jsonl": results.prediction_lines(examples, predictions).encode("utf-8", "surrogatepass"),
        "statistics.npy": results.statistics_bytes(scored.columns, scored.rows, job.examples),
    }
    if job.perturbed:
        perturbed = {
            p.name: (p.examples, read(job.task, p.examples, p.requests, outcome.answers, work.skipped)) for p in job.perturbed
        }
        files["perturbed.jsonl"] = robustness.lines(perturbed).encode("utf-8", "surrogatepass")
        found["perturbations"] = robustness.record(job.metrics, job.examples, scored, perturbed)
    found |= breakdown.record(job.metrics, examples, scored)
    confident = calibration.record(job.metrics, job.examples, predictions, scored, job.task.labels)
    found |= {"calibration": confident} if confident else {}
    for name, content in files.items():
        write_bytes(folder / name, content)
    tokens = sum(work.batch_tokens(b) for b in range(len(work.batches)))
    asked = len(job.examples) + sum(len(p.examples) for p in job.perturbed)
    measured = {
        "examples": asked, "padded_tokens": tokens, **outcome.measured,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    write_text(folder / "environment.json", sealed({**environment.describe(outcome.device), **measured}))
    record = {**_record(job, parts, outcome, scored), **found, "files": _hashes(files)}
    write_text(folder / "result.json", sealed(record))


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _record(job: Job, parts: Mapping[str, Any], outcome: Outcome, scored: scoring.Scored) -> dict[str, Any]:
    keys = [request.key() for request in job.requests]
    return {
        "schema_version": results.SCHEMA_VERSION, "identity": results.identity_hash(parts), "task": parts["task"],
        "model": {"name": job.model.name, "family": job.model.family, "ask": job.kind},
        "protocol": _protocol(job, outcome.newly_initialized),
        "data": {
            **parts["data"], "examples": len(job.examples),
            "limit": len(job.examples) if len(job.examples) < parts["data"]["total"] else None,
            **({"empty": empty} if (empty := sum(map(is_empty, job.examples))) else {}),
            "skipped": sum(key in outcome.work.skipped for key in keys),
            "truncated": sum(key in outcome.work.cut for key in keys),
            **({"too_long": outcome.limited} if outcome.limited and (outcome.work.cut or outcome.work.skipped) else {}),
        },
        "settings": parts["settings"], "scores": scored.scores,
        "primary_metric": [job.metrics[0].name, scoring.main_score(job.metrics[0])],
        "signatures": {m.name: m.signature() for m in job.metrics}, **_seed(job, parts),
    }  # fmt: skip


def shots(job: Job) -> int:
    """Solved examples before each question."""
    return job.config.shots or max(len(r.shots) if isinstance(r, Prompted) else 0 for r in (job.example_request, *job.requests))


def _protocol(job: Job, newly_initialized: Sequence[str]) -> dict[str, Any]:
    """How the model came to the task."""
    untrained, record = bool(newly_initialized) or job.model.newly_initialized(job.example_request), job.model.training_record()
    came = came_to(job.task.name, type(job.example_request), record, shots(job), untrained=untrained)
    return {**came, "shots": shots(job), "newly_initialized": list(newly_initialized), **given_to(job)}


def draws(job: Job) -> bool:
    """Whether the model's answers depend on the seed of its settings."""
    s = job.config.settings
    example_requests = (job.model.identity(job.example_request, replace(s, seed=seed)) for seed in (s.seed, s.seed + 1))
    return next(example_requests) != next(example_requests)


def _seed(job: Job, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The seed on which the answers rest, and what the runs of its other seeds have in common, as a hash.

    Empty if they rest on none, or on several. The seed of a model that was trained before is a part of the model.
    """
    c, record = job.config, job.model.training_record()
    drawn = job.model.learns_by is None or "seed" in job.model.learns_by
    trained = without_seed(record) if job.learned and record is not None and drawn else None
    seeds = {
        *([trained["seed"]] if trained else []), *([c.seed] if c.shots else []), *([c.settings.seed] if draws(job) else []),
    }  # fmt: skip
    if len(seeds) != 1:
        return {}
    settings = replace(c.settings, seed=0)
    pool = {"of": fingerprint(job.data["train"]), "from": c.shots_from, "number": c.shots} if c.shots else None
    bare = [r.with_shots(()) for r in job.requests if isinstance(r, Prompted)] if c.shots else job.requests
    common = {
        **parts, "settings": to_json(settings), "requests": results.identity_hash({"keys": [r.key() for r in bare]}),
        "model": [job.model.name, trained["recipe"] if trained else job.model.identity(job.example_request, settings)],
        "trained": None if trained else parts["trained"], "shots": pool,
    }  # fmt: skip
    return {"seed": {"value": seeds.pop(), "recipe": results.identity_hash(common)}}


def given_to(job: Job) -> dict[str, Any]:
    """The run whose predictions took the place of what the data gives, if there is one."""
    return {"given": dict(job.given)} if job.given else {}
