"""New questions from a file, a pipe or a terminal: one a line."""

import itertools
import os
import re
import select
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..errors import DataError, InputError, counted
from ..examples import Example
from ..files import read_json_line
from ..task import Task

PATIENCE = 1.0
"""Seconds without a new line after which those that came are answered."""

PIECE = 1 << 16
"""Bytes read at once."""


class Lines:
    """The lines of a file, or of a pipe ("-"), as they come: cut at line feeds alone, UTF-8, with or without BOM.

    raises: InputError if it cannot be opened
    """

    interactive = False

    def __init__(self, name: str) -> None:
        self.name = "standard input" if name == "-" else name
        self.taken = 0
        """lines"""
        try:
            # no file object: `select` would not see what its buffer holds
            self._file = os.dup(0) if name == "-" else os.open(name, os.O_RDONLY)
        except OSError as e:
            raise InputError(f"{self.name}: {e.strerror or e}") from e
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._ended = False

    def take(self, most: int) -> list[bytes]:
        """The next lines without their ends: `most`, or fewer at the end or where the writer pauses; none once all were taken."""
        while len(self._lines) < most and not self._ended:
            if self._lines and not select.select([self._file], [], [], PATIENCE)[0]:
                break
            self._read()
        lines = [self._lines.popleft() for _ in range(min(most, len(self._lines)))]
        if not self.taken and lines:
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        self.taken += len(lines)
        return [line.removesuffix(b"\r") for line in lines]

    def _read(self) -> None:
        try:
            piece = os.read(self._file, PIECE)
        except OSError as e:
            raise InputError(f"{self.name}: {e.strerror or e}") from e
        *whole, rest = piece.split(b"\n")
        if whole:
            whole[0] = self._rest + whole[0]
        self._lines.extend(whole)
        self._rest = rest if whole else self._rest + rest
        if not piece:
            self._ended = True
            self._lines.extend([self._rest] if self._rest else [])

    def close(self) -> None:
        os.close(self._file)


class Listed:
    """Questions that are at hand, each as JSON: a text, or an object of the task's fields; in the form of `Lines`."""

    interactive = False

    def __init__(self, name: str, questions: Iterable[bytes]) -> None:
        self.name, self._questions, self.taken = name, iter(questions), 0

    def take(self, most: int) -> list[bytes]:
        """The next questions: `most`, or fewer at the end."""
        taken = list(itertools.islice(self._questions, most))
        self.taken += len(taken)
        return taken

    def close(self) -> None:
        """Nothing is open."""


class Typed(Lines):
    """What somebody types at a terminal, a line at a time."""

    interactive = True

    def __init__(self, hint: str) -> None:
        super().__init__("-")
        sys.stderr.write(hint + "\n")
        sys.stderr.flush()

    def take(self, most: int) -> list[bytes]:
        with suppress(ImportError):
            import readline  # noqa: F401  lines can then be edited and called back
        if not sys.stdout.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        try:
            line = input("> " if sys.stdout.isatty() else "")
        except EOFError:
            sys.stderr.write("\n")
            return []
        self.taken += 1
        return [line.encode("utf-8", "surrogateescape")]


def own_fields(following: Task, task: Task) -> list[str]:
    """The fields that a task takes, and the one that it follows does not: a question that has one of them is its own."""
    return [name for name in following.fields if name not in (*task.fields, *task.more_fields)]


def hint(task: Task, following: Task | None = None) -> str:
    """How a question of this task, or of one that follows it, is typed."""
    plain = "<TAB>".join(task.fields)
    more = f", which takes {', '.join(task.more_fields)} too" if task.more_fields else ""
    either = f"{plain}, or a JSON object{more}" if plain else f"a JSON object with {', '.join(task.more_fields)}"
    own = f"; one with {', '.join(own_fields(following, task))} is asked of {following.name} alone" if following else ""
    return f"{task.name} asks for a line: {either}{own}. End with Ctrl-D."


def read_question(task: Task, line: bytes, name: str, number: int, following: Task | None = None) -> Example:
    """The question in a line: a JSON object with the task's fields and perhaps "id", else its fields with tabs between.

    A blank line is a question without inputs. Without "id", the line's number is the id.

    name, number: of the file and the line, from 1
    following: a task that follows this one, of which an object may be a question too

    raises: DataError
    """
    where = f"{name}:{number}"
    try:
        text = line.decode()
    except UnicodeDecodeError as e:
        raise DataError(where, "UTF-8 text", f"byte 0x{line[e.start]:02x} at position {e.start}") from e
    if not text.strip():
        return Example(id=str(number), inputs={})
    # a word in braces may begin a text: "{laughs} I never"
    is_object = re.match(r'\s*\{(?!\s*\w[^":{}]*\})', text) is not None
    return pose(task, read_json_line(where, text) if is_object else text, where, number, following)


def pose(task: Task, question: str | Mapping[str, Any], where: str, number: int, following: Task | None = None) -> Example:
    """A question given as its fields by name and perhaps "id", or as one text.

    where: where it stands, for messages
    number: its id, if it has none

    raises: DataError
    """
    if following is not None and not isinstance(question, str) and any(name in question for name in own_fields(following, task)):
        task = following
    if isinstance(question, str):
        cells = [question] if len(task.fields) == 1 else question.split("\t")
        if len(cells) != len(task.fields):
            expected = " <TAB> ".join(task.fields) or f"a JSON object with {', '.join(task.more_fields)}"
            raise DataError(where, expected, f"{counted(len(cells), 'cell')}: {question[:60]!r}")
        question = dict(zip(task.fields, cells, strict=True))
    row = dict(question)
    id_ = row.pop("id", number)
    if not isinstance(id_, (str, int)) or isinstance(id_, bool):
        raise DataError(where, "an id: a text or a number", repr(id_))
    try:
        return task.pose(row, str(id_))
    except DataError:
        raise
    except InputError as e:
        raise DataError(where, f"a question of {task.name}", e.message, *e.hints) from e
