"""A task and a model in, a result out; trains first where it must."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .. import results
from ..config import RunConfig
from ..data import Dataset
from ..errors import DataError, InputError, PlmtasksError, counted
from ..examples import fingerprint
from ..execution import Journal, Processes, Progress, answering, environment
from ..files import lock, open_folder, read_object, sealed, write_text
from ..hooks import Registry
from ..model import LoadedModel, Model
from ..requests import to_json
from ..results import Result
from .job import Job, data_name, prepare
from .lessons import ensure_trained, trained_before
from .record import Outcome, draws, given_to, shots, write

FORMAT = 4
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
    open_folder(folder)
    began = time.monotonic()
    with lock(folder, "run") if processes.main else nullcontext():
        if processes.main:
            write_text(folder / "config.json", sealed({"config": to_json(config), "identity": parts}))
        worked, environment.worked = environment.worked, True
        resumed = any((folder / "journal").glob("*.jsonl"))
        loaded = job.model.load(job.example_request, config.settings, device)
        loading = time.monotonic() - began
        newly_initialized = _check_initialized(job, loaded)
        beside = [request for p in job.perturbed for request in p.requests]
        work = answering.plan(loaded, job.requests, config.settings, beside)
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
            outcome = Outcome(
                work=work,
                answers=answers,
                newly_initialized=newly_initialized,
                limited=loaded.limited,
                device=device,
                measured=measured,
            )
            write(job, folder, parts, outcome)
        processes.barrier("written")
    # a node of its own may not see the main process's folder
    return Result(record=processes.share("record", lambda: results.read_results(folder)[0].record), folder=folder)


def learn(config: RunConfig, registry: Registry, processes: Processes, progress: Progress) -> Job:
    """A run up to where its model can answer: it is trained here if it must be and was not before.

    Called in every process of the run, as `run`.
    """
    environment.set_threads(config.settings.threads)
    job = prepare(config, registry)
    of = f"{counted(len(job.requests), 'example')} of {job.data.name}, split {job.split}"
    progress.say(f"{job.task.name} on {job.model.name}: {of}, asked by {job.kind}")
    device = processes.device()
    if hint := environment.slow(job.config.settings.dtype, device):
        progress.say(hint)
    return _compared_with_train(ensure_trained(job, processes, progress, device), job)


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
    untrained = prepare(config, registry, data=data)
    job = trained_before(untrained, processes, processes.device())
    if job is None:
        return Outlook(result=None, learns=True)
    job = _compared_with_train(job, untrained)
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
        try:
            other = read_object(results.part(path.parent, path.name), results.CONFIG)["identity"]
            _ = other["settings"]["threads"]
        except (FileNotFoundError, DataError, KeyError):
            continue  # whatever it is, this run did not begin it
        twin = {**other, "settings": {**other["settings"], "threads": parts["settings"]["threads"]}}
        if results.identity_hash(twin) == folder.name:
            return int(other["settings"]["threads"])
    return None


def identity(job: Job) -> dict[str, Any]:
    """All that can change an answer or a score; a seed that changes none is 0."""
    c = job.config
    settings = c.settings if draws(job) else replace(c.settings, seed=0)
    return {
        "format": FORMAT, "task": job.task.config(), "ask": job.kind,
        "requests": results.identity_hash({"keys": [r.key() for r in job.requests]}),
        "data": {
            "name": data_name(job.data, job.split, c.source), "split": job.split, "fingerprint": fingerprint(job.examples),
            "total": job.total, **({"left_out": left} if (left := job.data.left_out(job.split)) else {}),
        },
        "model": {
            "name": job.model.name, "family": job.model.family, "version": job.model.version,
            **job.model.identity(job.example_request, settings),
        },
        "shots": shots(job), "settings": to_json(settings), "metrics": {m.name: m.signature() for m in job.metrics},
        "allow_untrained": c.allow_untrained and job.model.newly_initialized(job.example_request),
        "trained": _trained(job.model), **given_to(job),
        "slices": results.identity_hash({"of": [list(e.slices) for e in job.sliced()]}),
        "overlap": fingerprint(job.data["train"]) if c.overlap else None,
        **({"perturbations": {p.name: p.identity() for p in job.perturbed}} if job.perturbed else {}),
    }  # fmt: skip


def _trained(model: Model) -> dict[str, Any]:
    """What the model's record tells of its training, without the names that its data's columns happened to have."""
    return {name: value for name, value in (model.training_record() or {}).items() if name != "columns"}


def _compared_with_train(job: Job, untrained: Job) -> Job:
    """The job, which looks for its examples in the train split where that is read for its shots or its training anyway.

    raises: InputError if the user wants it and there is no train split
    """
    if job.config.overlap and "train" not in job.data.splits:
        raise InputError(f"{job.data.name} has no train split to look for its examples in", "name one with --train-data PATH")
    wanted = job.config.overlap or job.config.shots > 0 or job.model is not untrained.model
    return replace(job, config=replace(job.config, overlap=wanted))


def _check_initialized(job: Job, loaded: LoadedModel) -> list[str]:
    """The names of newly initialized weights, which the user must have allowed."""
    newly_initialized = sorted(loaded.newly_initialized)
    if newly_initialized and not job.config.allow_untrained:
        some = ", ".join(newly_initialized[:3]) + (", …" if len(newly_initialized) > 3 else "")
        raise InputError(
            f"the checkpoint of {job.model.name!r} lacks weights that {job.kind} needs: {some}",
            "train it first (--train always), or pass --allow-untrained: the result and every table will say so",
        )
    return newly_initialized
