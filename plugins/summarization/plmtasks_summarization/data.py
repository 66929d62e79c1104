"""Readers of texts with their summaries: rows of a file, CNN's stories, the built-in samples."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plmtasks.data import DOCUMENT_LENGTHS, SPLIT_FILES, Dataset, by_length, hub_file, warn_flaws
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example
from plmtasks.files import column, no_column, read_lines, read_records, row_aside  # fmt: skip

from .sentences import unmarked
from .words import RougeWords

Rows = Iterable[tuple[str, Mapping[str, Any]]]
"""(where, row) pairs"""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "fname"),
    "text": ("article", "document", "dialogue", "text", "content"),
    "summary": ("highlights", "summary", "abstract", "summaries"),
}
"""Field → the names under which published files have it, the first that is there; `--columns` names any other."""

FORMATS = ("json*", "csv*", "tsv*", "parquet", "xlsx")

FILES: Mapping[str, Sequence[str]] = {
    split: [
        *(p for p in patterns if not p.startswith("*")),
        *(p.removesuffix("*") + ending for p in patterns if p.startswith("*") for ending in FORMATS),
    ]
    for split, patterns in SPLIT_FILES.items()
}
"""As everywhere, but a text that lies beside the data, such as a system's output, is no split."""

NUMBERED = re.compile(r"(summary|highlights)_?\d+")
"""Columns of several references."""

HIGHLIGHT = "@highlight"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How rows become examples."""

    language: str = "en"
    published: bool = False
    """Rows without a text or a summary, a known flaw of published data, are left out and counted, not refused."""
    topics: bool = False
    """Columns "topic", "topic1", … are slices, and rows of one text whose ids end in _1, _2, … are one example."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column, as the user says."""

    def with_columns(self, columns: Mapping[str, str]) -> "Form":
        """raises: InputError if there is no such field"""
        if unknown := next((name for name in columns if name not in COLUMNS), None):
            raise InputError(f"--columns: there is no field {unknown!r}", f"the fields are: {', '.join(COLUMNS)}")
        return replace(self, columns=columns)

    def read(self, path: Path) -> Iterator[Example]:
        """The examples of a file, or of a folder of stories.

        raises: DataError with the line; InputError if the file's name tells no known format
        """
        if path.is_dir():
            return self.read_rows(((str(p), read_story(p)) for p in sorted(path.glob("*.story"))), str(path))
        if path.suffix == ".story":
            return self.read_rows([(str(path), read_story(path))], str(path))
        return self.read_rows(read_records(path), str(path))

    def read_rows(self, rows: Rows, name: str) -> Iterator[Example]:
        """raises: DataError for a row without a text or a summary, unless the data is published"""
        examples = self._examples(rows)
        flawed = 0
        for example in _joined(examples) if self.topics else examples:
            if example.reference and example.inputs["text"]:
                yield example
            else:
                flawed += 1
        what = "no text or no summary, and"
        warn_flaws(name, flawed, f"rows have {what} are left out", f"row has {what} is left out")

    def _examples(self, rows: Rows) -> Iterator[Example]:
        for number, (where, row) in enumerate(rows):
            with row_aside():
                yield self._example(where, row, str(number))

    def _example(self, where: str, row: Mapping[str, Any], number: str) -> Example:
        id_ = self._column("id", row)
        text = self._text(where, row)
        topics = [str(v).strip() for k, v in row.items() if re.fullmatch(r"topic\d*", k) and v] if self.topics else []
        return Example(
            id=number if id_ is None else str(column(where, row, id_)), inputs={"text": text},
            reference=self._summaries(where, row),
            slices=(by_length(text, self.language, DOCUMENT_LENGTHS), *dict.fromkeys(f"topic={topic}" for topic in topics)),
        )  # fmt: skip

    def _column(self, name: str, row: Mapping[str, Any]) -> str | None:
        return self.columns.get(name) or next((known for known in COLUMNS[name] if known in row), None)

    def _cell(self, where: str, row: Mapping[str, Any], name: str) -> Any:
        found = self._column(name, row)
        if found is None:
            needed = {one: COLUMNS[one] for one in ("text", "summary") if one not in self.columns}
            raise no_column(where, row, name, COLUMNS[name], needed)
        return column(where, row, found)

    def _text(self, where: str, row: Mapping[str, Any]) -> str:
        text = self._cell(where, row, "text")
        if not isinstance(text, str) and not (self.published and text is None):
            raise DataError(where, "a text", repr(text)[:80])
        text = (text or "").strip()
        if not text and not self.published:
            raise DataError(where, "a text to summarize", "an empty one")
        return text

    def _summaries(self, where: str, row: Mapping[str, Any]) -> list[str]:
        """All references, each with a word at least."""
        numbered = sorted((k for k in row if NUMBERED.fullmatch(k)), key=lambda k: (len(k), k))
        if numbered and self._column("summary", row) is None:
            cells: Any = [row[k] for k in numbered]
        else:
            cells = self._cell(where, row, "summary")
        found = []
        for cell in cells if isinstance(cells, (list, tuple)) and cells else [cells]:
            if isinstance(cell, str) and RougeWords(self.language).any_in(unmarked(cell)):
                found.append(cell.strip())
            elif not self.published:
                foreign = isinstance(cell, str) and RougeWords("und").any_in(cell)
                hints = ["another language has another task: summarization/text-zh, summarization/text-any"] if foreign else []
                raise DataError(where, f"a summary with a word of {self.language!r} in it", repr(cell)[:80], *hints)
        return found


def _joined(examples: Iterable[Example]) -> Iterator[Example]:
    """Examples of the same text that follow one another as X_1, X_2, … as one with several references."""
    kept: Example | None = None
    for example in examples:
        stem = example.id.rpartition("_")[0]
        if kept is not None and stem and stem == kept.id.rpartition("_")[0] and kept.inputs == example.inputs:
            slices = tuple(dict.fromkeys((*kept.slices, *example.slices)))
            kept = replace(kept, reference=[*kept.reference, *example.reference], slices=slices)
            continue
        if kept is not None:
            yield kept
        kept = example
    if kept is not None:
        yield kept


def read_story(path: Path) -> dict[str, Any]:
    """A story of CNN and Daily Mail as a row: its paragraphs, and its highlights, a line each.

    raises: DataError if there is no highlight
    """
    before, *highlights = re.split(rf"^{HIGHLIGHT}\s*$", "\n".join(read_lines(path)), flags=re.MULTILINE)
    lines = [" ".join(h.split()) for h in highlights]
    if not any(lines):
        raise DataError(str(path), f"{HIGHLIGHT} with a line after it", "none")
    text = "\n".join(line.strip() for line in before.split("\n") if line.strip())
    return {"id": path.stem, "article": text, "highlights": "\n".join(line for line in lines if line)}


def story_folders(where: str | None) -> dict[str, Path]:
    """The folder of each split, where `where` is a folder of stories ("test"), or has such folders; else nothing."""
    folder = Path(where or "")
    if not where or not folder.is_dir():
        return {}
    if any(folder.glob("*.story")):
        return {"test": folder}
    inner = [f for f in sorted(folder.iterdir()) if f.is_dir() and any(f.glob("*.story"))]
    names = {split: {pattern.removesuffix(".*") for pattern in patterns} for split, patterns in SPLIT_FILES.items()}
    return {split: f for split in names for f in inner if f.name in names[split]}


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A data set on the hub: the files of each split, one after the other."""

    repo: str
    revision: str
    files: Mapping[str, Sequence[str]]

    def dataset(self, form: Form) -> Dataset:
        published = replace(form, published=True, columns={})

        def reader(split: str) -> Callable[[], Iterator[Example]]:
            return lambda: published.read_rows(self._rows(split), f"{self.repo}, split {split}")

        return Dataset(name=f"hf://{self.repo}@{self.revision}", readers={s: reader(s) for s in self.files}, published=True)

    def _rows(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in self.files[split]:
            yield from read_records(hub_file(self.repo, path, self.revision))
