"""Answers on disk, safe against a crash.

A journal is a folder with one append-only file a process and attempt, and one checksummed line a batch. What is in it
counts; a torn last line does not.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ..errors import DataError, JournalError, OutputError
from ..files import check, parse
from ..requests import Answer, from_json, to_json

LINE = {"plan": str, "batch": int, "answers": {...: {}}}

HEAD = re.compile(rb'[0-9a-f]{16} \{"plan":"([\w.-]+)","batch":(\d{1,15}),"answers":\{')
"""How a line begins as we write it: which batch it holds is told without reading the rest."""

_text = json.JSONEncoder(separators=(",", ":")).encode


class Journal(AbstractContextManager["Journal"]):
    """Reads what all processes wrote into a folder, and appends what this one computes.

    plan: a hash of the batches and of the class of machine; entries of another plan are an error
    """

    def __init__(self, folder: Path, plan: str, process: int = 0) -> None:
        self.folder, self.plan = folder, plan
        # a name of its own for each attempt: a torn line of an earlier one is never appended to
        self._path = folder / f"{time.time_ns():020d}-{process:05d}.jsonl"
        self._file: int | None = None
        self.entries: dict[int, tuple[Path, int]] = {}
        """Of each batch the file, and the byte at which its line starts."""

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> set[int]:
        """Looks at all files, and returns the numbers of the batches that are there.

        raises: JournalError if a line is damaged that is not the last of its file, or is of another plan
        """
        self.entries = {}
        for path, offset, line in _lines(self.folder):
            head = HEAD.match(line)
            record = {"plan": head[1].decode(), "batch": int(head[2])} if head else _read(path, line)
            if record["plan"] != self.plan:
                raise JournalError(
                    f"{path}: these answers belong to another plan of batches, class of machine or set of library versions",
                    f"go on where they were computed, or delete {self.folder} and run again",
                )
            self.entries.setdefault(record["batch"], (path, offset))
        return set(self.entries)

    def write(self, batch: int, answers: Mapping[str, Answer]) -> None:
        """Appends the answers of a batch, by request key, and returns when they are with the operating system.

        raises: OutputError
        """
        self._append(sealed_line(self.plan, batch, answers))

    def _append(self, line: bytes) -> None:
        try:
            if self._file is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(28, "No space left on device")
        except OSError as e:
            raise OutputError(
                f"{self._path}: cannot be written: {e.strerror}", "what is there is safe; make room and run again"
            ) from e

    def answers(self, batch: int, form: type[Answer]) -> dict[str, Answer]:
        """The answers of a batch that `read` found, by request key; `form` is their type."""
        record, (path, _) = _unseal(self.raw(batch)), self.entries.get(batch, (self.folder, 0))
        if record is None:
            raise JournalError(f"{path}: changed while it was read")
        try:
            return {key: from_json(form, value) for key, value in record["answers"].items()}
        except (TypeError, KeyError, ValueError) as e:
            raise JournalError(f"{path}: no answers of the kind {form.__name__}: {e}", f"delete {path}") from e

    def raw(self, batch: int) -> bytes:
        """The sealed line of a batch, to be sent to another journal."""
        path, offset = self.entries[batch]
        with path.open("rb") as file:
            file.seek(offset)
            return file.readline()

    def adopt(self, line: bytes, batch: int) -> None:
        """Appends the sealed line of a batch that came from another process.

        raises: JournalError if it is damaged, or of another batch or plan
        """
        record = _unseal(line)
        if record is None or (record["plan"], record["batch"]) != (self.plan, batch):
            raise JournalError(f"batch {batch} came damaged from another process")
        self._append(line)


class MemoryJournal(Journal):
    """A journal of answers that nobody goes on with after a crash: it leaves nothing on the disk."""

    def __init__(self, plan: str) -> None:
        super().__init__(Path("memory"), plan)
        self._lines: dict[int, bytes] = {}

    def read(self) -> set[int]:
        """The numbers of the batches that this process has."""
        return set(self._lines)

    def raw(self, batch: int) -> bytes:
        return self._lines[batch]

    def _append(self, line: bytes) -> None:
        record = _unseal(line)
        assert record is not None
        self._lines[record["batch"]] = line


def on_disk(folder: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Every batch of a journal, of whatever plan: its file, the byte at which its line starts, and the line.

    That has "plan", "batch", and "answers" by request key, not yet of their type.

    raises: JournalError at a damaged line
    """
    return ((path, offset, _read(path, line)) for path, offset, line in _lines(folder))


def _lines(folder: Path) -> Iterator[tuple[Path, int, bytes]]:
    """Every sealed line of a journal, with its file and the byte at which it starts.

    raises: JournalError at one whose seal is broken
    """
    # a link or a pipe that somebody put there is no file of a process
    for path in (path for path in sorted(folder.glob("*.jsonl")) if path.is_file() and not path.is_symlink()):
        size, number, start = path.stat().st_size, 0, 0
        with path.open("rb") as file:
            for line in file:
                number += 1
                if _is_whole(line):
                    yield path, start, line
                elif start + len(line) < size or line.endswith(b"\n"):
                    raise JournalError(
                        f"{path}:{number}: damaged line (its checksum does not fit)",
                        f"delete {path}: its batches are computed again",
                    )
                start += len(line)


def _read(path: Path, line: bytes) -> dict[str, Any]:
    """The record of a sealed line. raises: JournalError if somebody else sealed it"""
    record = _unseal(line)
    if record is None:
        raise JournalError(f"{path}: a damaged line: it is no batch of answers", f"delete {path}: its batches are computed again")
    return record


def sealed_line(plan: str, batch: int, answers: Mapping[str, Answer]) -> bytes:
    """A batch's answers, by request key, as a line that tells whether it is whole."""
    body = {"plan": plan, "batch": batch, "answers": {key: to_json(a) for key, a in answers.items()}}
    text = _text(body)
    return f"{_digest(text.encode())} {text}\n".encode()


def plan_hash(keys: Sequence[str], batches: Sequence[Sequence[int]]) -> str:
    """A hash of which requests share which batch. 16 hexadecimal digits."""
    text = json.dumps([[keys[i] for i in batch] for batch in batches])
    return _digest(text.encode())


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _is_whole(line: bytes) -> bool:
    digest, _, text = line.partition(b" ")
    return line.endswith(b"\n") and _digest(text[:-1]) == digest.decode("ascii", "replace")


def _unseal(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None if it is torn or damaged."""
    if not _is_whole(line):
        return None
    try:
        record: dict[str, Any] = parse("the line", line.partition(b" ")[2].decode())
        check("the line", record, LINE)
    except (UnicodeDecodeError, DataError):
        return None  # sealed by somebody else
    return record
