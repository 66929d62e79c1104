"""Folders of runs: what is in them, merged, and tidied."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from ..errors import DataError, InputError, OutputError
from ..execution import environment
from ..files import Held, Shape, as_object, claim, create_bytes, files_of, here, holder, listing, place, reached, read_text
from ..results import CONFIG, ENVIRONMENT, FILES, READ_TOGETHER, Result, is_part, part, run_folder, stored

IDENTITY = re.compile("[0-9a-f]{32}")

FOLDER = re.compile(rf"{IDENTITY.pattern}(@[0-9a-f]{{8}})?")
"""The name of a run's folder: its identity, and the class of machine where another class has the plain name."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run's folder, finished or not."""

    folder: Path
    result: Result | None
    """None: it is not finished, or cannot be read."""
    damage: DataError | None = None
    """Why the result cannot be read."""
    held: Held | None = None
    """What was read of its files together with those of others."""

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """`config.json`: "config", what was asked, and "identity", its parts; empty if there is none."""
        return self._json("config.json", CONFIG)

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """`environment.json`; empty if there is none."""
        return self._json("environment.json", ENVIRONMENT)

    def _json(self, name: str, shape: Shape) -> Mapping[str, Any]:
        try:
            text = (self.held and self.held.text(name)) or read_text(part(self.folder, name))
            return as_object(self.folder / name, text, shape)
        except (FileNotFoundError, DataError):
            return {}

    @cached_property
    def files(self) -> dict[str, int]:
        """Each file's bytes by its path within the folder; of what else lies there nothing is a part of a run."""
        return _files(self.folder) if self.held is None else _parts_of(self.held.sizes())

    @property
    def task(self) -> str:
        return self._named("task")

    @property
    def model(self) -> str:
        return self._named("model")

    def _named(self, what: str) -> str:
        told = self.result.record if self.result else self.config.get("identity", {})
        return str(told.get(what, {}).get("name", "?"))

    @property
    def state(self) -> Literal["finished", "unfinished", "damaged"]:
        return "damaged" if self.damage else "finished" if self.result else "unfinished"

    @property
    def bytes(self) -> int:
        return sum(self.files.values())

    @property
    def machine(self) -> str:
        """The class of machine that it was run on: 8 digits."""
        return environment.class_of(self.environment)


def _files(folder: Path) -> dict[str, int]:
    if here(folder):
        found = {}
        for name in sorted([*FILES, *(f"journal/{path.name}" for path in (folder / "journal").glob("*.jsonl"))]):
            with suppress(FileNotFoundError):
                found[name] = part(folder, name).stat().st_size
        return found
    return _parts_of({name: one.size for name, one in listing(folder).items()})


def _parts_of(sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in sorted(sizes.items()) if is_part(name)}


def find(address: str | Path, task: str | None = None, model: str | None = None) -> list[Run]:
    """The runs at or below a path or an address, in the order of their folders.

    task, model: names, in which `*` stands for anything; "qa" means all tasks that begin with "qa/"

    raises: InputError if there is no such place
    """
    root = place(address)
    with reached(root):
        if not root.exists():
            raise InputError(f"{address}: no such file or folder")
        if root.is_file():
            root = root.parent
        files = files_of(root, *READ_TOGETHER)
        finished, begun = files["result.json"], files["config.json"]
        held = finished | {file: held for file, held in begun.items() if FOLDER.fullmatch(file.parent.name)}
        folders = {file.parent: one for file, one in held.items()}
        found = [_open(folder, folders[folder]) for folder in sorted(folders)]
    runs = [run for run in found if run.state != "unfinished" or {"config", "identity"} <= run.config.keys()]
    tasks, models = ("*",) if task is None else (task, f"{task}/*"), "*" if model is None else model
    return [run for run in runs if any(fnmatchcase(run.task, one) for one in tasks) and fnmatchcase(run.model, models)]


def _open(folder: Path, held: Held | None) -> Run:
    try:
        return Run(folder=folder, result=stored(folder, held), held=held)
    except DataError as e:
        return Run(folder=folder, result=None, damage=e, held=held)


# ── merging ───────────────────────────────────────────────────────────────────────────────────────────────────────


MERGING = ".merging"
"""In a folder into which a run is being copied: the SHA-256 of its result.json."""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of one run."""

    folder: Path
    into: Path | None
    """None: it was left out."""
    what: Literal["copied", "beside", "there", "left out"]
    """beside: of another class of machine than the run that has the plain name; there: the same bytes were there already"""
    why: str = ""


def merge(sources: Iterable[str | Path], into: str | Path) -> Iterator[Merged]:
    """Copies the finished runs of some stores into another, one after the other.

    Nothing is overwritten, and a folder's `result.json` is copied last: what was interrupted can be repeated. Only the files
    that a run writes are copied, and nothing is written outside of the store.

    raises: InputError if a place is not there; OutputError
    """
    runs = [run for source in sources for run in find(source)]
    return (_merge(run, place(into)) for run in runs)


def _merge(run: Run, into: Path) -> Merged:
    with reached(into):
        return _merged(run, into)


def _merged(run: Run, into: Path) -> Merged:
    left_out = _unfit(run)
    if left_out or run.result is None:
        return Merged(folder=run.folder, into=None, what="left out", why=left_out)
    content = part(run.folder, "result.json").read_bytes()
    plain = run_folder(into, run.task, run.model, run.result.identity)
    beside = plain.with_name(f"{plain.name}@{run.machine}")
    for folder, what in ((plain, "copied"), (beside, "beside")):
        other = folder / "result.json"
        if other.exists() and other.read_bytes() == content:
            return Merged(folder=run.folder, into=folder, what="there")
        if not other.exists() and _copied(run, folder, content):
            return Merged(folder=run.folder, into=folder, what=cast(Any, what))
        if other.exists() and Run(folder=folder, result=None).machine == run.machine:
            break
    why = f"{folder} is of the same identity and class of machine, and has other bytes: plmtasks results verify"
    return Merged(folder=run.folder, into=None, what="left out", why=why)


def _unfit(run: Run) -> str:
    """Why a run is not to be merged; empty if it is."""
    if run.result is None:
        return run.damage.message if run.damage else "not finished"
    if not IDENTITY.fullmatch(run.result.identity):
        return f"its identity is none: {run.result.identity!r:.80}"
    altered = [name for name, written, found in run.result.hashes() if found != written]
    return f"altered since it was run: {', '.join(altered)}" if altered else ""


def _copied(run: Run, folder: Path, content: bytes) -> bool:
    """Whether it is: not into a folder that holds anything else, but into one that a merge that was interrupted left.

    content: of its result.json
    """
    there = _files(folder) if folder.exists() else {}
    held = there.items() <= run.files.items()
    if not held or any((folder / name).read_bytes() != part(run.folder, name).read_bytes() for name in there):
        return False
    # of several merges at once that bring other bytes, one alone has the folder
    if not _placed(marker := folder / MERGING, hashlib.sha256(content).hexdigest().encode()):
        return False
    names = sorted(run.files.keys() - there.keys(), key=lambda name: (name == "result.json", name))
    last = folder / "result.json"  # of a merge that was done before the folder was this one's
    whole = (not last.exists() or last.read_bytes() == content) and all(
        _placed(folder / name, part(run.folder, name).read_bytes()) for name in names
    )
    marker.unlink(missing_ok=True)
    return whole


def _placed(path: Path, content: bytes) -> bool:
    """Whether the file has this content: it is created, or was there.

    raises: OutputError
    """
    try:
        with reached(path):
            while not create_bytes(path, content):
                with suppress(FileNotFoundError):  # the mark of a merge that is done by now
                    return path.read_bytes() == content
            return True
    except InputError as e:
        raise OutputError(f"{path}: cannot be written: {e.__cause__}", "merge into another folder") from e


# ── tidying ───────────────────────────────────────────────────────────────────────────────────────────────────────

Kind = Literal["unfinished", "superseded", "journals"]


@dataclass(frozen=True, kw_only=True)
class Waste:
    """A folder that could go."""

    kind: Kind
    folder: Path
    """Of a run, or of its journal."""
    bytes: int
    why: str


def waste(address: str | Path, kinds: Sequence[Kind]) -> list[Waste]:
    """What could be deleted below an address; a folder comes once.

    raises: InputError if there is no such place
    """
    runs, newest, found = find(address), dict[str, Run](), []
    for run in sorted((run for run in runs if run.result), key=_versions, reverse=True):
        newest.setdefault(_asked(run), run)
    for run in runs:
        later, answers = newest.get(_asked(run)), sum(n for name, n in run.files.items() if name.startswith("journal/"))
        if run.state == "unfinished" and "unfinished" in kinds and not _busy(run):
            why = f"not finished; its command would go on from {answers:,} bytes of answers" if answers else "not finished"
            found.append(Waste(kind="unfinished", folder=run.folder, bytes=run.bytes, why=why))
        elif run.result and "superseded" in kinds and later is not None and _versions(run) < _versions(later):
            why = f"run again with later versions: {later.folder}"
            found.append(Waste(kind="superseded", folder=run.folder, bytes=run.bytes, why=why))
        elif run.result and "journals" in kinds and answers:
            why = "its run is finished; `verify --deep` reads it"
            found.append(Waste(kind="journals", folder=run.folder / "journal", bytes=answers, why=why))
    return found


def delete(waste: Waste) -> None:
    """Deletes the folder, and the folders above that it leaves empty.

    raises: OutputError
    """
    folder = waste.folder
    if not here(folder):
        there = cast(Any, folder)
        with reached(folder):
            there.fs.rm(there.path, recursive=True)
        return
    try:
        shutil.rmtree(folder)
        for above in list(folder.parents)[:3] if waste.kind != "journals" else ():
            if any(above.iterdir()):
                break
            above.rmdir()
    except OSError as e:
        raise OutputError(f"{folder}: cannot be deleted: {e.strerror}") from e


def _busy(run: Run) -> bool:
    """Whether a process is at the run."""
    last = holder(run.folder)
    if last is None:
        return False
    try:
        with claim(run.folder, "run"):
            return False
    except OutputError:
        return True


def _asked(run: Run) -> str:
    """What was asked, whatever the versions of the code that answered, the machine, and where things lay."""
    config, parts = run.config.get("config", {}), run.config.get("identity", {})
    where = ("output", "checkpoints", "source", "predictions_of", "processes", "on", "retry_oom", "yes", "quiet")
    followed = {k: v for k, v in parts.get("predictions_of", {}).items() if k != "identity"}
    asked = {k: v for k, v in config.items() if k not in where}
    return json.dumps([asked, parts.get("data"), followed, *_weights(parts)], sort_keys=True)


def _weights(parts: Mapping[str, Any]) -> tuple[Any, Any]:
    """The model without its version; of one that learned on the way what it started from, and what from."""
    model, trained = parts.get("model", {}), parts.get("trained", {})
    on_the_way = trained and trained.get("model") == model.get("name")
    starts = trained["parts"]["start"] if on_the_way else [model]
    learned = [dataset["data"] for dataset in trained["parts"]["learned"]] if on_the_way else []
    return [{k: v for k, v in start.items() if k != "version"} for start in starts], learned


def _versions(run: Run) -> tuple[int, ...]:
    parts = run.config.get("identity", {})
    numbers = [parts.get("format"), *(parts.get(part, {}).get("version") for part in ("task", "model"))]
    return tuple(number if isinstance(number, int) else 0 for number in numbers)
