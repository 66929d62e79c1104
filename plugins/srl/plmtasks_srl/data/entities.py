"""Sentences with a tag a word: columns as in CoNLL-2003 and WNUT, and rows with lists as on the hub."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.data import column, counted, kind_of, read_records, row_aside
from plmtasks.errors import DataError, InputError

from ..spans import SCHEMES, Where, is_tag, misfit, scheme_of
from .columns import blocks
from .offsets import spans_in, tagged

COMMENT = re.compile(r"#+ ?[\w.]+ *= ?")
"""A line is data though it starts with #: that is a word, too."""

DOCUMENT = "-DOCSTART-"
"""Stands for a word between documents."""

NAMES: Mapping[str, Sequence[str]] = {"words": ("tokens", "words"), "tags": ("ner_tags", "tags", "labels")}
"""Field → its names in rows."""

RECORDS = (".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """A sentence and its tags as the file has them."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    where: Where


@dataclass(frozen=True, kw_only=True)
class TagFormat:
    """How a task's files are read."""

    tags: tuple[str, ...] = ()
    """What the numbers mean that rows may have instead of tags."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """words, tags: a column's position from 0 or -1 for the last, a row's field; scheme: IOB1, IOB2 or IOBES."""

    def __post_init__(self) -> None:
        wrong = [name for name in self.columns if name not in ("words", "tags", "scheme")]
        scheme = self.columns.get("scheme", "IOB2")
        if wrong or scheme not in SCHEMES:
            said = f"{wrong[0]!r} is none of them" if wrong else f"scheme is one of {', '.join(SCHEMES)}, not {scheme!r}"
            raise InputError(f"--columns takes words, tags and scheme for a tagging task; {said}")

    def read(self, path: Path) -> list[Tagged]:
        """The sentences of a file whose tags all fit its scheme.

        raises: DataError with the line of the first tag that does not
        """
        found = list(self.read_loosely(path))
        scheme = self.columns.get("scheme") or scheme_of([s.tags for s in found])
        for sentence in found:
            wrong = misfit(sentence.tags, scheme)
            if wrong is not None:
                has = repr(sentence.tags[wrong]) if wrong < len(sentence.tags) else "the sentence's end within a span"
                after = f" after {sentence.tags[wrong - 1]!r}" if wrong else ""
                raise DataError(sentence.where(wrong), f"a tag of the scheme {scheme}", has + after, "--columns scheme=…")
        return found

    def read_loosely(self, path: Path) -> Iterator[Tagged]:
        """The sentences of a file, their tags in any order.

        raises: DataError
        """
        rows = kind_of(path) in RECORDS
        found = rows  # none of them may be fit to use: that is told elsewhere
        for sentence in self._rows(path) if rows else self._columns(path):
            found = True
            for i, tag in enumerate(sentence.tags):
                if not is_tag(tag):
                    raise DataError(sentence.where(i), "a tag: O, or B-, I-, E- or S- and a label", repr(tag))
            yield sentence
        if not found:
            raise DataError(str(path), "sentences with tags", "none")

    def _columns(self, path: Path) -> Iterator[Tagged]:
        """A word a line, the tag in the last column; documents may be parted by -DOCSTART-."""
        number = 0
        for block in blocks(path, lambda line: COMMENT.match(line) is not None):
            if block.rows[0][0] == DOCUMENT:
                block = replace(block, rows=block.rows[1:], lines=block.lines[1:])
            if not block.rows:
                continue
            first, last = (self._position(name, default) for name, default in (("words", 0), ("tags", -1)))
            for i, row in enumerate(block.rows):
                if len(row) < 2 or not -len(row) <= max(first, last, key=abs) < len(row):
                    raise DataError(block.where(i), "a word and its tag in columns", f"{len(row)} columns")
            yield Tagged(
                id=block.comments.get("sent_id", str(number)), words=tuple(block.column(first)),
                tags=tuple(tag.strip() for tag in block.column(last)), where=block.where,
            )  # fmt: skip
            number += 1

    def _position(self, name: str, default: int) -> int:
        text = self.columns.get(name, str(default))
        if not text.removeprefix("-").isdigit():
            raise InputError(f"--columns {name}={text}: in a file of columns this is a position, from 0, or -1 for the last")
        return int(text)

    def _rows(self, path: Path) -> Iterator[Tagged]:
        yield from self.read_rows(read_records(path), _class_names(path) if kind_of(path) == ".parquet" else ())

    def read_rows(self, rows: Iterable[tuple[str, Mapping[str, Any]]], names: Sequence[str] = ()) -> Iterator[Tagged]:
        """Sentences of (where, row) pairs, each with a list of words and one of tags, or a text and spans of its characters.

        names: what numbers mean, if the task does not know
        """
        for number, (where, row) in enumerate(rows):
            with row_aside():
                words, tags = self._words_and_tags(where, row)
                if len(words) != len(tags):
                    raise DataError(where, f"{counted(len(words), 'tag')}, one for each word", str(len(tags)))
                known = self.tags or names
                named = tuple(_named(where, tag, known) for tag in tags)
                yield Tagged(
                    id=str(row.get("id", number)), words=tuple(map(str, words)), tags=named, where=partial(_everywhere, where)
                )  # fmt: skip

    def _words_and_tags(self, where: str, row: Mapping[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        if {"words", "tags"} <= set(self.columns):
            text, spans = (column(where, row, self.columns[name]) for name in ("words", "tags"))
            if isinstance(text, str) and isinstance(spans, list):
                return tagged(where, text, spans)
        listed = self.columns or any(isinstance(row.get(name), list) for name in NAMES["words"])
        if not listed and (spans := spans_in(row)) is not None:
            return tagged(where, row["text"], spans)
        return self._list(where, row, "words"), self._list(where, row, "tags")

    def _list(self, where: str, row: Mapping[str, Any], name: str) -> Sequence[Any]:
        wanted = (self.columns[name],) if name in self.columns else NAMES[name]
        key = next((key for key in wanted if isinstance(row.get(key), list)), None)
        if key is None:
            hint = f"say which with --columns {name}=…"
            raise DataError(where, f"a list {' or '.join(map(repr, wanted))}", ", ".join(map(str, row)) or "nothing", hint)
        items: Sequence[Any] = row[key]
        return items


def _everywhere(where: str, word: int) -> str:
    """A row is one place, whichever of its words is meant."""
    return where


def _named(where: str, tag: Any, names: Sequence[str]) -> str:
    if isinstance(tag, str):
        return tag
    if isinstance(tag, int) and 0 <= tag < len(names):
        return names[tag]
    raise DataError(where, f"tags as texts{f', or numbers from 0 to {len(names) - 1}' if names else ''}", repr(tag))


def _class_names(path: Path) -> list[str]:
    """The tags that datasets writes into the schema of a Parquet file, if it has any."""
    import json

    import pyarrow
    import pyarrow.parquet

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (pyarrow.ArrowException, OSError) as e:
        raise DataError(str(path), "a Parquet file", str(e).splitlines()[0]) from e
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    for name in NAMES["tags"]:
        feature = features.get(name, {})
        # a list of classes is spelled in two ways by different versions of datasets
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        if feature.get("names"):
            return list(feature["names"])
    return []
