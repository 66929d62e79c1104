"""From submissions to pages: scored, verified, and published without what is hidden."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from plmtasks import store
from plmtasks.errors import DataWarning, InputError, PlmtasksError
from plmtasks.files import open_folder, sealed, write_text
from plmtasks.formats import Written
from plmtasks.hooks import Registry
from plmtasks.results import Result, read_result
from plmtasks.scoring import SUBMITTED, judge, write_run

from .board import Board
from .submissions import Submission, check

EXAMPLES = ("predictions.jsonl",)
"""The files of a run with texts, references and predictions."""


class LeftOut(NamedTuple):
    """What no page shows, and why."""

    folder: str
    """Within the board's."""
    why: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did."""

    site: Written
    results: Sequence[Result]
    """What is shown."""
    left_out: Sequence[LeftOut]


def build(board: Board, registry: Registry, output: Path) -> Built:
    """Scores what was submitted, verifies every run, and writes the pages of those that are what was written.

    The owner's own runs in `results/` are shown too.

    raises: InputError if references are not at hand, or there is nothing to show; DataError; OutputError
    """
    for key in board.entries:
        if not board.has_references(key):
            hint = "whoever keeps the board has them; without them, plmtasks board check says whether submissions are whole"
            raise InputError(f"{board.source(key).data}: no such file or folder, and it has the references of {key}", hint)
        board.write_questions(key, registry)
    found, left_out = list[tuple[Result, Submission | None]](), list[LeftOut]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # scoring reads the same files, and says it
        checked = list(check(board, registry))
    for one in checked:
        submission, why = one.submission, one.why
        if submission is not None and not why:
            result, why = _scored(board, submission, registry)
            found += [(result, submission)] if result is not None else []
        left_out += [LeftOut(str(one.folder.relative_to(board.root)), why)] if why else []
    for run in _others(board):
        why = _altered(run, registry, deep=False)
        found += [(run.result, None)] if run.result is not None and not why else []
        left_out += [LeftOut(str(run.folder.relative_to(board.root)), why)] if why else []
    if not found:
        raise InputError(f"{board.root}: nothing that can be shown was submitted", *map(str, left_out))
    results, hidden = _published(board, found), all(entry.hidden for entry in board.entries.values())
    said: dict[str, Any] = {"title": board.title, "about": board.about, "left_out": left_out, "examples": not hidden}
    site = registry.format("site").write(results, output, registry, **said | {"home": board.shown})
    return Built(site=site, results=results, left_out=left_out)


def _scored(board: Board, one: Submission, registry: Registry) -> tuple[Result | None, str]:
    """The submission's run, or why there is none."""
    try:
        judged = judge(registry, board.named(one.task), board.source(one.task), one.given(board))
        written = write_run(judged, one.name, board.store, one.card)
    except PlmtasksError as e:
        if board.entries[one.task].hidden:  # its words may be the references'
            return None, "it cannot be scored; plmtasks score, with the references, says why"
        return None, board.told(e, one.folder)
    result = written.result
    why = _altered(store.Run(folder=result.folder, result=result), registry, deep=True) if written.there else ""
    return (None, f"its run in {result.folder.relative_to(board.root)} is {why}") if why else (result, "")


def _altered(run: store.Run, registry: Registry, *, deep: bool) -> str:
    """What of a run is not what was written."""
    wrong = [finding.what for finding in store.verify(run, registry, deep=deep) if finding.state == "altered"]
    again = "delete the folder, and it is scored again" if deep else "plmtasks results verify tells more"
    return f"altered since it was written ({', '.join(wrong[:2])}{', …' * (len(wrong) > 2)}); {again}" if wrong else ""


def _others(board: Board) -> Iterator[store.Run]:
    """The finished runs that nobody submitted."""
    for run in store.find(board.store) if board.store.exists() else ():
        if run.damage or (run.result is not None and run.result.record["model"]["ask"] != SUBMITTED):
            yield run


def _published(board: Board, found: Sequence[tuple[Result, Submission | None]]) -> list[Result]:
    """Copies of the runs as everybody may see them: nothing of where things lie here, and of hidden tasks no example.

    found: each run with what it was scored from; None: nobody submitted it
    """
    shutil.rmtree(board.shown, ignore_errors=True)
    made = []
    for result, one in found:
        hidden = board.entries[one.task].hidden if one is not None else any(entry.hidden for entry in board.entries.values())
        folder = board.shown / result.folder.relative_to(board.store)
        open_folder(folder)
        for name in ("result.json", "environment.json", "statistics.npy", *(() if hidden else EXAMPLES)):
            if (result.folder / name).is_file():
                shutil.copy2(result.folder / name, folder / name)
        said = result.config()
        shown: dict[str, Any] = {}
        if one is not None:
            words = {"card": {"fields": dict(one.card.fields), "text": one.card.text}}
            shown = {"source": {"data": one.task}, "submission": {**words, "submitted": f"{one.submitted:%Y-%m-%d}"}}
        write_text(folder / "config.json", sealed({"config": shown, "identity": said.get("identity", {})}))
        shutil.copystat(result.folder / "config.json", folder / "config.json")
        made.append(read_result(folder))
    return made
