"""Answers on disk, safe against a crash.

A journal is a folder with one append-only file a process and attempt, and one checksummed line a batch. What is in it
counts; a torn last line does not. At an address nothing is appended to: each process writes segments there, objects of one or
several lines, and what a killed process had not yet sent as one is computed again.
"""

import hashlib
import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, cast

from ..errors import DataError, InputError, JournalError, OutputError
from ..files import Shape, check, create_bytes, here, names, parse, reached
from ..requests import Answer, from_json, to_json

LINE = {"plan": str, "batch": int, "answers": {...: {}}}

HEAD = re.compile(rb'[0-9a-f]{16} \{"plan":"([\w.-]+)","batch":(\d{1,15}),"answers":\{')
"""How a line begins as we write it: which batch it holds is told without reading the rest."""

Record = Mapping[str, Any]

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
        self._size = 0
        self.entries: dict[int, tuple[Path, int]] = {}
        """Of each batch that was read, written or adopted the file, and the byte at which its line starts."""

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> set[int]:
        """Looks at all files, and returns the numbers of the batches that are there.

        raises: JournalError if a line is damaged that is not the last of its file, or is of another plan
        """
        self.entries = {}
        for path, offset, record in _on_disk(self.folder, _headed):
            self._check(path, record)
            self.entries.setdefault(record["batch"], (path, offset))
        return set(self.entries)

    def _check(self, path: Path, record: Mapping[str, Any]) -> None:
        if record["plan"] != self.plan:
            raise JournalError(
                f"{path}: these answers belong to another plan of batches, class of machine or set of library versions",
                f"go on where they were computed, or delete {self.folder} and run again",
            )

    def write(self, batch: int, answers: Mapping[str, Answer]) -> None:
        """Appends the answers of a batch, by request key, and returns when they are with the operating system.

        raises: OutputError
        """
        self._keep(batch, sealed_line(self.plan, batch, answers))

    def flush(self) -> None:
        """Returns when all that was written is where others read it.

        raises: OutputError
        """

    def _keep(self, batch: int, line: bytes) -> None:
        self.entries.setdefault(batch, self._append(line))

    def _append(self, line: bytes) -> tuple[Path, int]:
        """Where the line stands, as an entry.

        raises: OutputError
        """
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
        self._size += written
        return self._path, self._size - written

    def answers(self, batch: int, form: type[Answer]) -> dict[str, Answer]:
        """The answers of a batch, by request key; `form` is their type.

        raises: JournalError
        """
        # of its answers' form `from_json` tells
        record, (path, _) = _unseal(self.raw(batch), {**LINE, "answers": dict}), self.entries.get(batch, (self.folder, 0))
        if record is None:
            raise JournalError(
                f"{path}: batch {batch} is no batch of answers, or was changed while it was read",
                f"delete {path}: its batches are computed again",
            )
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
        self._keep(batch, line)


class SegmentJournal(Journal):
    """The same at an address, where a file is there whole or not at all.

    A line is sent with those that wait, once the last segment is `SECONDS` old or they have `BYTES`; and at the end. So what a
    killed process loses is its batch in flight and what took it less than `SECONDS`.
    """

    SECONDS = 10.0
    BYTES = 4 << 20

    def __init__(self, folder: Path, plan: str, process: int = 0) -> None:
        super().__init__(folder, plan, process)
        self._waiting: list[bytes] = []
        self._since, self._sent = time.monotonic(), 0
        self._read: dict[str, bytes] = {}
        """The segments that are known, by their names."""

    def __exit__(self, *_: object) -> None:
        self.flush()

    def read(self) -> set[int]:
        """As of any journal; a segment that was read is not fetched again.

        raises: InputError if the folder cannot be reached
        """
        self.flush()
        with reached(self.folder):
            new = [path for path in _files(self.folder) if path.name not in self._read]
            self._read |= _fetched(self.folder, new)
        for name in [path.name for path in new]:
            path = self.folder / name
            for offset, record in _lines(path, self._read[name], _headed):
                self._check(path, record)
                self.entries.setdefault(record["batch"], (path, offset))
        return set(self.entries)

    def raw(self, batch: int) -> bytes:
        self.flush()
        path, offset = self.entries[batch]
        content = self._read[path.name]
        return content[offset : content.index(b"\n", offset) + 1]

    def flush(self) -> None:
        if not self._waiting:
            return
        path, content = self._segment, b"".join(self._waiting)
        try:
            with reached(self.folder):
                create_bytes(path, content)
        except InputError as e:
            raise OutputError(f"{path}: cannot be written: {e.__cause__}", "what is there is safe; run again") from e
        self._read[path.name] = content
        self._waiting, self._since, self._sent = [], time.monotonic(), self._sent + 1

    @property
    def _segment(self) -> Path:
        """That is sent next."""
        return self.folder / f"{self._path.stem}-{self._sent:06d}.jsonl"

    def _append(self, line: bytes) -> tuple[Path, int]:
        entry = self._segment, sum(map(len, self._waiting))
        self._waiting.append(line)
        if time.monotonic() - self._since >= self.SECONDS or entry[1] + len(line) >= self.BYTES:
            self.flush()
        return entry


class MemoryJournal(Journal):
    """A journal of answers that nobody goes on with after a crash: it leaves nothing on the disk."""

    def __init__(self, plan: str) -> None:
        super().__init__(Path("memory"), plan)
        self._lines: list[bytes] = []

    def read(self) -> set[int]:
        """The numbers of the batches that this process has."""
        return set(self.entries)

    def raw(self, batch: int) -> bytes:
        return self._lines[self.entries[batch][1]]

    def _append(self, line: bytes) -> tuple[Path, int]:
        self._lines.append(line)
        return self.folder, len(self._lines) - 1


def journal_at(folder: Path, plan: str, process: int = 0) -> Journal:
    """The journal in a folder of this machine, or at an address."""
    return (Journal if here(folder) else SegmentJournal)(folder, plan, process)


def on_disk(folder: Path) -> Iterator[tuple[Path, int, Record]]:
    """Every batch of a journal, of whatever plan: its file, the byte at which its line starts, and the line.

    That has "plan", "batch", and "answers" by request key, not yet of their type.

    raises: JournalError at a damaged line
    """
    return _on_disk(folder, _unseal)


def _on_disk(folder: Path, unseal: Callable[[bytes], Record | None]) -> Iterator[tuple[Path, int, Record]]:
    for path in _files(folder):
        if here(path):
            with path.open("rb") as file:
                found = _lines(path, file, unseal, path.stat().st_size)
                yield from ((path, offset, record) for offset, record in found)
        else:
            yield from ((path, offset, record) for offset, record in _lines(path, path.read_bytes(), unseal))


def _files(folder: Path) -> list[Path]:
    """Those of processes; a link or a pipe that somebody put there is none."""
    if here(folder):
        return [path for path in sorted(folder.glob("*.jsonl")) if path.is_file() and not path.is_symlink()]
    return [folder / name for name in names(folder) if name.endswith(".jsonl")]


def _fetched(folder: Path, paths: Sequence[Path]) -> dict[str, bytes]:
    """The content of files at an address, by name; many at a time where its library can."""
    there: Any = folder
    found = there.fs.cat([cast(Any, path).path for path in paths]) if paths else {}
    return {name.rpartition("/")[2]: content for name, content in found.items()}


def _lines(
    path: Path, content: IO[bytes] | bytes, unseal: Callable[[bytes], Record | None], size: int = 0
) -> Iterator[tuple[int, Record]]:
    """Of each line the byte at which it starts, and its record; a torn last line is left out.

    content: of that many bytes, if it is a file
    unseal: gives the record of a line, or what is wanted of it; None if it is damaged

    raises: JournalError at a damaged line
    """
    file, size = (io.BytesIO(content), len(content)) if isinstance(content, bytes) else (content, size)
    start = 0
    for number, line in enumerate(file, 1):
        record = unseal(line)
        if record is not None:
            yield start, record
        elif start + len(line) < size or line.endswith(b"\n"):
            raise JournalError(
                f"{path}:{number}: damaged line (its checksum does not fit)",
                f"delete {path}: its batches are computed again",
            )
        start += len(line)


def sealed_line(plan: str, batch: int, answers: Mapping[str, Answer]) -> bytes:
    """A batch's answers, by request key, as a line that tells whether it is whole."""
    body = {"plan": plan, "batch": batch, "answers": {key: to_json(a) for key, a in answers.items()}}
    text = _text(body)
    return f"{_digest(text.encode())} {text}\n".encode()


def plan_hash(keys: Sequence[str], batches: Sequence[Sequence[int]]) -> str:
    """A hash of which requests share which batch. 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for place, batch in enumerate(batches):  # as the JSON of all of them, which is long
        digest.update(f"{', ' if place else '['}{json.dumps([keys[i] for i in batch])}".encode())
    digest.update(b"]" if batches else b"[]")
    return digest.hexdigest()[:16]


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def _is_whole(line: bytes) -> bool:
    digest, _, text = line.partition(b" ")
    return line.endswith(b"\n") and _digest(text[:-1]) == digest.decode("ascii", "replace")


def _headed(line: bytes) -> Record | None:
    """The record of a line without its answers, as `_unseal`."""
    head = HEAD.match(line)
    if head is None:
        return _unseal(line)
    return {"plan": head[1].decode(), "batch": int(head[2])} if _is_whole(line) else None


def _unseal(line: bytes, shape: Shape = LINE) -> dict[str, Any] | None:
    """The record of a line; None if it is torn or damaged."""
    if not _is_whole(line):
        return None
    try:
        record: dict[str, Any] = parse("the line", line.partition(b" ")[2].decode())
        check("the line", record, shape)
    except (UnicodeDecodeError, DataError):
        return None  # sealed by somebody else
    return record
