"""New questions in, predictions out: a line for a line, block by block."""

import itertools
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..config import RunConfig, Source
from ..data import Dataset
from ..errors import DataError, InputError, OutputError, counted, printable
from ..examples import Example, Prediction
from ..execution import Journal, MemoryJournal, Processes, Progress, alone, answering, environment
from ..files import TEXTS, open_folder
from ..hooks import Registry
from ..model import LoadedModel, Model
from ..requests import from_json, to_json
from ..task import Follower, Task
from .job import Asker, choose_kind, knowing, made_up
from .output import Kept, Printed
from .questions import Lines, open_lines, own_fields, pose, read_question
from .tables import Columns, Table, is_table, output_kind

BLOCK = 1024
"""Lines that are cut into batches and answered together, where so many are there."""

SECONDS = 30.0
"""Between two lines that say how far it is."""


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What `plmtasks predict` is given."""

    run: RunConfig
    """Task, model and settings."""
    followed_model: str | None = None
    """Answers the task that the run's task follows; None: the same model."""
    input: str = "-"
    output: str | None = None
    """None: standard output."""
    form: Literal["text", "json"] | None = None
    """None: a table with a column of predictions where a table is asked, else text."""
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


@dataclass(kw_only=True)
class Stage:
    """One task and the model that answers it, in one process of a prediction; loaded when there is a first question."""

    config: RunConfig
    task: Task
    model: Model
    kind: str
    data: Dataset
    """Where shots come from."""
    processes: Processes
    opened: Callable[[str, Mapping[str, Any]], None]
    """Hears the task's name and the identity of its model before that is loaded."""
    loaded: LoadedModel | None = None
    machine: str = ""
    cut: int = 0
    """Questions that were shortened."""
    skipped: int = 0

    def asked(self) -> dict[str, Any]:
        """What can change an answer and is known before the model is opened."""
        c = self.config
        shots = [c.shots, c.shots_from, c.seed, self.data.fingerprint("train")] if c.shots else []
        settings = to_json(c.settings)
        return {"task": self.task.config(), "model": self.model.name, "ask": self.kind, "shots": shots, "settings": settings}

    def open(self, example: Example) -> LoadedModel:
        """The model in memory; called in all processes.

        raises: InputError if it has no weights that answer this task
        """
        form = Asker(self.task, self.kind, self.data, self.config).ask([example])[0]
        if form.label_set() == ():
            raise InputError(f"the labels of {self.task.name!r} are not known", "name data that has them with --data PATH")
        if self.model.newly_initialized(form):
            raise _untrained(self.config, self.task, self.model, f"has no weights that answer {self.task.name} by {self.kind}")
        self.config = replace(self.config, settings=self.config.settings.that_matter(form))
        self.opened(self.task.name, self.model.identity(form, self.config.settings))
        device = self.processes.device()
        self.loaded = self.model.load(form, self.config.settings, device)
        if self.loaded.newly_initialized:
            raise _untrained(
                self.config, self.task, self.model, f"lacks weights: {', '.join(sorted(self.loaded.newly_initialized)[:3])}"
            )
        self.machine = self.processes.share("machine", lambda: environment.machine_class(device))
        return self.loaded

    def answer(self, examples: Sequence[Example], folder: Path | None, processes: Processes) -> list[Prediction | None]:
        """In the main process a prediction for each example, None where the model's limit left it out; None in the others.

        folder: of the journal; None: nobody would go on with it
        """
        if not examples:
            return []
        loaded = self.loaded or self.open(examples[0])
        requests = Asker(self.task, self.kind, self.data, self.config).ask(examples)
        work = answering.plan(loaded, requests, self.config.settings)
        plan = f"{work.hash}-{self.machine}"
        with MemoryJournal(plan) if folder is None else Journal(folder, plan, processes.rank) as journal:
            answers = answering.answer_all(loaded, work, processes, journal, Progress(quiet=True))
        keys = [request.key() for request in requests]
        self.cut += sum(key in work.cut for key in keys)
        self.skipped += sum(key in work.skipped for key in keys)
        return [
            self.task.read(e, r, answers[key]) if key in answers else None
            for e, r, key in zip(examples, requests, keys, strict=True)
        ]


def _untrained(config: RunConfig, task: Task, model: Model, why: str) -> InputError:
    return InputError(
        f"{model.name!r} {why}: it must learn first",
        f"plmtasks train --task {config.task} --model {model.name} --output DIR, then --model DIR",
        *([f"the task's labels: {', '.join(task.labels[:8])}{', …' * (len(task.labels) > 8)}"] if task.labels else []),
    )


class Predictor:
    """Answers questions of one task: by one model, or, where the task follows another, by a model for each.

    Of a task that follows another, a question with a field that only it takes is its own; any other is the other's.
    """

    def __init__(
        self, asked: PredictConfig, registry: Registry, processes: Processes, opened: Callable[[str, Mapping[str, Any]], None]
    ) -> None:
        """raises: InputError and its kinds for what cannot be asked"""
        config = asked.run
        task = registry.task(config.task)
        if asked.followed_model is not None and not isinstance(task, Follower):
            raise InputError(f"task {task.name!r} follows no other: it needs no --followed-model", "leave it out")
        names = [(config.task, config.model, config.ask)]
        if isinstance(task, Follower):
            names.insert(0, (task.follows, asked.followed_model or config.model, None))
        self.stages = [
            _stage(replace(config, task=name, model=model, ask=kind), registry, processes.within(name), opened)
            for name, model, kind in names
        ]
        if not (self.task.fields or self.task.more_fields):
            raise InputError(f"task {self.task.name!r} takes no new questions")

    @property
    def task(self) -> Task:
        """Whose questions it is given."""
        return self.stages[0].task

    @property
    def following(self) -> Follower | None:
        """The task that follows it, and whose answers are wanted."""
        return next((stage.task for stage in self.stages[1:] if isinstance(stage.task, Follower)), None)

    def stage(self, question: Example) -> Stage:
        """Who is asked this question first."""
        own = own_fields(self.following, self.task) if self.following else ()
        return self.stages[any(name in question.inputs for name in own)]

    def asked(self) -> dict[str, Any]:
        """What can change an answer and is known before a model is opened."""
        given = {"given": self.stages[0].asked()} if len(self.stages) > 1 else {}
        return {**self.stages[-1].asked(), **given}

    def read(self, line: bytes, name: str, number: int) -> Example:
        """The question in a line.

        raises: DataError
        """
        return read_question(self.task, line, name, number, self.following)

    def posed(self, row: str | Mapping[str, Any], place: tuple[str, int]) -> Example:
        """The question that fields are.

        place: for messages, and the question's number

        raises: DataError
        """
        return pose(self.task, row, place, self.following)

    def columns(self) -> Columns:
        """Which columns of a table hold a question's fields: as the user says, else as of the data that the model learned."""
        stage = self.stages[0]
        given = stage.config.source.columns
        learned = (stage.model.training_record() or {}).get("columns", {}).get(stage.task.name, {})
        return Columns([s.task for s in self.stages], given, Source(columns=learned).columns)

    def answer(self, questions: Sequence[Example], folder: Path | None, processes: Processes) -> list[Answered]:
        """Called in all processes with the same questions; the main process gets the predictions."""
        first = self.stages[0]
        asked = [question for question in questions if question.inputs]
        one, two = (folder and folder / name for name in ("asked", "derived"))
        answered = iter(first.answer([q for q in asked if self.stage(q) is first], one, processes.within("asked")))
        pairs = [(q, next(answered) if self.stage(q) is first else None) for q in asked]
        groups = self._follow(pairs, two, processes.within("derived")) if self.following else [[p] for p in pairs]
        of = iter(groups)
        return [Answered(question=q, predictions=next(of) if q.inputs else []) for q in questions]

    def _derived(self, question: Example, prediction: Prediction | None) -> Sequence[Example]:
        """What the second task is asked."""
        if self.stage(question) is self.stages[1]:
            return [question]
        return self.following.derive(question, prediction) if prediction and self.following else []

    def _follow(
        self, pairs: Sequence[tuple[Example, Prediction | None]], folder: Path | None, processes: Processes
    ) -> list[list[tuple[Example, Prediction | None]]]:
        """What the second task says of its own questions, and of all that follows from predictions of the first."""
        made = processes.share("examples", lambda: [to_json(self._derived(*pair)) for pair in pairs])
        derived = [[from_json(Example, example) for example in group] for group in made]
        flat = [example for group in derived for example in group]
        predictions = iter(self.stages[1].answer(flat, folder, processes))
        processes.barrier("derived")
        processes.forget("examples")
        return [[(example, next(predictions)) for example in group] for group in derived]

    def text(self, answered: Answered) -> str:
        """The answer on one line as a person reads it; what follows from one question has tabs between."""
        task = self.stages[-1].task
        shown = [task.show(e, p) if p else "" for e, p in answered.predictions]
        if len(self.stages) > 1:
            shown = [text.replace("\t", " ") for text in shown]
        return "\t".join(" ".join(text.splitlines()) for text in shown)

    def record(self, answered: Answered) -> dict[str, Any]:
        """The answer as JSON values."""
        found = [(e, {"prediction": p and p.value, "scores": dict(p.scores) if p else {}}) for e, p in answered.predictions]
        if len(self.stages) > 1:
            return {"id": answered.question.id, "predictions": [{"inputs": dict(e.inputs), **said} for e, said in found]}
        return {"id": answered.question.id, **(found[0][1] if found else {"prediction": None, "scores": {}})}

    def said(self) -> Iterator[str]:
        """What a reader must know of what the model's limit did."""
        for stage in self.stages:
            of, limit = f"of {stage.task.name}", f"the limit of {stage.model.name!r}"
            limit += f" ({stage.loaded.limited})" if stage.loaded and stage.loaded.limited else ""
            if stage.cut:
                yield f"{counted(stage.cut, f'question {of} was', f'questions {of} were')} over {limit}, and shortened"
            if stage.skipped:
                yield f"{counted(stage.skipped, f'question {of} was', f'questions {of} were')} over {limit}: no answer"


def _stage(
    config: RunConfig, registry: Registry, processes: Processes, opened: Callable[[str, Mapping[str, Any]], None]
) -> Stage:
    task, model = registry.task(config.task), registry.model(config.model)
    kind = choose_kind(task, model, config.ask, registry)
    if model.from_scratch:
        raise _untrained(config, task, model, "has no weights yet")
    data = task.load(config.source) if config.shots else Dataset(name=task.name, readers={})
    return Stage(
        config=config, task=knowing(task, model, config), model=model, kind=kind, data=data, processes=processes, opened=opened,
    )  # fmt: skip


def asked_first(task: Task, registry: Registry) -> Task:
    """The task that a new question is posed to."""
    return registry.task(task.follows) if isinstance(task, Follower) else task


def answers(config: PredictConfig, inputs: Iterable[str | Mapping[str, Any]], registry: Registry) -> Iterator[dict[str, Any]]:
    """An answer for each question, in this process, a block at a time."""
    predictor = Predictor(config, registry, alone(), lambda task, weights: None)
    rows, number = iter(inputs), 0
    while block := list(itertools.islice(rows, BLOCK)):
        numbered = enumerate(block, 1 + number)
        posed = [predictor.posed(row, (f"question {i}", i)) for i, row in numbered]
        yield from map(predictor.record, predictor.answer(posed, None, alone()))
        number += len(block)


# ── lines in, lines out ───────────────────────────────────────────────────────────────────────────────────────────


def predict(config: PredictConfig, registry: Registry, processes: Processes, *, any_threads: bool = False) -> None:
    """Answers the lines of the input, block by block, until they end; called in all processes.

    any_threads: nobody chose the number of threads, so a file begun with another number is gone on with as it is

    raises: DataError with the line where one is no question; what came before it is answered
    """
    progress = Progress(quiet=config.run.quiet or not processes.main)
    with ExitStack() as stack:
        kept = _kept(config, stack) if processes.main else None
        begun = kept.threads if kept and any_threads else None
        threads = processes.share("threads", lambda: begun or config.run.settings.threads)
        config = replace(config, run=replace(config.run, settings=replace(config.run.settings, threads=threads)))
        environment.set_threads(threads)
        predictor = Predictor(config, registry, processes, kept.opened if kept else lambda task, weights: None)
        desk = stack.enter_context(_Desk(config, predictor, kept)) if processes.main else None
        if kept and desk:
            kept.check({"format": desk.form, **predictor.asked()})
        home = processes.share("home", lambda: str(kept.folder) if kept else None)
        _open_first(predictor, desk, processes)
        number = 0
        began = told = time.monotonic()
        while block := processes.share(f"block-{number}", desk.block if desk else dict):
            here, folder = processes.within(f"block-{number}"), home and Path(home, f"block-{block['first']}")
            lines = [line.encode() for line in block["lines"]]
            questions = [predictor.read(line, block["name"], n) for n, line in enumerate(lines, block["first"])]
            answered = predictor.answer(questions, folder, here)
            if desk:
                desk.write(answered)
            here.barrier("written")
            processes.forget(f"block-{number}")
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
            number += 1
            if desk and time.monotonic() - told > SECONDS:
                told = time.monotonic()
                progress.say(f"{counted(desk.answered, 'line')} answered, {desk.answered / (told - began):.1f} a second")
        if desk:
            desk.finish()
            for text in (*predictor.said(), *desk.said()):
                progress.say(text)


def _kept(config: PredictConfig, stack: ExitStack) -> Kept | None:
    if config.output is None:
        return None
    output = Path(config.output)
    if config.as_table and output_kind(Path(config.input), config.output) not in TEXTS:
        state = output.with_name(f"{output.name}.state")
        if output.exists() and not state.exists():
            raise OutputError(f"{output} is there already, and no prediction wrote it", "choose another --output, or delete it")
        open_folder(state)
        output = state / "answers.jsonl"
    kept = Kept(output)
    stack.callback(kept.close)
    return kept


def _open_first(predictor: Predictor, desk: "_Desk | None", processes: Processes) -> None:
    """Loads the model that is asked first before the first line is taken, where a question is at hand already."""
    opening = processes.share("opening", desk.opening if desk else dict)
    if opening is not None:
        question = from_json(Example, opening)
        predictor.stage(question).open(question)


class _Desk:
    """The main process's own part: it takes the lines, and writes the answers."""

    def __init__(self, config: PredictConfig, predictor: Predictor, kept: Kept | None) -> None:
        """raises: InputError, OutputError"""
        self.config, self.predictor, self.kept, self.most = config, predictor, kept, config.block
        self.out = kept or Printed()
        self.answered = 0
        self.bad: DataError | None = None
        self.ahead: list[bytes] = []
        """Taken, and not yet asked."""
        self.lines: Lines | Table = self._table() if is_table(config.input) else self._opened()
        self.kind = output_kind(Path(config.input), config.output) if config.as_table else ""
        if kept and self.lines.interactive:
            raise InputError("what is typed at a terminal is answered there", "leave out --output, or name a file with --input")

    def _opened(self) -> Lines:
        return open_lines(self.config.input, self.predictor.task, self.predictor.following)

    def _table(self) -> Table:
        columns, path = self.predictor.columns(), Path(self.config.input)
        if columns.learned:
            said = ",".join(f"{field}={name}" for field, name in columns.given.items())
            Progress(quiet=self.config.run.quiet).say(f"{path}: columns as in the training: {said}")
        return Table(path, columns, lambda row, where: self.predictor.posed(row, (where, 1)), self.config.run.source)

    @property
    def form(self) -> str:
        """What is written, in words."""
        if isinstance(self.lines, Table) and self.kind:
            return f"table {self.kind} of {', '.join(self.lines.names)}"
        return self.config.form or "text"

    def __enter__(self) -> "_Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()

    def opening(self) -> Any:
        """A question to load the model for, as JSON, before anything is written: the first, or any where none is typed yet.

        returns: None if there is none
        """
        if self.lines.interactive:
            try:
                return to_json(made_up(self.predictor.task))
            except InputError:  # it asks for more
                return None
        first = self.kept.skip(self.lines) if self.kept else None
        if first is None:
            self.ahead = self._take()
            first = next((line for line in self.ahead if line.strip()), None)
        try:
            return None if first is None else to_json(self.predictor.read(first, self.lines.name, 1))
        except DataError:  # told when it is its turn
            return None

    def block(self) -> dict[str, Any]:
        """The next lines, up to one that is no question; none at the end.

        raises: DataError if the next line is none
        """
        if self.out.gone:
            return {}
        if self.bad is not None:
            raise self.bad
        lines, self.ahead = self.ahead or self._take(), []
        first = self.lines.taken - len(lines) + 1
        good = []
        for number, line in enumerate(lines, first):
            try:
                self.predictor.read(line, self.lines.name, number)
            except DataError as e:
                self._refuse(e, number)
                break
            good.append(line)
        if lines and not good:
            return self.block()
        if good and self.kept:
            self.kept.begin(good)
        return {"name": self.lines.name, "first": first, "lines": [line.decode() for line in good]} if good else {}

    def _take(self) -> list[bytes]:
        begun = self.kept.state.block if self.kept else 0
        lines = self.lines.take(begun or self.most)
        while len(lines) < begun and (more := self.lines.take(begun - len(lines))):
            lines += more
        return lines

    def _refuse(self, error: DataError, number: int) -> None:
        if self.lines.interactive:
            sys.stderr.write(printable(f"{error}\n", lines=True))
            return
        before = counted(number - 1, "line before it is", "lines before it are")
        error.hints = (*error.hints, f"the {before} answered" if number > 1 else "it is the first line")
        self.bad = error

    def write(self, answers: Sequence[Answered]) -> None:
        first = self.kept.state.lines if self.kept else self.answered
        self.out.write([self._line(answered, number) for number, answered in enumerate(answers, first)])
        self.answered += len(answers)

    def _line(self, answered: Answered, number: int) -> str:
        if isinstance(self.lines, Table) and self.kind:
            record = self.predictor.record(answered)
            kind = self.kind if self.kind in TEXTS else ".jsonl"
            return self.lines.text(kind, number, record.get("prediction", record.get("predictions")))
        as_json = self.config.form == "json"
        return json.dumps(self.predictor.record(answered), ensure_ascii=False) if as_json else self.predictor.text(answered)

    def finish(self) -> None:
        """Writes a table whose format takes it only as a whole.

        raises: OutputError
        """
        if self.kept and isinstance(self.lines, Table) and self.kind and self.kind not in TEXTS:
            self.lines.write(Path(str(self.config.output)), self.kept.path)

    def said(self) -> Iterator[str]:
        if self.kept:
            before = self.kept.state.lines - self.answered
            what = "row" if isinstance(self.lines, Table) else "line"
            yield f"{counted(self.answered, what)} answered{f', {before} before' if before else ''}: {self.config.output}"
