"""What others submit: put into the board's folder, and checked."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError, InputError, PlmtasksError
from plmtasks.files import check as check_shape
from plmtasks.files import is_sealed, open_folder, parse, read_text, safe_name, sealed, write_bytes, write_text
from plmtasks.hooks import Registry
from plmtasks.scoring import Card, read_card, read_submission
from plmtasks.scoring import Submission as Given

from .board import Board

RECORD, CARD, NA_PROB = "submission.json", "card.md", "na_prob.json"

SHAPE = {"name": str, "task": str, "submitter": str, "submitted": str, "predictions": str, "files": {...: str}}

REQUIRED = "submitter"
"""The card's field that every board needs."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A folder in `submissions/NAME/TASK`, as it was sealed."""

    folder: Path
    name: str
    """Of the system."""
    task: str
    """Its key on the board."""
    submitter: str
    submitted: datetime
    predictions: str
    """The file's name."""
    na_prob: bool = False
    """Whether probabilities of no answer lie beside."""

    @property
    def card(self) -> Card:
        """raises: DataError"""
        return read_card(self.folder / CARD)

    def given(self, board: Board) -> Given:
        """How its predictions are read and scored."""
        entry = board.entries[self.task]
        unsure = str(self.folder / NA_PROB) if self.na_prob else None
        return Given(path=self.folder / self.predictions, split=entry.split, metrics=entry.metrics, na_prob=unsure)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A folder that was looked at."""

    folder: Path
    submission: Submission | None
    why: str = ""
    """Why it does not count; none: it does."""


def submit(board: Board, registry: Registry, name: str, task: str, files: tuple[Path, Path, Path | None]) -> Submission:
    """Puts predictions into the board's folder, once they are found to be whole and within the rules.

    task: its name on the board
    files: the predictions, the card, and perhaps the probabilities of no answer

    raises: InputError for what the board does not take; DataError; OutputError
    """
    predictions, card, unsure = files
    key = board.key(task)
    if safe_name(name) != name:
        raise InputError(f"{name!r} is no name for a folder", f"such as {safe_name(name)!r}: letters, digits, . _ + @ -")
    if not predictions.is_file():
        raise InputError(f"{predictions}: no such file")
    made = Submission(
        folder=board.root / "submissions" / name / key, name=name, task=key, submitter=_submitter(read_card(card)),
        submitted=datetime.now(UTC).replace(microsecond=0), predictions=_file_name(predictions), na_prob=unsure is not None,
    )  # fmt: skip
    if made.folder.exists():
        raise InputError(f"{made.folder} is there: {name} was submitted to {key} before", "give the new one another name")
    _check_card(board, read_card(card))
    here = replace(made.given(board), path=predictions, na_prob=None if unsure is None else str(unsure))
    read_submission(*board.questions(key, registry), here)
    others = [one.submission for one in _all(board) if one.submission is not None]
    if why := _against_rules(board, made, others):
        raise InputError(f"{name}: {why}")
    contents = {made.predictions: predictions.read_bytes(), CARD: card.read_bytes()}
    contents |= {NA_PROB: unsure.read_bytes()} if unsure is not None else {}
    open_folder(made.folder)
    for file, content in contents.items():
        write_bytes(made.folder / file, content)
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    record = {
        "name": name, "task": key, "submitter": made.submitter, "submitted": made.submitted.isoformat(),
        "predictions": made.predictions, "files": hashes,
    }  # fmt: skip
    write_text(made.folder / RECORD, sealed(record))
    return made


def check(board: Board, registry: Registry) -> Iterator[Checked]:
    """All that was submitted, the earliest first, and why one does not count; what cannot be read comes first."""
    earlier, questions = list[Submission](), cache(lambda key: board.questions(key, registry))
    found = list(_all(board))
    yield from (one for one in found if one.why)
    read = [one.submission for one in found if one.submission is not None]
    for one in sorted(read, key=lambda one: (one.submitted, str(one.folder))):
        try:
            _check_card(board, one.card)
            read_submission(*questions(one.task), one.given(board))
            why = _against_rules(board, one, earlier)
        except PlmtasksError as e:
            why = board.told(e, one.folder)
        yield Checked(folder=one.folder, submission=one, why=why)
        if not why:
            earlier.append(one)


def _all(board: Board) -> Iterator[Checked]:
    """All that was submitted, and why one cannot be read; predictions, cards and rules are not looked at."""
    for folder in sorted(path for path in board.root.glob("submissions/*/*") if path.is_dir()):
        try:
            yield Checked(folder=folder, submission=_read(board, folder))
        except PlmtasksError as e:
            yield Checked(folder=folder, submission=None, why=board.told(e, folder))


def _read(board: Board, folder: Path) -> Submission:
    """raises: InputError, DataError if it is not what was sealed, or has what no submission has"""
    # a link may lead to the hidden references
    if odd := next((path for path in (folder.parent, folder, *folder.rglob("*")) if path.is_symlink()), None):
        raise DataError(str(odd), "a file or folder", "a link")
    path = folder / RECORD
    try:
        text = read_text(path)
    except FileNotFoundError as e:
        raise DataError(str(path), "what plmtasks board submit writes", "no such file") from e
    record = parse(str(path), text)
    if not isinstance(record, dict):
        raise DataError(str(path), "an object", type(record).__name__)
    check_shape(str(path), record, SHAPE)
    if not is_sealed(text, record):
        raise DataError(str(path), "the text that was sealed", "another: it was altered after it was submitted")
    if (folder.parent.name, folder.name) != (record["name"], record["task"]) or record["task"] not in board.entries:
        raise DataError(
            str(path), f"a submission of {folder.parent.name} to {folder.name}", f"{record['name']} to {record['task']}"
        )
    _check_files(folder, record)
    try:
        submitted = datetime.fromisoformat(record["submitted"]).astimezone(UTC)
    except ValueError as e:
        raise DataError(str(path), "a date and time", repr(record["submitted"])) from e
    if submitted > datetime.now(UTC) + timedelta(days=1):
        raise DataError(str(path), "a date that has been", record["submitted"])
    return Submission(
        folder=folder, name=record["name"], task=record["task"], submitter=record["submitter"], submitted=submitted,
        predictions=record["predictions"], na_prob=NA_PROB in record["files"],
    )  # fmt: skip


def _check_files(folder: Path, record: dict[str, Any]) -> None:
    """raises: DataError if a file is not the one that was submitted"""
    named, there = record["files"], {path.name for path in folder.iterdir()} - {RECORD}
    if not {record["predictions"], CARD} <= named.keys() <= {record["predictions"], CARD, NA_PROB} or there != named.keys():
        raise DataError(str(folder), f"the files {', '.join(sorted(named))}", ", ".join(sorted(there)) or "none")
    for name, written in named.items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != written:
            raise DataError(str(folder / name), "the file that was submitted", "another: it was altered after it was submitted")


def _check_card(board: Board, card: Card) -> None:
    """raises: InputError if the card does not say what the rules want"""
    missing = [name for name in dict.fromkeys((REQUIRED, *board.rules.fields)) if not card.fields.get(name)]
    if missing:
        wanted = "between two lines of --- at its top, such as"
        raise InputError(f"the card does not say: {', '.join(missing)}", f"{wanted} {missing[0]}: …")


def _submitter(card: Card) -> str:
    return str(card.fields.get(REQUIRED) or "").strip()


def _against_rules(board: Board, one: Submission, earlier: Sequence[Submission]) -> str:
    """The rule that it breaks: whose name it is, and how many submissions there may be; empty if it breaks none."""
    most, days = board.rules.submissions, board.rules.days
    who = one.submitter.casefold()
    if owner := next(
        (other.submitter for other in earlier if other.name == one.name and other.submitter.casefold() != who), None
    ):
        return f"the name {one.name} is taken by {owner}: choose another"
    recent = [
        other for other in earlier
        if (other.submitter.casefold(), other.task) == (who, one.task) and one.submitted - other.submitted < timedelta(days=days)
    ]  # fmt: skip
    if not most or len(recent) < most:
        return ""
    again = min(other.submitted for other in recent) + timedelta(days=days)
    said = f"{one.submitter} has {len(recent)} of {most} submissions to {one.task} within {days} days"
    return f"{said}; again from {again:%Y-%m-%d %H:%M} UTC"


def _file_name(path: Path) -> str:
    """The submitted file's name: its ending tells its format."""
    name = safe_name(path.name)
    return name if name.startswith("predictions") else f"predictions.{name}"
