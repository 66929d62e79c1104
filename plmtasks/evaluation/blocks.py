"""`predict` over its processes, block by block: each answers its part, the main one takes the lines and writes."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError, counted, printable
from ..examples import Example
from ..execution import Processes, Progress, environment
from ..files import TEXTS, open_folder
from ..hooks import Registry
from ..requests import from_json, to_json
from .job import any_new_question
from .output import Kept, Printed, refuse_stranger
from .prediction import Answered, PredictConfig, Predictor
from .questions import Lines, Listed, Typed, hint, pose, read_question
from .tables import Table, is_table, output_kind

SECONDS = 30.0
"""Between two lines that say how far it is."""


def answer(
    config: PredictConfig, registry: Registry, processes: Processes, questions: Iterable[str] | None = None, *,
    returned: bool = False, any_threads: bool = False,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Answers the lines of the input, block by block, until they end; called in all processes.

    questions: as JSON, in the place of an input that is read
    returned: what is not kept in a file is not printed, but comes back, in the main process
    any_threads: nobody chose the number of threads, so a file begun with another number is gone on with as it is

    raises: DataError with the line where one is no question; what came before it is answered
    """
    progress = Progress(quiet=config.run.quiet or not processes.main)
    with ExitStack() as stack:
        kept = _kept(config, stack) if processes.main else None
        begun = kept.state.asked["settings"]["threads"] if kept and kept.state.asked and any_threads else None
        threads = processes.share("threads", lambda: begun or config.run.settings.threads)
        config = replace(config, run=replace(config.run, settings=replace(config.run.settings, threads=threads)))
        environment.set_threads(threads)
        predictor = Predictor(config, registry, processes, kept.opened if kept else lambda task, weights: None)
        out = kept or (None if returned else Printed())
        main = _Main(config, predictor, out, questions) if processes.main else None
        if main:
            stack.callback(main.lines.close)
        if kept and main:
            kept.check({"format": main.form, **predictor.parts()})
        home = processes.share("home", lambda: str(kept.folder) if kept else None)
        # the model that is asked first is loaded before the first line is taken, where a question is at hand already
        opening = processes.share("opening", main.opening if main else dict)
        if opening is not None:
            question = from_json(Example, opening)
            predictor.stage(question).open(question)
        number = 0
        while block := processes.share(f"block-{number}", main.block if main else dict):
            here, folder = processes.within(f"block-{number}"), Path(home, f"block-{block['first']}") if home else None
            answers = predictor.answer([from_json(Example, question) for question in block["questions"]], folder, here)
            if main:
                main.write(answers, progress)
                yield from map(predictor.record, answers) if returned and not kept else ()
            here.barrier("written")
            processes.forget(f"block-{number}")
            if folder:  # the journal of answers that are written
                shutil.rmtree(folder, ignore_errors=True)
            number += 1
        if main:
            main.finish()
            for text in (*predictor.summary(), *main.summary()):
                progress.say(text)


def _kept(config: PredictConfig, stack: ExitStack) -> Kept | None:
    if config.output is None:
        return None
    output = Path(config.output)
    if config.as_table and output_kind(Path(config.input), config.output) not in TEXTS:
        state = output.with_name(f"{output.name}.state")
        refuse_stranger(output, state)
        open_folder(state)
        output = state / "answers.jsonl"
    kept = Kept(output)
    stack.callback(kept.close)
    return kept


class _Main:
    """The main process's own part: it takes the lines, and writes the answers."""

    def __init__(
        self, config: PredictConfig, predictor: Predictor, out: Kept | Printed | None, questions: Iterable[str] | None
    ) -> None:
        """raises: InputError, OutputError"""
        self.config, self.predictor, self.out = config, predictor, out
        self.kept = out if isinstance(out, Kept) else None
        self.answered = 0
        self.began = self.told = time.monotonic()
        self.bad: DataError | None = None
        self.ahead: list[bytes] = []
        """Taken, and not yet asked."""
        self.columns = predictor.columns() if config.rows else None
        self.lines = self._lines(questions)
        self.kind = output_kind(Path(config.input), config.output) if config.as_table else ""
        self.table = self.lines if isinstance(self.lines, Table) and self.kind else None
        """That comes back with the answers, if one does."""
        if self.kept and self.lines.interactive:
            raise InputError("what is typed at a terminal is answered there", "leave out --output, or name a file with --input")

    def _lines(self, questions: Iterable[str] | None) -> Lines | Listed:
        if questions is not None:
            return Listed("the questions", (question.encode() for question in questions))
        if not is_table(self.config.input):
            typed = self.config.input == "-" and sys.stdin is not None and sys.stdin.isatty()
            return Typed(hint(self.predictor.task, self.predictor.following)) if typed else Lines(self.config.input)
        columns, path = self.predictor.columns(), Path(self.config.input)
        if columns.learned:
            named = ",".join(f"{field}={name}" for field, name in columns.given.items())
            Progress(quiet=self.config.run.quiet).say(f"{path}: columns as in the training: {named}")
        p = self.predictor
        return Table(path, columns, lambda row, where: pose(p.task, row, where, 1, p.following), self.config.run.source)

    def parse(self, line: bytes, number: int) -> Example:
        """raises: DataError if the line is no question"""
        p = self.predictor
        if type(self.lines) is Listed:
            where, question = f"question {number}", json.loads(line)
            question = self.columns.question(where, question) if self.columns else question
            return pose(p.task, question, where, number, p.following)
        return read_question(p.task, line, self.lines.name, number, p.following)

    @property
    def form(self) -> str:
        """What is written, in words."""
        return f"table {self.kind} of {', '.join(self.table.names)}" if self.table else self.config.form or "text"

    def opening(self) -> Any:
        """A question to load the model for, as JSON, before anything is written: the first, or any where none is typed yet.

        returns: None if there is none
        """
        if self.lines.interactive:
            try:
                return to_json(any_new_question(self.predictor.task))
            except InputError:  # it asks for more
                return None
        first = self.kept.skip(self.lines) if self.kept else None
        if first is None:
            self.ahead = self._take()
            first = next((line for line in self.ahead if line.strip()), None)
        try:
            return None if first is None else to_json(self.parse(first, 1))
        except DataError:  # told when it is its turn
            return None

    def block(self) -> dict[str, Any]:
        """The questions in the next lines, up to one that is none; empty at the end.

        raises: DataError if the next line is none
        """
        if self.out and self.out.gone:
            return {}
        if self.bad is not None:
            raise self.bad
        lines, self.ahead = self.ahead or self._take(), []
        first = self.lines.taken - len(lines) + 1
        questions = []
        for number, line in enumerate(lines, first):
            try:
                questions.append(to_json(self.parse(line, number)))
            except DataError as e:
                self._refuse(e, number)
                break
        if lines and not questions:
            return self.block()
        if questions and self.kept:
            self.kept.begin(lines[: len(questions)])
        return {"first": first, "questions": questions} if questions else {}

    def _take(self) -> list[bytes]:
        begun = self.kept.state.block if self.kept else 0
        lines = self.lines.take(begun or self.config.block)
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

    def write(self, answers: Sequence[Answered], progress: Progress) -> None:
        """Says once in a while how far it is."""
        first = self.kept.state.lines if self.kept else self.answered
        if self.out:
            self.out.write([self._line(answered, number) for number, answered in enumerate(answers, first)])
        self.answered += len(answers)
        if (now := time.monotonic()) - self.told > SECONDS:
            self.told = now
            progress.say(f"{counted(self.answered, 'line')} answered, {self.answered / (now - self.began):.1f} a second")

    def _line(self, answered: Answered, number: int) -> str:
        if self.table:
            record = self.predictor.record(answered)
            kind = self.kind if self.kind in TEXTS else ".jsonl"
            return self.table.text(kind, number, record.get("prediction", record.get("predictions")))
        if self.config.form != "json":
            return self.predictor.text(answered)
        told = {"task": self.predictor.task.name, "split": self.config.split} if self.config.split else {}
        return json.dumps({**told, **self.predictor.record(answered)}, ensure_ascii=False)

    def finish(self) -> None:
        """Writes a table whose format takes it only as a whole.

        raises: OutputError
        """
        if self.kept and self.table and self.kind not in TEXTS:
            self.table.write(Path(str(self.config.output)), self.kept.path)

    def summary(self) -> Iterator[str]:
        """What was answered, and where it is kept."""
        if self.kept:
            before = self.kept.state.lines - self.answered
            what = "row" if isinstance(self.lines, Table) else "line"
            yield f"{counted(self.answered, what)} answered{f', {before} before' if before else ''}: {self.config.output}"
