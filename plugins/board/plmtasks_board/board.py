"""A board's folder: what `board.toml` says, and the questions that are asked."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plmtasks.config import Source
from plmtasks.errors import DataError, InputError, PlmtasksError, did_you_mean
from plmtasks.examples import Example
from plmtasks.files import check, dump, open_folder, read_json_lines, read_object, read_toml, safe_name, write_text
from plmtasks.hooks import Registry
from plmtasks.task import Task, as_run

FILE = "board.toml"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What every submission must keep to."""

    submissions: int = 0
    """The most of one submitter on one task within `days`; 0: any number."""
    days: int = 7
    """How long that counts."""
    fields: tuple[str, ...] = ()
    """What the card must say in its front matter, "submitter" beside."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A task of the board."""

    task: str
    """Its name, or the path of its TOML file."""
    data: str | None = None
    """With the references; relative to the board. None: the task's own."""
    split: str | None = None
    """None: the one that is evaluated by default."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of the data, as `--columns` says them."""
    metrics: tuple[str, ...] = ()
    """Further ones, beside the task's own."""
    hidden: bool = True
    """Whether no page may show texts, references and predictions."""


@dataclass(frozen=True, kw_only=True)
class _Said:
    """The top of `board.toml`."""

    title: str = ""
    about: str = ""
    rules: Rules = field(default_factory=Rules)
    tasks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A folder to which others submit."""

    root: Path
    title: str
    about: str
    """Markdown for the first page."""
    rules: Rules
    entries: Mapping[str, Entry]

    @property
    def store(self) -> Path:
        """The runs that submissions become, references and all: for the board's owner alone."""
        return self.root / "results"

    @property
    def shown(self) -> Path:
        """The same runs as the pages may show them."""
        return self.root / ".board" / "results"

    def key(self, name: str) -> str:
        """The task that is meant: by its name on the board, or by plmtasks' name if one alone has it.

        raises: InputError
        """
        meant = [key for key, entry in self.entries.items() if entry.task == name]
        if name in self.entries or len(meant) == 1:
            return name if name in self.entries else meant[0]
        known = f"its tasks: {', '.join(self.entries)}"
        raise InputError(f"the board has no task {name!r}", *did_you_mean(name, self.entries), known)

    def task(self, key: str, registry: Registry) -> Task:
        """The task of an entry, by the words that `plmtasks run` takes.

        raises: as `Registry.task`
        """
        return registry.task(self.named(key), own_data=self.entries[key].data is not None)

    def named(self, key: str) -> str:
        """What the registry knows the task of an entry by."""
        named = self.entries[key].task
        return str(self.root / named) if named.endswith(".toml") else named

    def source(self, key: str) -> Source:
        """Where the references are."""
        entry = self.entries[key]
        there = entry.data is None or entry.data.startswith("hf://")
        return Source(data=entry.data if there else str(self.root / str(entry.data)), columns=entry.columns)

    def told(self, error: PlmtasksError, folder: Path) -> str:
        """An error of a submission as a sentence for everybody: of paths, what lies within its folder or the board's."""
        sentence = "; ".join([error.message, *error.hints])
        for where in (folder, self.root):
            sentence = re.sub(rf"(?<!\S){re.escape(str(where))}/", "", sentence)
        return sentence

    def has_references(self, key: str) -> bool:
        """Whether the data are at hand; a pull request is checked where they are not."""
        named = self.source(key).data
        return named is None or named.startswith("hf://") or Path(named).exists()

    def questions(self, key: str, registry: Registry) -> tuple[Task, Sequence[Example]]:
        """The task and its examples without references: from the data, or where they are not at hand from `questions/`.

        raises: InputError if neither is there; DataError
        """
        named = self.task(key, registry)
        if self.has_references(key):
            data = named.load(self.source(key))
            return named.bind(data), [e.hidden() for e in data[self.entries[key].split or data.default_split()]]
        asked, facts = self._asked(key), self._facts(key)
        if not asked.exists():
            raise InputError(f"{asked}: no such file", f"plmtasks board init {self.root} writes it, where the data are at hand")
        examples = []
        for where, row in read_json_lines(asked):
            check(where, row, {"id": str})
            examples.append(Example(id=row["id"], inputs={k: v for k, v in row.items() if k != "id"}))
        return as_run(named, read_object(facts)) if facts.exists() else named, examples

    def write_questions(self, key: str, registry: Registry) -> bool:
        """Brings `questions/` up to date, which everybody may read. Whether it changed.

        raises: InputError, DataError; OutputError
        """
        task, examples = self.questions(key, registry)
        lines = [
            json.dumps({"id": e.id, **{k: v for k, v in e.inputs.items() if k != "id"}}, ensure_ascii=False) for e in examples
        ]
        made = {self._asked(key): "".join(f"{line}\n" for line in lines), self._facts(key): dump(task.config())}
        open_folder(self.root / "questions")
        changed = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in changed:
            write_text(path, made[path])
        return bool(changed)

    def _asked(self, key: str) -> Path:
        return self.root / "questions" / f"{key}.jsonl"

    def _facts(self, key: str) -> Path:
        return self.root / "questions" / f"{key}.task.json"


OURS = ("questions", "submissions", "results", "hidden", "site", ".board", ".board/results")
"""What is read and written in a board's folder, and may not be a link that leads out of it."""


def read_board(root: Path, registry: Registry) -> Board:
    """A board, which a stranger may have made.

    raises: InputError if there is none, or it names what is not installed or runs other code; DataError with file and line for
        what `board.toml` may not say, and for what leads out of the folder
    """
    file = read_toml(root / FILE, f"plmtasks board init {root} --task T --data PATH makes a board")
    said = file.table(_Said, file.content)
    if not said.tasks:
        raise DataError(str(file.path), "a task: [tasks.NAME]", "none")
    entries = {}
    for key, table in said.tasks.items():
        if key != safe_name(key):
            raise DataError(file.where("tasks", key), "a name of letters, digits, dots, hyphens and low lines", repr(key))
        entries[key] = file.table(Entry, table, "tasks", key)
        where = file.where("tasks", key)
        if not entries[key].task.endswith(".toml"):
            registry.named("task", entries[key].task, where)
        for metric in entries[key].metrics:
            registry.named("metric", metric, where)
        for path in (entries[key].data or "", entries[key].task):
            outside = not (root / path).resolve().is_relative_to(root.resolve())
            if outside and not path.startswith("hf://"):
                raise DataError(file.where("tasks", key), "data and tasks within the board's folder", repr(path))
    if link := next((root / name for name in OURS if (root / name).is_symlink()), None):
        raise DataError(str(link), "a folder", "a link")
    return Board(root=root, title=said.title, about=said.about, rules=said.rules, entries=entries)
