"""Where answers to new questions go: standard output, or a file that an interrupted prediction goes on with."""

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DataError, OutputError, counted
from ..files import claim, claims_file, dump, open_folder, read_object, write_text
from ..requests import from_json, to_json
from .questions import Lines, Listed


def refuse_stranger(path: Path, state: Path) -> None:
    """raises: OutputError if a file is there without what is kept beside one of ours"""
    if path.exists() and not state.exists():
        raise OutputError(f"{path} is there already, and no prediction wrote it", "choose another --output, or delete it")


class Printed:
    """Standard output: each block of answers as soon as it is there."""

    gone = False
    """Whether nobody reads on."""

    def write(self, answers: Sequence[str]) -> None:
        try:
            sys.stdout.buffer.write("".join(f"{a}\n" for a in answers).encode())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            self.gone = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's end would complain


@dataclass(frozen=True, kw_only=True)
class State:
    """What a file of answers rests on, and how far it is."""

    asked: Mapping[str, Any] = field(default_factory=dict)
    """Tasks, models and settings."""
    weights: Mapping[str, Any] = field(default_factory=dict)
    """Task → its model's identity, of those that were loaded."""
    lines: int = 0
    """Of the input that are answered, and of the output."""
    digest: str = ""
    """SHA-256 of those of the input."""
    bytes: int = 0
    """Of the output."""
    block: int = 0
    """Lines that were being answered."""


class Kept:
    """A file of answers, and `FILE.state` beside it: how far it is, and the answers of the block that is being answered.

    A block's answers are journalled, then written to the file, then counted in the state: whatever is interrupted, nothing
    is answered twice, lost or doubled. A file that is complete keeps its state, so that an input that grew is gone on with.
    """

    gone = False

    def __init__(self, path: Path) -> None:
        """raises: OutputError if the file is not one of ours, or was changed"""
        self.path, self.folder = path, path.with_name(path.name + ".state")
        self._file = self.folder / "state.json"
        self._digest = hashlib.sha256()
        self._out: int | None = None
        self.state = State()
        refuse_stranger(path, self._file)
        open_folder(self.folder)
        self._claim = claim(self.folder, "prediction")
        try:
            self.state = self._read() if path.exists() else self._nothing()
        except BaseException:
            self._claim.release()
            raise

    def _read(self) -> State:
        try:
            state: State = from_json(State, read_object(self._file))
        except (OSError, ValueError, TypeError, KeyError, DataError) as e:
            raise DataError(str(self._file), "the state of a prediction", str(e), f"delete {self.path} to begin anew") from e
        size = self.path.stat().st_size
        if size < state.bytes or (size > state.bytes and not state.block):
            how = "shorter" if size < state.bytes else "longer"
            raise OutputError(f"{self.path} was changed since: it is {how}", "delete it to begin anew")
        return state

    def _nothing(self) -> State:
        """The state of a file that is not begun; what an attempt left whose file is gone goes too."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not claims_file(path.name):
                path.unlink()
        return State()

    def check(self, asked: Mapping[str, Any]) -> None:
        """raises: OutputError if the file holds answers to something else"""
        if self.state.asked and self.state.asked != to_json(asked):
            was = self.state.asked
            differ = ", ".join(k for k in sorted({*was, *asked}) if was.get(k) != to_json(asked.get(k)))
            raise self._other(f"answers of another prediction: not the same {differ}")
        self.state = replace(self.state, asked=asked)

    def opened(self, task: str, weights: Mapping[str, Any]) -> None:
        """raises: OutputError if the file holds answers of other weights"""
        if self.state.weights.get(task, weights) != weights:
            raise self._other("answers of other weights")
        self.state = replace(self.state, weights={**self.state.weights, task: weights})

    def skip(self, lines: Lines | Listed) -> bytes | None:
        """Takes the lines that are answered; returns the first of them that is not blank.

        raises: OutputError if they are not those that were answered
        """
        opening = None
        left = self.state.lines
        while left and (taken := lines.take(min(left, 1024))):
            opening = opening or next((line for line in taken if line.strip()), None)
            self._count(taken)
            left -= len(taken)
        if self.state.lines and (left or self._digest.hexdigest() != self.state.digest):
            what = f"has only {self.state.lines - left}" if left else "begins with other lines"
            raise self._other(f"the answers to {counted(self.state.lines, 'line')}, and {lines.name} {what}")
        return opening

    def _other(self, what: str) -> OutputError:
        return OutputError(f"{self.path} holds {what}", "choose another --output, or delete it to begin anew")

    def begin(self, lines: Sequence[bytes]) -> None:
        """These lines will be answered now."""
        self._count(lines)
        self._save(replace(self.state, block=len(lines)))

    def write(self, answers: Sequence[str]) -> None:
        """The answers to the lines that were begun with.

        raises: OutputError; BusyError if another process took the file over
        """
        self._claim.check()
        text = "".join(f"{a}\n" for a in answers).encode()
        try:
            if self._out is None:
                self._out = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
                os.ftruncate(self._out, self.state.bytes)  # what was written and not yet counted is written again
                os.lseek(self._out, self.state.bytes, os.SEEK_SET)
            if os.write(self._out, text) != len(text):
                raise OSError(28, "No space left on device")
        except OSError as e:
            raise OutputError(
                f"{self.path}: cannot be written: {e.strerror}", "what was answered is kept; make room and run again"
            ) from e
        lines, size = self.state.lines + len(answers), self.state.bytes + len(text)
        self._save(replace(self.state, lines=lines, digest=self._digest.hexdigest(), bytes=size, block=0))

    def close(self) -> None:
        if self._out is not None:
            os.close(self._out)
        self._claim.release()
        if not self._file.exists():  # nothing was begun
            shutil.rmtree(self.folder, ignore_errors=True)

    def _count(self, lines: Sequence[bytes]) -> None:
        self._digest.update(b"".join(line + b"\n" for line in lines))

    def _save(self, state: State) -> None:
        self.state = state
        if not self.path.exists():
            write_text(self.path, "")  # the state counts only beside the file
        write_text(self._file, dump(to_json(state)))
