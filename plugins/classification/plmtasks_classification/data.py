"""Rows of the files and hub data sets of text classification, read as examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.data import (
    SPLIT_SIZES,
    Cell,
    Dataset,
    HubData,
    by_length,
    check_reading,
    events,
    hub_file,
    labels_named,
    settle,
    split_files,
)
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example
from plmtasks.files import column, kind_of, no_column, read_lines, read_records, read_table, row_aside  # fmt: skip

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "sentence", "text_a", "sentence1", "#1 String"),
    "text_pair": ("text_pair", "text_b", "sentence2", "#2 String"),
    "label": ("label", "labels", "Quality"),
    "id": ("id",),
}
"""Field → the names under which published files have it; `--columns` names any other."""


SLICE_COLUMNS = ("language", "domain", "genre")
"""Columns that slice the examples, where a file has them."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the rows of a data set become examples.

    A label cell may hold a label's word, its number among the labels, or one of `codes`; for several labels a list,
    or such cells with commas between. A file `labels.txt` beside the data, one word a line, says what numbers mean there.
    """

    labels: tuple[str, ...] = ()
    """The label words in the order of their numbers; empty: whatever words the data has."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """What else stands for a label in a file → its word."""
    multi_label: bool | None = False
    """None: whether the first row's label is a list."""
    language: str = "en"
    pair: bool | None = False
    """Whether there is a second text; None: if there is a column for it."""
    headerless: tuple[str, ...] = ()
    """The columns of a tab-separated file without header, where the data set was published so."""
    id_columns: tuple[str, ...] = COLUMN_NAMES["id"]
    """Joined they are the id; without them it is the split and the position in it."""
    hidden: Any = None
    """What stands for a label that is not public: -1."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column, as the user says; label_is: how the label's column tells which label it is."""

    def with_columns(self, columns: Mapping[str, str]) -> "Format":
        """raises: InputError if there is no such field"""
        for name in columns:
            if name not in (*COLUMN_NAMES, "label_is"):
                raise InputError(f"--columns: there is no field {name!r}", f"the fields are: {', '.join(COLUMN_NAMES)}, label_is")
        check_reading(columns.get("label_is", ""), "--columns label_is")
        return replace(self, columns=columns)

    def read(self, path: Path) -> Iterator[Example]:
        """The examples of one file. Where labels are known, references are cells yet, which `settled` reads together.

        raises: DataError with the line; InputError if the file's name tells no known format
        """
        [split] = split_files(path)
        labels = self._in_order(path)
        seen: dict[str, str] = {}
        many = self.multi_label
        for number, (where, row) in enumerate(self._rows(path)):
            with row_aside():
                cell = self._cell(where, row, "label")
                many = isinstance(cell, (list, tuple)) if many is None else many
                undisclosed = self.hidden is not None and str(cell).strip() == str(self.hidden)
                read = self._several if many else self._one
                reference = None if undisclosed else read(where, cell, labels)
                id_ = self._id(where, row) or f"{split}-{number}"
                if id_ in seen:
                    raise DataError(where, "each id once", f"{id_!r} again", f"first at {seen[id_]}")
                texts = {name: text for name in ("text", "text_pair") if (text := self._text(where, row, name)) is not None}
                seen[id_] = where
                yield Example(
                    id=id_,
                    inputs=texts,
                    reference=reference,
                    slices=(*self._slices(row, texts), *label_slices(reference)),
                    undisclosed=undisclosed,
                )

    def settled(self, data: Dataset) -> Dataset:
        """The data set that this form read, with the labels that the cells of all its rows mean."""
        return settle(data, "label", self.columns.get("label_is", ""), _with_labels)

    def _slices(self, row: Mapping[str, Any], texts: Mapping[str, str]) -> Iterator[str]:
        """By length, of a pair that of both, and by what the row tells besides."""
        yield by_length(" ".join(texts.values()), self.language)
        for name in SLICE_COLUMNS:
            if isinstance(value := row.get(name), str) and value.strip() and name not in self.columns.values():
                yield f"{name}={value.strip()}"

    def _rows(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.headerless and not self.columns and kind_of(path) in (".tsv", ".txt"):
            first = set(next(iter(read_lines(path)), "").split("\t"))
            if not any(first.intersection(names) for names in COLUMN_NAMES.values()):
                return read_table(path, header=self.headerless)
        return read_records(path)

    def _cell(self, where: str, row: Mapping[str, Any], name: str) -> Any:
        if name in self.columns:
            return column(where, row, self.columns[name])
        for known in COLUMN_NAMES[name]:
            if known in row:
                return row[known]
        needed = [one for one in ("text", "text_pair", "label") if one not in self.columns and (one != "text_pair" or self.pair)]
        raise no_column(where, row, name, COLUMN_NAMES[name], {one: COLUMN_NAMES[one] for one in needed})

    def _text(self, where: str, row: Mapping[str, Any], name: str) -> str | None:
        if name == "text_pair" and name not in self.columns:
            there = next((known for known in COLUMN_NAMES[name] if known in row), None)
            if self.pair is False and there and "text" not in self.columns:
                raise DataError(
                    where, "one text a row", f"a pair (column {there!r})", "say which text it is with --columns text=COLUMN"
                )
            if self.pair is False or (self.pair is None and not there):
                return None
        text = self._cell(where, row, name)
        if not isinstance(text, str):
            raise DataError(where, f"text as the {name}", repr(text))
        return text

    def _id(self, where: str, row: Mapping[str, Any]) -> str | None:
        if "id" in self.columns:
            return str(column(where, row, self.columns["id"]))
        return "-".join(str(row[c]) for c in self.id_columns) if all(c in row for c in self.id_columns) else None

    def _one(self, where: str, cell: Any, labels: Sequence[str]) -> str | Cell:
        if cell is None or isinstance(cell, (list, tuple, dict)) or not str(cell).strip():
            raise DataError(where, "one label", "none" if cell in (None, "") else repr(cell))
        return self.cell(where, cell, labels) if labels else " ".join(str(cell).split())

    def cell(self, where: str, value: Any, labels: Sequence[str]) -> Cell:
        """A value that means one of the labels."""
        return Cell(where=where, value=value, candidates=labels, words={c: labels.index(name) for c, name in self.codes.items()})

    def _in_order(self, path: Path) -> Sequence[str]:
        """The labels in the order of the file's numbers; none: whatever words are there.

        raises: DataError if a file `labels.txt` names others than the task has
        """
        if not self.labels:
            return labels_named(path, (self.columns.get("label", ""), *COLUMN_NAMES["label"]))
        named = labels_named(path, ())
        if named and set(named) != set(self.labels):
            raise DataError(str(path.parent / "labels.txt"), f"the labels {', '.join(self.labels)}", ", ".join(named)[:200])
        return named or self.labels

    def _several(self, where: str, cell: Any, labels: Sequence[str]) -> list[Any]:
        if isinstance(cell, str) and labels:
            cell = cell.split(",") if cell.strip() else []
        if not isinstance(cell, (list, tuple)):
            raise DataError(where, "a list of labels", repr(cell))
        found = [self._one(where, item, labels) for item in cell]
        return found if labels else sorted(set(found))


def label_slices(reference: Any) -> tuple[str, ...]:
    """One for each label that is told."""
    return tuple(
        f"label={label}" for label in (reference if isinstance(reference, list) else [reference]) if isinstance(label, str)
    )


def _with_labels(example: Example, positions: Sequence[int]) -> Example:
    """The example with the labels at these positions as its reference."""
    cells = example.reference if isinstance(example.reference, list) else [example.reference]
    labels = [cell.candidates[at] for cell, at in zip(cells, positions, strict=True)]
    reference = sorted(set(labels)) if isinstance(example.reference, list) else labels[0]
    return example.told(reference, (*example.slices, *label_slices(reference)))


def from_hub(hub: HubData, form: Format) -> Dataset:
    """A pinned data set of the hub; each split is fetched when it is first asked for."""

    def read(file: str) -> Iterator[Example]:
        return form.read(hub_file(hub.repo, file, hub.revision))

    readers = {split: partial(read, file) for split, file in hub.files.items()}
    return Dataset(name=f"hf://{hub.repo}@{hub.revision}", readers=readers, published=True)


def sample() -> Dataset:
    """Sentences of the built-in grammar; the manner tells the sentiment."""

    def read(split: str) -> Iterator[Example]:
        for event in events(split):
            yield Example(
                id=event.id, inputs={"text": event.english()}, reference=event.sentiment, slices=(f"label={event.sentiment}",)
            )  # fmt: skip

    return Dataset(name="built-in sample", readers={split: partial(read, split) for split in SPLIT_SIZES})
