"""What readers of columns share: sentences as blocks of rows, and the files of a split."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from plmtasks.config import Source
from plmtasks.data import SPLIT_FILES, Dataset, open_dataset, split_files
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example
from plmtasks.files import read_lines

Reader = Callable[[Path], Iterable[Example]]

GAP = re.compile(r"[ \t]+")

UNKNOWN = "_"
"""Stands for each word where a file has roles or tags without words."""

OPENING = re.compile(r"#+ ?(sent_id|newdoc|newpar|begin document)\b")
"""A comment that stands before a sentence, never within it."""

WITHIN = re.compile(r"#end\b|#+ ?[\w.:-]+ *=")
"""A comment that may stand behind a word."""

FORMATS = ("gold_conll", "conllup", "bio.tsv", "props", "conll", "conllu")
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
    """`# name = value` lines before it or within it."""

    @property
    def name(self) -> str:
        """The name that a comment gives the sentence, behind an equals sign; nothing: none does."""
        return f"={self.comments['sent_id']}" if "sent_id" in self.comments else ""

    def where(self, row: int) -> str:
        """The place of a row; behind the last, the last."""
        return f"{self.path}:{self.lines[min(row, len(self.lines) - 1)]}"

    def column(self, number: int) -> list[str]:
        """raises: DataError if a row has no such cell"""
        for i, row in enumerate(self.rows):
            if not -len(row) <= number < len(row):
                raise DataError(self.where(i), f"a column {number}", f"{len(row)} columns")
        return [row[number] for row in self.rows]

    def even(self, least: int = 1) -> "Block":
        """This block, if all of its rows have as many cells as the first, and at least so many.

        raises: DataError
        """
        wanted = len(self.rows[0])
        if wanted < least:
            raise DataError(self.where(0), f"at least {least} columns", str(wanted))
        if len(set(map(len, self.rows))) == 1:
            return self
        for i, row in enumerate(self.rows):
            if len(row) != wanted:
                first = self.where(0).rpartition(":")[2]
                raise DataError(self.where(i), f"{wanted} columns as in the sentence's first line ({first})", f"{len(row)}")
        return self

    def counted(self, column: int) -> int:
        """How many numbers are left out where a column counts the words from 0 or 1.

        raises: DataError where it goes back, as where an empty line is missing between two sentences
        """
        numbers = self.column(column)
        left_out, before = 0, -1
        for i, cell in enumerate(numbers):
            if not (cell.isascii() and cell.isdigit() and len(cell) < 10) or int(cell) <= before or (i == 0 and int(cell) > 1):
                expected = f"the word's number in column {column + 1}: {before + 1 if i else '0 or 1'}"
                way = "an empty line stands between two sentences"
                raise DataError(self.where(i), expected, repr(cell), way)
            left_out += int(cell) - before - 1 if i else 0
            before = int(cell)
        return left_out


IsWord = Callable[[Sequence[str], int | None], bool]
"""Whether the cells of a line that begins with # are a word's; with the number of cells that its sentence's other lines have."""


def blocks(path: Path, is_word: IsWord = lambda cells, width: False) -> Iterator[Block]:
    """The sentences of a file: rows between lines without text. Tabs part cells; in a line without any, spaces do.

    is_word: other lines that begin with # are comments; by default all are, as in formats whose first column is a number

    raises: DataError
    """
    group: list[tuple[int, str]] = []
    before: Mapping[str, str] = {}  # comments with no sentence behind them yet
    for number, line in enumerate([*read_lines(path), ""], 1):
        if line.strip():
            group.append((number, line))
        elif group:
            block = _block(path, group, is_word)
            comments, group = {**before, **block.comments}, []
            before = {} if block.rows else comments
            if block.rows:
                yield replace(block, comments=comments)


def _block(path: Path, group: Sequence[tuple[int, str]], is_word: IsWord) -> Block:
    """raises: DataError if a comment tells that an empty line is missing"""
    width = next((len(cells(line)) for _, line in group if not line.startswith("#")), None)
    rows: list[Sequence[str]] = []
    numbers: list[int] = []
    comments: dict[str, str] = {}
    for number, line in group:
        if not line.startswith("#") or is_word(cells(line), width):
            rows.append(cells(line))
            numbers.append(number)
            continue
        if rows and OPENING.match(line):
            raise DataError(f"{path}:{number}", "an empty line between two sentences", f"{line[:60]!r} behind a word")
        if rows and not WITHIN.match(line):
            raise DataError(f"{path}:{number}", f"{len(rows[0])} columns, or a comment before the sentence", repr(line[:60]))
        name, equals, value = line.lstrip("# ").partition("=")
        comments |= {name.strip(): value.strip()} if equals else {}
    return Block(path=path, rows=rows, lines=numbers, comments=comments)


def is_row(cells: Sequence[str], width: int | None) -> bool:
    """Whether cells are as many as those of the other lines, and no `# name = value`."""
    return width in (None, len(cells)) and "=" not in cells[1:3]


def cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else GAP.split(line.strip(" "))


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
