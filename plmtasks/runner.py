"""A task and a model in, a result out; trains first where it must."""

import dataclasses
import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from . import answering, environment, results, scoring, training
from .config import RunConfig, TrainSettings
from .data import Dataset, draw
from .distributed import Processes
from .errors import InputError, MismatchError, PlmtasksError
from .examples import Example, Prediction, fingerprint
from .journal import Journal
from .learning import Lesson, Teacher
from .metric import Metric
from .model import LoadedModel, Model
from .progress import Progress
from .registry import Registry
from .requests import Answer, Request, Shot, to_json
from .results import Result
from .task import Task

FORMAT = 1
"""Raised whenever the core would make another result of the same parts."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run whose names are resolved and whose questions are known; nothing is loaded yet."""

    config: RunConfig
    task: Task
    model: Model
    kind: str
    metrics: Sequence[Metric]
    data: Dataset
    split: str
    examples: Sequence[Example]
    requests: Sequence[Request]
    """One for each example."""
    form: Request
    """Any of them: it shows the label set."""


def prepare(config: RunConfig, registry: Registry) -> Job:
    """Resolves names, reads the data and asks the task.

    raises: InputError and its kinds, whatever cannot be run
    """
    task, model = registry.task(config.task), registry.model(config.model)
    kind = choose_kind(task, model, config.ask, registry)
    data = task.load(config.source)
    task = task.bind(data)
    split = config.split or data.default_split()
    examples = draw(data[split], config.limit)
    metrics = [registry.metric(name).bind(task) for name in task.metrics]
    form = task.ask(data[split][0].hidden(), kind)
    config = replace(config, settings=config.settings.that_matter(form))
    return Job(
        config=config, task=task, model=model, kind=kind, metrics=metrics, data=data, split=split, examples=examples,
        requests=ask(task, kind, examples, data, config), form=form,
    )  # fmt: skip


def choose_kind(task: Task, model: Model, wanted: str | None, registry: Registry) -> str:
    """The kind of request by which this model is asked this task.

    raises: MismatchError, InputError
    """
    if wanted is not None and wanted not in task.asks:
        raise InputError(f"task {task.name!r} cannot be asked by {wanted!r}", f"it can be asked by: {', '.join(task.asks)}")
    for kind in [wanted] if wanted else task.asks:
        if kind in model.answers:
            return kind
    fitting = registry.models_that_answer([wanted] if wanted else task.asks)
    raise MismatchError((task.name, task.asks), (model.name, model.answers), fitting, wanted)


def ask(task: Task, kind: str, examples: Sequence[Example], data: Dataset, config: RunConfig) -> list[Request]:
    """One request for each example, with its shots before it."""
    requests = [task.ask(example.hidden(), kind) for example in examples]
    if not config.shots or not requests:
        return requests
    if "shots" not in {f.name for f in dataclasses.fields(requests[0])}:
        raise InputError(
            f"a {kind} request takes no shots", f"task {task.name!r} can be asked by: {', '.join(task.asks)} (--ask KIND)"
        )
    if "train" not in data.splits:
        raise InputError(f"{data.name} has no train split to take shots from", "name one with --train-data PATH")
    pool = data["train"]
    if config.shots_from == "fixed":
        shots = _shots(task, kind, pool, config.shots, f"{config.seed}")
        return [replace(request, shots=shots) for request in requests]  # type: ignore[call-arg]
    return [
        replace(request, shots=_shots(task, kind, pool, config.shots, f"{config.seed} {example.id}"))  # type: ignore[call-arg]
        for request, example in zip(requests, examples, strict=True)
    ]


def _shots(task: Task, kind: str, pool: Sequence[Example], count: int, seed: str) -> tuple[Shot, ...]:
    if count > len(pool):
        raise InputError(f"{count} shots were asked for, the train split has {len(pool)} examples")
    shots = []
    for example in random.Random(seed).sample(pool, count):
        request = task.ask(example.hidden(), kind)
        shots.append(Shot(text=getattr(request, "text", ""), answer=_words(request, task.solve(example, request))))
    return tuple(shots)


def _words(request: Request, answer: Answer) -> str:
    """A solved answer as a text."""
    choices = getattr(request, "choices", None)
    if choices is not None:
        likeliest = max(range(len(choices)), key=lambda i: answer.choices[i].log_likelihood)  # type: ignore[attr-defined]
        return str(choices[likeliest])
    return str(getattr(answer, "text", ""))


def run(config: RunConfig, registry: Registry, processes: Processes, *, any_threads: bool = False) -> Result:
    """The result of one task on one model: computed, or found where the same was computed before.

    Called in every process of the run with the same config, whose automatic choices have been made.

    any_threads: nobody chose the number of threads, so a run begun with another number is gone on with as it is
    """
    progress = Progress(quiet=config.quiet or not processes.main)
    environment.set_threads(config.settings.threads)
    job = prepare(config, registry)
    config = job.config
    of = f"{len(job.requests)} examples of {job.data.name}, split {job.split}"
    progress.say(f"{job.task.name} on {job.model.name}: {of}, asked by {job.kind}")
    device = processes.device()
    job = ensure_trained(job, processes, progress, device)
    parts = identity(job)
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
        loaded = job.model.load(job.form, config.settings, device)
        fresh = _check_fresh(job, loaded)
        work = answering.plan(loaded, job.requests, config.settings)
        # answers of another class of machine, or of other versions, are never mixed with these
        machine = processes.share("machine", lambda: environment.machine_class(device))
        with Journal(folder / "journal", f"{work.hash}-{machine}", processes.rank) as journal:
            answers = answering.answer_all(loaded, work, processes, journal, progress)
        if processes.main:
            seconds = time.monotonic() - began
            _write(job, folder, parts, _Outcome(work=work, answers=answers, fresh=fresh, seconds=seconds, device=device))
        processes.barrier("written")
    # a node of its own may not see the main process's folder
    return Result(record=processes.share("record", lambda: results.read_results(folder)[0].record), folder=folder)


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
    """All that can change an answer or a score."""
    c = job.config
    return {
        "format": FORMAT, "task": job.task.facts(), "ask": job.kind,
        "requests": results.identity_hash({"keys": [r.key() for r in job.requests]}),
        "data": {
            "name": data_name(job.data, job.split), "split": job.split, "fingerprint": fingerprint(job.examples),
            "of": len(job.data[job.split]),
        },
        "model": {"name": job.model.name, "version": job.model.version, **job.model.identity(job.form, c.settings)},
        "settings": to_json(c.settings), "metrics": {m.name: m.signature() for m in job.metrics},
        "allow_untrained": c.allow_untrained and job.model.fresh(job.form),
        "trained": dict(job.model.training_record() or {}),
    }  # fmt: skip


def data_name(data: Dataset, split: str) -> str:
    """The data set of a split without the folders it happens to lie in."""
    if split == "train" and data.train_name is not None:
        return data.train_name if data.train_name.startswith("hf://") else Path(data.train_name).name
    return data.name if data.published or data.name.startswith("hf://") else Path(data.name).name


def must_learn(job: Job) -> bool:
    """Whether the model has to be trained before this run: its head would be fresh, or the user wants it.

    raises: InputError if it may not be trained, or there is nothing to train on
    """
    c, name = job.config, job.model.name
    fresh = job.model.from_scratch or job.model.fresh(job.form)
    if c.train == "always" or (fresh and c.train == "auto"):
        _check_train_split(job)
        return True
    if job.model.from_scratch:
        raise InputError(f"{name!r} is made and trained on the spot, and --train never forbids it", "leave --train out")
    if fresh and not c.allow_untrained:
        raise InputError(
            f"{name!r} has no weights that answer such a {job.kind} request, and --train never forbids training",
            "leave --train out, or pass --allow-untrained: the result and every table will say so",
        )
    return False


def ensure_trained(job: Job, processes: Processes, progress: Progress, device: str) -> Job:
    """The job with a model that can answer; trained first if it must.

    raises: InputError, OutputError
    """
    if not must_learn(job):
        return job
    if processes.main:
        for folder in (job.config.output, job.config.checkpoints):
            results.open_folder(Path(folder))  # before hours of training
    why = "--train always" if job.config.train == "always" else f"{job.model.name!r} has no weights yet that answer {job.kind}"
    progress.say(f"{why}: it learns first from the train split of {data_name(job.data, 'train')}")
    return replace(job, model=train(job, processes, progress, device, None))


def train(job: Job, processes: Processes, progress: Progress, device: str, folder: Path | None) -> Model:
    """The job's model after learning from the train split; its folder is named by its recipe if none is given."""
    _check_train_split(job)
    c = job.config
    settings = training.resolve(c.training, job.model, c.settings, device)
    lesson = _lesson(job, settings, processes, progress, folder is not None)
    teacher = Teacher(settings=c.settings, training=settings, processes=processes, progress=progress, device=device, yes=c.yes)
    if folder is None:
        name = results.identity_hash(training.recipe(job.model, lesson, teacher))
        folder = results.run_folder(c.checkpoints, job.task.name, job.model.name, name)
    model = training.train(job.model, lesson, teacher, folder)
    progress.say(f"trained model: {folder}")
    return model


def _check_train_split(job: Job) -> None:
    if "train" not in job.data.splits:
        raise InputError(
            f"{job.data.name} has no train split, and {job.model.name!r} must learn first",
            "name one with --train-data PATH, or a model that is trained already",
        )


def _lesson(job: Job, settings: TrainSettings, processes: Processes, progress: Progress, free: bool) -> Lesson:
    """free: no split is reported after this training, so the one that is evaluated by default may choose the epoch"""
    examples = draw(job.data["train"], settings.limit)
    requests = [job.task.ask(e.hidden(), job.kind) for e in examples]
    answers = [job.task.solve(e, r) for e, r in zip(examples, requests, strict=True)]
    chosen = settings.select_split
    if chosen is None and "validation" in job.data.splits and (free or job.split != "validation"):
        chosen = "validation"
    chosen = None if chosen == "none" else chosen
    facts = {
        "name": data_name(job.data, "train"),
        "split": "train",
        "examples": len(examples),
        "fingerprint": fingerprint(examples),
        "selected_on": chosen,
    }
    evaluate = selecting = None
    if chosen is not None:
        asked = job.data[chosen]
        facts["selecting"] = fingerprint(asked)
        evaluate = _Evaluation(
            job=job, examples=asked, requests=[job.task.ask(e.hidden(), job.kind) for e in asked], processes=processes
        )
        selecting = {
            "data": fingerprint(asked), "task": job.task.facts(), "metrics": {m.name: m.signature() for m in job.metrics},
            "settings": to_json(job.config.settings),
        }  # fmt: skip
    return Lesson(task=job.task.name, requests=requests, answers=answers, facts=facts, selecting=selecting, evaluate=evaluate)


@dataclass(frozen=True, kw_only=True)
class _Evaluation:
    """The main score on the split that chooses the epoch."""

    job: Job
    examples: Sequence[Example]
    requests: Sequence[Request]
    processes: Processes

    def __call__(self, loaded: LoadedModel, name: str) -> float:
        import tempfile

        processes = self.processes.within(f"evaluation-{name}")
        with tempfile.TemporaryDirectory(prefix="plmtasks-") as folder:
            work = answering.plan(loaded, self.requests, self.job.config.settings)
            with Journal(Path(folder), work.hash, processes.rank) as journal:
                answers = answering.answer_all(loaded, work, processes, journal, Progress(quiet=True))
            score = processes.share("score", lambda: self._score(answers, work))
        return float(score)

    def _score(self, answers: Mapping[str, Answer], work: answering.Plan) -> float:
        predictions = read(self.job.task, self.examples, self.requests, answers, work.skipped)
        return scoring.main_value(scoring.score(self.job.metrics, self.examples, predictions, resamples=0), self.job.metrics)


def read(
    task: Task, examples: Sequence[Example], requests: Sequence[Request], answers: Mapping[str, Answer], skipped: frozenset[str]
) -> dict[str, Prediction]:
    """The predictions of all examples that were not skipped, by id.

    raises: PlmtasksError if an example has no answer
    """
    predictions = {}
    for example, request in zip(examples, requests, strict=True):
        key = request.key()
        if key in skipped:
            continue
        if key not in answers:
            raise PlmtasksError(f"example {example.id!r} was not answered")
        predictions[example.id] = task.read(example.hidden(), request, answers[key])
    return predictions


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
    seconds: float
    device: str


def _write(job: Job, folder: Path, parts: Mapping[str, Any], outcome: _Outcome) -> None:
    """The run's files; `result.json` last, so that a folder that has it is complete."""
    predictions = read(job.task, job.examples, job.requests, outcome.answers, outcome.work.skipped)
    scored = scoring.score(job.metrics, job.examples, predictions)
    results.write_text(folder / "predictions.jsonl", results.prediction_lines(job.examples, predictions))
    results.write_bytes(folder / "statistics.npy", results.statistics_bytes(scored.columns, scored.rows))
    tokens = sum(outcome.work.batch_tokens(b) for b in range(len(outcome.work.batches)))
    measured = {"seconds": outcome.seconds, "examples": len(job.examples), "padded_tokens": tokens}
    results.write_text(folder / "environment.json", results.dump({**environment.describe(outcome.device), **measured}))
    results.write_text(folder / "result.json", results.dump(_record(job, parts, outcome, scored)))


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
        "signatures": {m.name: m.signature() for m in job.metrics},
    }  # fmt: skip


def _protocol(job: Job, fresh: Sequence[str]) -> dict[str, Any]:
    """How the model came to the task."""
    record = job.model.training_record()
    if fresh or job.model.fresh(job.form):
        how = "untrained"
    elif record is not None:
        how = "fine-tuned" if record["task"] == job.task.name else f"fine-tuned on {record['task']}"
    elif "shots" in {f.name for f in dataclasses.fields(job.form)} or job.kind == "Score":
        how = f"{job.config.shots}-shot" if job.config.shots else "zero-shot"
    else:
        how = "trained elsewhere"
    trained_on = {"task": record["task"], **record["data"]} if record is not None else None
    return {"how": how, "shots": job.config.shots, "fresh_weights": list(fresh), "trained_on": trained_on}
