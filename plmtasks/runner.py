"""A task and a model in, a result out; trains first where it must."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import answering, environment, results, scoring, training
from .config import RunConfig
from .data import Dataset
from .distributed import Processes
from .errors import InputError, PlmtasksError
from .examples import fingerprint
from .job import Job, data_name, prepare, read
from .journal import Journal
from .lessons import ensure_trained, trained_before
from .model import LoadedModel
from .progress import Progress
from .registry import Registry
from .requests import Answer, to_json
from .results import Result

FORMAT = 2
"""Raised whenever the core would make another result of the same parts."""


def run(config: RunConfig, registry: Registry, processes: Processes, *, any_threads: bool = False) -> Result:
    """The result of one task on one model: computed, or found where the same was computed before.

    Called in every process of the run with the same config, whose automatic choices have been made.

    any_threads: nobody chose the number of threads, so a run begun with another number is gone on with as it is
    """
    progress, device = Progress(quiet=config.quiet or not processes.main), processes.device()
    job = learn(config, registry, processes, progress)
    config, parts = job.config, identity(job)
    if len(set(processes.gather("identity", results.identity_hash(parts)))) > 1:
        raise PlmtasksError(
            "the processes see different data, weights or versions", "on several nodes, all of them need the same files"
        )
    # threads that nobody chose follow from the number of processes; on another number, those of the first hold
    begun = processes.share("begun", partial(_begun_with, job, parts)) if any_threads else None
    if begun is not None:
        job = replace(job, config=replace(config, settings=replace(config.settings, threads=begun)))
        config, parts = job.config, identity(job)
        environment.set_threads(begun)
        progress.say(f"the same run was begun with --threads {begun}: it goes on with as many")
    folder = results.run_folder(config.output, job.task.name, job.model.name, results.identity_hash(parts))
    processes = processes.within(folder.name)
    if processes.share("stored", lambda: results.stored(folder) is not None):
        progress.say(f"the same was run before: {folder}")
        return Result(record=processes.share("record", lambda: results.read_results(folder)[0].record), folder=folder)
    results.open_folder(folder)
    began = time.monotonic()
    with results.lock(folder, "run") if processes.main else nullcontext():
        if processes.main:
            results.write_text(folder / "config.json", results.dump({"config": to_json(config), "identity": parts}))
        worked, environment.worked = environment.worked, True
        resumed = any((folder / "journal").glob("*.jsonl"))
        loaded = job.model.load(job.form, config.settings, device)
        loading = time.monotonic() - began
        fresh = _check_fresh(job, loaded)
        work = answering.plan(loaded, job.requests, config.settings)
        # answers of another class of machine, or of other versions, are never mixed with these
        machine = processes.share("machine", lambda: environment.machine_class(device))
        with Journal(folder / "journal", f"{work.hash}-{machine}", processes.rank) as journal:
            answers = answering.answer_all(loaded, work, processes, journal, progress)
        if processes.main:
            measured = {
                "seconds": time.monotonic() - began, "loading_seconds": loading, "resumed": resumed,
                "parameters": loaded.parameters, "processes": processes.count, "worked_before": worked,
                **environment.peaks(device),
            }  # fmt: skip
            outcome = _Outcome(work=work, answers=answers, fresh=fresh, device=device, measured=measured)
            _write(job, folder, parts, outcome)
        processes.barrier("written")
    # a node of its own may not see the main process's folder
    return Result(record=processes.share("record", lambda: results.read_results(folder)[0].record), folder=folder)


def learn(config: RunConfig, registry: Registry, processes: Processes, progress: Progress) -> Job:
    """A run up to where its model can answer: it is trained here if it must be and was not before.

    Called in every process of the run, as `run`.
    """
    environment.set_threads(config.settings.threads)
    job = prepare(config, registry)
    of = f"{len(job.requests)} examples of {job.data.name}, split {job.split}"
    progress.say(f"{job.task.name} on {job.model.name}: {of}, asked by {job.kind}")
    return ensure_trained(job, processes, progress, processes.device())


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a run would find if it began now."""

    result: Result | None
    """Of the same run before."""
    learns: bool
    """Whether its model has to be trained first."""


def outlook(
    config: RunConfig, registry: Registry, processes: Processes, *, any_threads: bool = False, data: Dataset | None = None
) -> Outlook:
    """What such a run in such processes would find; its data are read and files hashed, no model is loaded.

    data: as of `prepare`

    raises: PlmtasksError, whatever would stop the run before anything is computed
    """
    job = trained_before(prepare(config, registry, data=data), processes, processes.device())
    if job is None:
        return Outlook(result=None, learns=True)
    parts = identity(job)
    begun = _begun_with(job, parts) if any_threads else None
    if begun is not None:
        parts = {**parts, "settings": {**parts["settings"], "threads": begun}}
    folder = results.run_folder(config.output, job.task.name, job.model.name, results.identity_hash(parts))
    return Outlook(result=results.stored(folder), learns=False)


def _begun_with(job: Job, parts: Mapping[str, Any]) -> int | None:
    """The threads of the same run begun with another number of them; None if there is none, or this one is there."""
    folder = results.run_folder(job.config.output, job.task.name, job.model.name, results.identity_hash(parts))
    for path in sorted(folder.parent.glob("*/config.json")) if not folder.exists() else ():
        other = json.loads(path.read_text(encoding="utf-8"))["identity"]
        twin = {**other, "settings": {**other["settings"], "threads": parts["settings"]["threads"]}}
        if results.identity_hash(twin) == folder.name:
            return int(other["settings"]["threads"])
    return None


def identity(job: Job) -> dict[str, Any]:
    """All that can change an answer or a score; a seed that changes none is 0."""
    c = job.config
    settings = c.settings if _draws(job) else replace(c.settings, seed=0)
    return {
        "format": FORMAT, "task": job.task.facts(), "ask": job.kind,
        "requests": results.identity_hash({"keys": [r.key() for r in job.requests]}),
        "data": {
            "name": data_name(job.data, job.split), "split": job.split, "fingerprint": fingerprint(job.examples),
            "of": job.of,
        },
        "model": {"name": job.model.name, "version": job.model.version, **job.model.identity(job.form, settings)},
        "settings": to_json(settings), "metrics": {m.name: m.signature() for m in job.metrics},
        "allow_untrained": c.allow_untrained and job.model.fresh(job.form),
        "trained": dict(job.model.training_record() or {}), **_given(job),
    }  # fmt: skip


def _draws(job: Job) -> bool:
    """Whether the model's answers depend on the seed of its settings."""
    s = job.config.settings
    forms = (job.model.identity(job.form, replace(s, seed=seed)) for seed in (s.seed, s.seed + 1))
    return next(forms) != next(forms)


def _seed(job: Job, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The seed on which the answers rest, and what the runs of its other seeds have in common, as a hash.

    Empty if they rest on none, or on several. The seed of a model that was trained before is a part of the model.
    """
    c, record = job.config, job.model.training_record()
    trained = training.without_seed(record) if job.learned and record is not None else None
    seeds = {
        *([trained["seed"]] if trained else []), *([c.seed] if c.shots else []), *([c.settings.seed] if _draws(job) else []),
    }  # fmt: skip
    if len(seeds) != 1:
        return {}
    settings = replace(c.settings, seed=0)
    pool = {"of": fingerprint(job.data["train"]), "from": c.shots_from, "number": c.shots} if c.shots else None
    bare = [replace(r, shots=()) for r in job.requests] if c.shots else job.requests  # type: ignore[call-arg]
    common = {
        **parts, "settings": to_json(settings), "requests": results.identity_hash({"keys": [r.key() for r in bare]}),
        "model": [job.model.name, trained["recipe"] if trained else job.model.identity(job.form, settings)],
        "trained": None if trained else parts["trained"], "shots": pool,
    }  # fmt: skip
    return {"seed": {"value": seeds.pop(), "recipe": results.identity_hash(common)}}


def _given(job: Job) -> dict[str, Any]:
    return {"given": dict(job.given)} if job.given else {}


def _check_fresh(job: Job, loaded: LoadedModel) -> list[str]:
    """The names of freshly initialized weights, which the user must have allowed."""
    fresh = sorted(loaded.fresh_weights)
    if fresh and not job.config.allow_untrained:
        some = ", ".join(fresh[:3]) + (", …" if len(fresh) > 3 else "")
        raise InputError(
            f"the checkpoint of {job.model.name!r} lacks weights that {job.kind} needs: {some}",
            "train it first (--train always), or pass --allow-untrained: the result and every table will say so",
        )
    return fresh


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    work: answering.Plan
    answers: Mapping[str, Answer]
    fresh: Sequence[str]
    device: str
    measured: Mapping[str, Any]
    """What answering took."""


def _write(job: Job, folder: Path, parts: Mapping[str, Any], outcome: _Outcome) -> None:
    """The run's files; `result.json` last, so that a folder that has it is complete."""
    predictions = read(job.task, job.examples, job.requests, outcome.answers, outcome.work.skipped)
    scored = scoring.score(job.metrics, job.examples, predictions)
    files = {
        "predictions.jsonl": results.prediction_lines(job.examples, predictions).encode("utf-8", "surrogatepass"),
        "statistics.npy": results.statistics_bytes(scored.columns, scored.rows, job.examples),
    }
    for name, content in files.items():
        results.write_bytes(folder / name, content)
    tokens = sum(outcome.work.batch_tokens(b) for b in range(len(outcome.work.batches)))
    measured = {"examples": len(job.examples), "padded_tokens": tokens, **outcome.measured}
    results.write_text(folder / "environment.json", results.dump({**environment.describe(outcome.device), **measured}))
    results.write_text(folder / "result.json", results.dump({**_record(job, parts, outcome, scored), "files": _hashes(files)}))


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _record(job: Job, parts: Mapping[str, Any], outcome: _Outcome, scored: scoring.Scored) -> dict[str, Any]:
    keys = [request.key() for request in job.requests]
    main = next(iter(job.metrics[0].scores()))
    return {
        "schema_version": results.SCHEMA_VERSION, "identity": results.identity_hash(parts), "task": parts["task"],
        "model": {"name": job.model.name, "family": job.model.family, "ask": job.kind}, "protocol": _protocol(job, outcome.fresh),
        "data": {
            **parts["data"], "examples": len(job.examples),
            "limit": len(job.examples) if len(job.examples) < parts["data"]["of"] else None,
            "skipped": sum(key in outcome.work.skipped for key in keys),
            "truncated": sum(key in outcome.work.cut for key in keys),
        },
        "settings": parts["settings"], "scores": scored.scores, "main": [job.metrics[0].name, main],
        "signatures": {m.name: m.signature() for m in job.metrics}, **_seed(job, parts),
    }  # fmt: skip


def _protocol(job: Job, fresh: Sequence[str]) -> dict[str, Any]:
    """How the model came to the task."""
    record = job.model.training_record()
    if fresh or job.model.fresh(job.form):
        how = "untrained"
    elif record is not None:
        how = _learned(job.task.name, record)
    elif "shots" in {f.name for f in dataclasses.fields(job.form)} or job.kind == "Score":
        how = f"{job.config.shots}-shot" if job.config.shots else "zero-shot"
    else:
        how = "trained elsewhere"
    trained = {"trained_on": training.learned(record), "training": training.without_seed(record)} if record is not None else {}
    return {"how": how, "shots": job.config.shots, "fresh_weights": list(fresh), "trained_on": [], **trained, **_given(job)}


def _learned(task: str, record: Mapping[str, Any]) -> str:
    """The last training in words; texts without a question are what a model is pretrained on."""
    plain = all(lesson.get("plain") for lesson in record["parts"]["learned"])
    what, others = "pretrained" if plain else "fine-tuned", [name for name in record["tasks"] if name != task]
    if not others:
        return what
    return f"{what} {'with' if task in record['tasks'] else 'on'} {', '.join(others)}"
