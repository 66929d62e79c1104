"""What readers of columns share: sentences as blocks of rows, and the files of a split."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plmtasks.config import Source
from plmtasks.data import SPLIT_FILES, Dataset, open_dataset, read_lines, split_files
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example

Reader = Callable[[Path], Iterable[Example]]

GAP = re.compile(r"[ \t]+")

FORMATS = ("gold_conll", "conllup", "bio.tsv", "props", "conll")
"""How names of files end (or end before .gz); in a folder with the same split in several formats, the first."""

PATTERNS: Mapping[str, Sequence[str]] = {
    split: (*(f"*{name}*.{ending}{gz}" for ending in FORMATS for name in NAMES for gz in ("", ".gz")), *SPLIT_FILES[split])
    for split, NAMES in {"train": ("train",), "validation": ("dev", "valid"), "test": ("test",)}.items()
}

SPLIT_FOLDERS = {"train": "train", "development": "validation", "dev": "validation", "validation": "validation", "test": "test"}
"""Folder → split, where a data set has a folder of files a split, as CoNLL-2012 has."""

CONLL_2012 = ("*gold_conll", "*gold_conll.gz")


@dataclass(frozen=True, kw_only=True)
class Block:
    """The rows of one sentence."""

    path: Path
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    """The line in the file of each row, from 1."""
    comments: Mapping[str, str] = field(default_factory=dict)
    """`# name = value` lines before or within it."""

    def where(self, row: int) -> str:
        """The place of a row; behind the last, the last."""
        return f"{self.path}:{self.lines[min(row, len(self.lines) - 1)]}"

    def column(self, number: int) -> list[str]:
        """raises: DataError if a row has no such cell"""
        for i, row in enumerate(self.rows):
            if not -len(row) <= number < len(row):
                raise DataError(self.where(i), f"a column {number}", f"{len(row)} columns")
        return [row[number] for row in self.rows]

    def even(self) -> "Block":
        """This block, if all of its rows have as many cells as the first.

        raises: DataError
        """
        wanted = len(self.rows[0])
        if len(set(map(len, self.rows))) == 1:
            return self
        for i, row in enumerate(self.rows):
            if len(row) != wanted:
                first = self.where(0).rpartition(":")[2]
                raise DataError(self.where(i), f"{wanted} columns as in the sentence's first line ({first})", f"{len(row)}")
        return self


def blocks(path: Path, is_comment: Callable[[str], bool]) -> Iterator[Block]:
    """The sentences of a file: rows between lines without text. Tabs part cells; in a line without any, spaces do.

    raises: DataError
    """
    rows: list[list[str]] = []
    numbers: list[int] = []
    comments: dict[str, str] = {}
    for number, line in enumerate([*read_lines(path), ""], 1):
        if not line.strip():
            if rows:
                yield Block(path=path, rows=rows, lines=numbers, comments=comments)
                rows, numbers, comments = [], [], {}
        elif is_comment(line):
            name, equals, value = line.lstrip("# ").partition("=")
            comments |= {name.strip(): value.strip()} if equals else {}
        else:
            rows.append(line.split("\t") if "\t" in line else GAP.split(line.strip()))
            numbers.append(number)


def open_columns(source: Source, read: Reader, name: str, own: Dataset | None) -> Dataset:
    """The data set that `source` names, else the task's own; a folder may have one file a split, or folders of files.

    raises: InputError if neither is there
    """
    if not any(where is not None and _folders(where) for where in (source.data, source.train_data)):
        return open_dataset(source, read, name=name, own=own, patterns=PATTERNS)
    found = _splits(source.data) if source.data is not None else {}
    if source.train_data is not None:
        learned = _splits(source.train_data)
        found = {
            "train": learned.get("train") or next(iter(learned.values())),
            **{s: p for s, p in found.items() if s != "train"},
        }
    readers = {split: (lambda path=path: read(path)) for split, path in found.items()}
    shown = source.data or source.train_data or name
    return Dataset(name=shown, readers=readers, train_name=source.train_data)


def _splits(where: str) -> Mapping[str, Path]:
    return _folders(where) or split_files(Path(where), PATTERNS)


def _folders(where: str) -> dict[str, Path]:
    """The folder of each split, where the files lie in folders or their names tell no split; none where they tell it."""
    root = Path(where)
    files = conll_files(root) if root.is_dir() else []
    if not files or (all(file.parent == root for file in files) and _named(root)):
        return {}
    folders = {p.name: p for p in sorted(root.iterdir()) if p.is_dir()}
    found = {split: folders[name] for name, split in SPLIT_FOLDERS.items() if name in folders}
    if found:
        return found
    # one split, or `data`, a folder between
    return _folders(str(root / "data")) if set(folders) == {"data"} else {SPLIT_FOLDERS.get(root.name, "test"): root}


def _named(root: Path) -> bool:
    """Whether the names of a folder's files tell their splits."""
    try:
        return bool(split_files(root, PATTERNS))
    except InputError:
        return False


def conll_files(root: Path) -> list[Path]:
    """CoNLL-2012 files in a folder and in those below."""
    return sorted(path for pattern in CONLL_2012 for path in root.rglob(pattern))
