"""Texts and their translations as examples: from lines of files side by side, from rows, from the built-in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.data import SPLIT_SIZES, Dataset, HubData, by_length, events, hub_dataset, warn_flaws
from plmtasks.errors import (
    DataError,
    InputError,
    counted,  # fmt: skip
)
from plmtasks.examples import Example
from plmtasks.files import column, is_records, no_column, read_lines, read_records, row_aside

from .files import references

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "source": ("source", "src"),
    "reference": ("reference", "references", "ref", "target", "tgt"),
    "document": ("document", "document_id", "docid", "doc_id"),
}
"""Field → the names under which published files have it, beside the languages' own codes."""

Item = tuple[str, str, Any, Any]
"""Where it stands, its id, the source, the reference or references."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the files of one pair of languages become examples."""

    source: str
    target: str
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column, as the user says. Of files side by side: reference → labels or files, with + between them;
    document → a file with the name of a document a line."""
    flawed: bool = False
    """It is a published data set: what has an empty side is left out and counted, not refused."""

    @property
    def pair(self) -> str:
        return f"{self.source}-{self.target}"

    def read(self, path: Path) -> list[Example]:
        """The examples of one split.

        path: a file of rows, or the source side of files side by side

        raises: DataError with the line; InputError if the translations cannot be found
        """
        name = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
        if is_records(path):
            return self.rows(read_records(path), name)
        if wrong := next((f for f in self.columns if f in ("id", "source")), None):
            raise InputError(f"{path}: a file of lines has no column for {wrong!r}", "--data names the file of the source texts")
        sources = read_lines(path)
        files = references(path, self.source, self.target, self.columns.get("reference"))
        given = [_lines(file, path, len(sources)) for file in files]
        documents = _lines(path.parent / self.columns["document"], path, len(sources)) if "document" in self.columns else None
        items = (
            (f"{path}:{number + 1}", f"{name}-{number}", source, [lines[number] for lines in given])
            for number, source in enumerate(sources)
        )
        return self.examples(items, documents, files)

    def rows(self, rows: Iterable[tuple[str, Mapping[str, Any]]], name: str) -> list[Example]:
        """Examples of (where, row) pairs.

        name: what ids begin with where rows have none
        """
        items: list[Item] = []
        documents = []
        for number, (where, row) in enumerate(rows):
            with row_aside():
                id_, document = (self._optional(where, row, f) for f in ("id", "document"))
                items.append((where, id_ or f"{name}-{number}", self._source(where, row), self._reference(where, row)))
                documents.append(document)
        return self.examples(items, documents)

    def examples(
        self, items: Iterable[Item], documents: Sequence[str | None] | None = None, files: Sequence[Path] = ()
    ) -> list[Example]:
        """Examples of what was read, checked.

        documents: one an item
        files: where each reference stands, line by line, if not where the source does

        raises: DataError for an empty source or reference
        """
        made, empty = [], 0
        for number, (where, id_, source, given) in enumerate(items):
            texts = given if isinstance(given, list) else [given]
            if self.flawed:
                texts = [text for text in texts if text and text.strip()]
                if not (texts and source and source.strip()):
                    empty += 1
                    continue
            with row_aside():
                _check(where, source, "a text to translate")
                for i, text in enumerate(texts or [None]):
                    _check(f"{files[i]}:{number + 1}" if files else where, text, "a translation")
                made.append(
                    Example(
                        id=id_, inputs={"source": source}, reference=texts, slices=(by_length(source, self.source),),
                        cluster=documents[number] if documents else None,
                    )
                )  # fmt: skip
        what = "no text on one side, and"
        warn_flaws(self.pair, empty, f"examples have {what} are left out", f"example has {what} is left out")
        return made

    def _source(self, where: str, row: Mapping[str, Any]) -> Any:
        if "source" in self.columns:
            return column(where, row, self.columns["source"])
        return self._side(where, row, "source", self.source)

    def _reference(self, where: str, row: Mapping[str, Any]) -> Any:
        if "reference" not in self.columns:
            return self._side(where, row, "reference", self.target)
        values = [column(where, row, name) for name in self.columns["reference"].split("+")]
        return [text for value in values for text in (value if isinstance(value, list) else [value])]

    def _side(self, where: str, row: Mapping[str, Any], name: str, language: str) -> Any:
        """One side of a row: by its language in `translation`, as OPUS has it, or a column."""
        both = row.get("translation")
        if isinstance(both, Mapping):
            if language not in both:
                raise DataError(where, f"a translation with {language!r}", ", ".join(both) or "none")
            return both[language]
        names = (*COLUMN_NAMES[name], language)
        there = next((n for n in names if n in row), None)
        if there is None:
            sides = {"source": self.source, "reference": self.target}
            needed = {one: (*COLUMN_NAMES[one], of) for one, of in sides.items() if one not in self.columns}
            raise no_column(where, row, name, names, needed)
        return row[there]

    def _optional(self, where: str, row: Mapping[str, Any], name: str) -> str | None:
        """What not every file has: an id, a document."""
        if name in self.columns:
            return str(column(where, row, self.columns[name]))
        return next((str(row[n]) for n in COLUMN_NAMES[name] if row.get(n) is not None), None)


def from_hub(hub: HubData, form: Form) -> Dataset:
    """A pinned data set of the hub."""
    return hub_dataset(hub, lambda rows: form.rows(rows, form.pair))


def sample(form: Form) -> Dataset:
    """Sentences of the built-in grammar, from English to Chinese or back."""

    def read(split: str) -> list[Example]:
        said = [{"id": e.id, "en": e.english(), "zh": e.chinese()} for e in events(split)]
        return form.rows(((f"sample {e['id']}", e) for e in said), split)

    return Dataset(name="built-in sample", readers={split: partial(read, split) for split in SPLIT_SIZES}, published=True)


def _lines(path: Path, beside: Path, count: int) -> list[str]:
    lines = read_lines(path)
    if len(lines) != count:
        raise DataError(str(path), f"{counted(count, 'line')}, as {beside.name} has", f"{len(lines)}")
    return lines


def _check(where: str, text: Any, what: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise DataError(where, what, "an empty one" if isinstance(text, str) else "none" if text is None else repr(text))
