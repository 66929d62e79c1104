"""The record of a run, made and written: config, predictions, statistics, result, environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import results, scoring
from ..data import is_empty
from ..execution import answering
from ..files import check_claim, sealed, write_files, write_text
from ..requests import Answer, GenerateAnswer
from ..scoring import breakdown, calibration, overlap, writes
from ..training import came_to, without_seed
from . import robustness
from .account import Account
from .alike import warn_of_one_answer
from .job import EvaluationJob


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a model answered, and how."""

    plan: answering.Plan
    answers: Mapping[str, Answer]
    account: Account
    described: Mapping[str, Any]
    """Versions, processor, device and peak memory where it was answered, as `environment.describe`."""
    measured: Mapping[str, Any]
    """What answering took."""


def write(job: EvaluationJob, folder: Path, outcome: Outcome) -> None:
    """The run's files; `result.json` last, so that a folder that has it is complete."""
    plan, examples = outcome.plan, job.sliced
    predictions = job.asked.read(job.task, outcome.answers, plan.skipped)
    warn_of_one_answer(job, predictions)
    scored = scoring.score(job.metrics, job.examples, predictions)
    findings: dict[str, Any] = {}
    if job.config.overlap:
        seen = overlap.find(job.examples, job.data["train"], job.data.public_name("train", job.config.source))
        examples, findings["overlap"] = seen.sliced(examples), seen.record()
    files: dict[str, bytes | Iterable[str]] = {"predictions.jsonl": results.prediction_lines(examples, predictions)}
    if job.perturbed:
        answers = dict(outcome.answers)  # gone through once for each perturbation
        perturbed = {p.name: (p.asked.examples, p.asked.read(job.task, answers, plan.skipped)) for p in job.perturbed}
        files["perturbed.jsonl"] = robustness.lines(perturbed)
        findings["perturbations"] = robustness.record(job.metrics, job.examples, scored, perturbed)
    findings |= breakdown.record(job.metrics, examples, scored)
    confident = calibration.record(job.metrics, job.examples, predictions, scored, job.task.labels)
    findings |= {"calibration": confident} if confident else {}
    measured = {
        "examples": len(job.examples) + sum(len(p.asked.examples) for p in job.perturbed),
        **_thinking(outcome), "padded_tokens": sum(plan.tokens), **outcome.measured,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    files["statistics.npy"] = results.statistics_bytes(scored.columns, scored.rows, job.examples)
    described = {**outcome.described, **measured}
    check_claim(folder)
    hashes = write_files(folder, files)
    write_text(folder / "environment.json", sealed(described))
    check_claim(folder)
    write_text(folder / "result.json", sealed({**_record(job, outcome, scored), **findings, "files": hashes}))


def _record(job: EvaluationJob, outcome: Outcome, scored: scoring.Scored) -> dict[str, Any]:
    plan, data, empty = outcome.plan, job.parts["data"], sum(map(is_empty, job.examples))
    account, record = outcome.account, job.model.training_record()
    untrained = bool(account.newly_initialized) or job.model.newly_initialized(job.example_request)
    followed = {"predictions_of": dict(job.predictions_of)} if job.predictions_of else {}
    return {
        "schema_version": results.SCHEMA_VERSION, "identity": job.identity, "task": job.parts["task"],
        "model": {"name": job.model.name, "family": job.model.family, "ask": job.kind},
        "protocol": {
            **came_to(
                job.task.name, record, job.shots, untrained=untrained, zero_shot=job.zero_shot
            ), "shots": job.shots, **job.repeated, "newly_initialized": list(account.newly_initialized), **followed,
        },
        "data": {
            **data, "examples": len(job.examples), "limit": len(job.examples) if len(job.examples) < data["total"] else None,
            **({"empty": empty} if empty else {}), "skipped": job.asked.among(plan.skipped),
            "truncated": job.asked.among(plan.cut),
            **({"unfinished": unfinished} if (unfinished := job.asked.unfinished(outcome.answers)) else {}),
            **({"too_long": account.limited} if account.limited and (plan.cut or plan.skipped) else {}),
        },
        "settings": job.parts["settings"], "scores": scored.scores,
        "primary_metric": [job.metrics[0].name, scoring.main_score(job.metrics[0])],
        "signatures": job.parts["metrics"], **_seed(job),
    }  # fmt: skip


def _thinking(outcome: Outcome) -> dict[str, int]:
    """The tokens of all thinking before the texts; empty if there was none."""
    if not writes(outcome.plan.requests):
        return {}
    tokens = sum(answer.reasoning_tokens for answer in outcome.answers.values() if isinstance(answer, GenerateAnswer))
    return {"reasoning_tokens": tokens} if tokens else {}


def _seed(job: EvaluationJob) -> dict[str, Any]:
    """The seed on which the answers rest, and what the runs of its other seeds have in common, as a hash.

    Empty if they rest on none, or on several. The seed of a model that was trained before is a part of the model.
    """
    c, record = job.config, job.model.training_record()
    drawn = job.model.learns_by is None or "seed" in job.model.learns_by
    trained = without_seed(record) if job.learned and record is not None and drawn else None
    seeds = {
        *([trained["seed"]] if trained else []), *([c.seed] if job.shots_drawn or job.prompts_drawn else []),
        *([c.settings.seed] if job.draws else []),
    }  # fmt: skip
    if len(seeds) != 1:
        return {}
    return {"seed": {"value": seeds.pop(), "recipe": job.of_all_seeds(trained["recipe"] if trained else None)}}
