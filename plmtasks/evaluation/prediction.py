"""New questions in, predictions out: by one model, or, where a task follows another, by a model for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..config import RunConfig, Source
from ..data import Dataset
from ..errors import InputError, counted, listed
from ..examples import Example, Prediction
from ..execution import Journal, MemoryJournal, Processes, Progress, answering, environment
from ..hooks import Registry
from ..model import LoadedModel, Model
from ..requests import from_json, one_of_each_kind, to_json
from ..task import Follower, SelfPrompted, Task
from ..training import Job
from .job import knowing, load_data, resolve
from .questions import own_fields
from .shots import Asker
from .tables import Columns, is_table

BLOCK = 1024
"""Lines that are cut into batches and answered together, where so many are there."""


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What `plmtasks predict` is given."""

    run: RunConfig
    """Task, model and settings."""
    followed_model: str | None = None
    """The model that answers the task which this one follows; None: the same one."""
    input: str = "-"
    split: str | None = None
    """Of the task's own data, whose examples are the questions, instead of an input."""
    output: str | None = None
    """None: standard output."""
    form: Literal["text", "json"] | None = None
    """None: a table with a column of predictions where a table is asked, else text."""
    rows: bool = False
    """Whether questions that are at hand are rows of a table, whose columns are found as those of a file."""
    block: int = BLOCK

    @property
    def as_table(self) -> bool:
        """Whether the table that was given comes back with the answers."""
        return self.form is None and is_table(self.input)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question and what is predicted of it, in the main process."""

    question: Example
    """Without inputs: a blank line."""
    predictions: Sequence[tuple[Example, Prediction | None]]
    """Of the question itself, or of all that was derived from it; None where the model's limit left it out."""


Opened = Callable[[str, Mapping[str, Any]], None]
"""Hears the task's name and the identity of its model before that is loaded."""


@dataclass(kw_only=True)
class Stage:
    """One task of a prediction and the model that answers it, in one process; loaded when there is a first question."""

    job: Job
    """Its data are those that shots are taken from."""
    processes: Processes
    opened: Opened
    loaded: LoadedModel | None = None
    machine: str = ""
    cut: int = 0
    """Questions that were shortened."""
    skipped: int = 0
    unfinished: int = 0
    """Questions before whose answer the thinking did not end."""

    @cached_property
    def asker(self) -> Asker:
        return Asker(self.job.task, self.job.kind, self.job.data, replace(self.job.config, repeats=1))

    def parts(self) -> dict[str, Any]:
        """What can change an answer and is known before the model is opened."""
        job, c = self.job, self.job.config
        shots = [c.shots, c.shots_from, c.seed, job.data.fingerprint("train")] if c.shots else []
        settings = to_json(c.settings)
        return {"task": job.task.config(), "model": job.model.name, "ask": job.kind, "shots": shots, "settings": settings}

    def open(self, example: Example) -> LoadedModel:
        """The model in memory; called in all processes.

        raises: InputError if it has no weights that answer this task
        """
        job, device = self.job, self.processes.device()
        example_request = one_of_each_kind(self.asker.ask([example]).requests[0])
        if example_request.label_set() == ():
            raise InputError(f"the labels of {job.task.name!r} are not known", "name data that has them with --data PATH")
        if job.model.newly_initialized(example_request):
            raise _untrained(job.config, job.task, job.model, f"has no weights that answer {job.task.name} by {job.kind}")
        self.job = job = replace(job, config=replace(job.config, settings=job.config.settings.that_matter(example_request)))
        self.opened(job.task.name, job.model.identity(example_request, job.config.settings))
        self.loaded = job.model.load(example_request, job.config.settings, device)
        if self.loaded.newly_initialized:
            lacking = ", ".join(sorted(self.loaded.newly_initialized)[:3])
            raise _untrained(job.config, job.task, job.model, f"lacks weights: {lacking}")
        self.machine = self.processes.share("machine", lambda: environment.machine_class(device))
        return self.loaded

    def answer(self, examples: Sequence[Example], folder: Path | None, processes: Processes) -> list[Prediction | None]:
        """In the main process a prediction for each example, None where the model's limit left it out; None in the others.

        folder: of the journal; None: nobody would go on with it
        """
        if not examples:
            return []
        loaded = self.loaded or self.open(examples[0])
        asked = self.asker.ask(examples)
        plan = answering.plan(loaded, asked.each, self.job.config.settings)
        name = f"{plan.hash}-{self.machine}"
        with MemoryJournal(name) if folder is None else Journal(folder, name, processes.rank) as journal:
            answers = answering.answer_all(loaded, plan, processes, journal, Progress(quiet=True))
        self.cut += asked.among(plan.cut)
        self.skipped += asked.among(plan.skipped)
        self.unfinished += asked.unfinished(answers)
        return asked.read_each(self.job.task, answers)


def _untrained(config: RunConfig, task: Task, model: Model, why: str) -> InputError:
    return InputError(
        f"{model.name!r} {why}: it must learn first",
        f"plmtasks train --task {config.task} --model {model.name} --output DIR, then --model DIR",
        *([f"the task's labels: {listed(task.labels)}"] if task.labels else []),
    )


class Predictor:
    """Answers questions of one task: by one model, or, where the task follows another, by a model for each.

    Of a task that follows another, a question with a field that only it takes is its own; any other is the other's.
    """

    def __init__(self, config: PredictConfig, registry: Registry, processes: Processes, opened: Opened) -> None:
        """raises: InputError and its kinds for what cannot be asked"""
        run, task = _named(config.run, registry)
        if config.followed_model is not None and not isinstance(task, Follower):
            raise InputError(f"task {task.name!r} follows no other: it needs no --followed-model", "leave it out")
        wanted = [(run.task, run.model, run.ask)]
        if isinstance(task, Follower):
            wanted.insert(0, (task.follows, config.followed_model or run.model, None))
        self.stages = []
        for name, model, kind in wanted:
            job = _job(replace(run, task=name, model=model, ask=kind), registry)
            self.stages.append(Stage(job=job, processes=processes.within(name), opened=opened))
        self.task: Task = self.stages[0].job.task
        """Whose questions it is given."""
        self.following = next((stage.job.task for stage in self.stages[1:] if isinstance(stage.job.task, Follower)), None)
        """The task that follows it, and whose answers are wanted."""
        if not (self.task.fields or self.task.more_fields):
            raise InputError(f"task {self.task.name!r} takes no new questions")

    def stage(self, question: Example) -> Stage:
        """Who is asked this question first."""
        own = own_fields(self.following, self.task) if self.following else ()
        return self.stages[any(name in question.inputs for name in own)]

    def parts(self) -> dict[str, Any]:
        """What can change an answer and is known before a model is opened."""
        followed = {"followed": self.stages[0].parts()} if len(self.stages) > 1 else {}
        return {**self.stages[-1].parts(), **followed}

    def columns(self) -> Columns:
        """Which columns of a table hold a question's fields: as the user says, else as of the data that the model learned."""
        job = self.stages[0].job
        learned = (job.model.training_record() or {}).get("columns", {}).get(job.task.name, {})
        return Columns([stage.job.task for stage in self.stages], job.config.source.columns, Source(columns=learned).columns)

    def answer(self, questions: Sequence[Example], folder: Path | None, processes: Processes) -> list[Answered]:
        """Called in all processes with the same questions; the main process gets the predictions."""
        first = self.stages[0]
        asked = [question for question in questions if question.inputs]
        one, two = (folder and folder / name for name in ("asked", "derived"))
        answered = iter(first.answer([q for q in asked if self.stage(q) is first], one, processes.within("asked")))
        pairs = [(q, next(answered) if self.stage(q) is first else None) for q in asked]
        of = iter(self._follow(pairs, two, processes.within("derived")) if self.following else [[pair] for pair in pairs])
        return [Answered(question=q, predictions=next(of) if q.inputs else []) for q in questions]

    def _follow(
        self, pairs: Sequence[tuple[Example, Prediction | None]], folder: Path | None, processes: Processes
    ) -> list[list[tuple[Example, Prediction | None]]]:
        """What the second task says of its own questions, and of all that follows from predictions of the first."""

        def asked(question: Example, prediction: Prediction | None) -> Sequence[Example]:
            if self.stage(question) is self.stages[1]:
                return [question]
            return self.following.derive(question, prediction) if prediction and self.following else []

        shared = processes.share("examples", lambda: [to_json(asked(*pair)) for pair in pairs])
        derived = [[from_json(Example, example) for example in group] for group in shared]
        flat = [example for group in derived for example in group]
        predictions = iter(self.stages[1].answer(flat, folder, processes))
        processes.barrier("derived")
        processes.forget("examples")
        return [[(example, next(predictions)) for example in group] for group in derived]

    def text(self, answered: Answered) -> str:
        """The answer on one line as a person reads it; what follows from one question has tabs between."""
        task = self.stages[-1].job.task
        shown = [task.show(e, p) if p else "" for e, p in answered.predictions]
        if len(self.stages) > 1:
            shown = [text.replace("\t", " ") for text in shown]
        return "\t".join(" ".join(text.splitlines()) for text in shown)

    def record(self, answered: Answered) -> dict[str, Any]:
        """The answer as JSON values."""
        records = [p.to_line() if p else {"prediction": None, "scores": {}} for _, p in answered.predictions]
        if len(self.stages) > 1:
            pairs = zip(answered.predictions, records, strict=True)
            return {"id": answered.question.id, "predictions": [{"inputs": dict(e.inputs), **one} for (e, _), one in pairs]}
        return {"id": answered.question.id, **(records[0] if records else {"prediction": None, "scores": {}})}

    def summary(self) -> Iterator[str]:
        """What a reader must know of what the model's limit did."""
        for stage in self.stages:
            of, limit = f"of {stage.job.task.name}", f"the limit of {stage.job.model.name!r}"
            limit += f" ({stage.loaded.limited})" if stage.loaded and stage.loaded.limited else ""
            if stage.cut:
                yield f"{counted(stage.cut, f'question {of} was', f'questions {of} were')} over {limit}, and shortened"
            if stage.skipped:
                yield f"{counted(stage.skipped, f'question {of} was', f'questions {of} were')} over {limit}: no answer"
            if stage.unfinished:
                yield f"{counted(stage.unfinished, f'question {of}', f'questions {of}')}: the thinking did not end: no answer"


def _named(run: RunConfig, registry: Registry) -> tuple[RunConfig, Task]:
    """The task, and the run by its name: of tasks that are called alike the one that the model has learned."""
    own_data = run.source.data is not None
    task = registry.task(run.task, own_data=own_data)
    learned = (registry.model(run.model).training_record() or {}).get("tasks", ())
    if task.name == run.task or run.task.endswith(".toml"):
        return run, task
    task = registry.task(run.task, own_data=own_data, learned=learned)
    return replace(run, task=task.name), task


def _job(config: RunConfig, registry: Registry) -> Job:
    task, model, kind = resolve(config, registry)
    if isinstance(task, SelfPrompted):
        hint = f"plmtasks run --task {task.name} --data FILE asks those of a file"
        raise InputError(f"task {task.name!r} takes no new questions", hint)
    if model.from_scratch:
        raise _untrained(config, task, model, "has no weights yet")
    data = load_data(task, config.source) if config.shots else Dataset(name=task.name, readers={})
    return Job(config=config, task=knowing(task, model, config), model=model, kind=kind, data=data)
