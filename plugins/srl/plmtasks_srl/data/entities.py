"""Sentences with a tag a word: columns as in CoNLL-2003 and WNUT, and rows with lists as on the hub."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.data import class_names
from plmtasks.errors import DataError, InputError, counted
from plmtasks.files import column, kind_of, read_records, row_aside
from plmtasks.reading import OUTSIDE

from ..spans import SCHEMES, Where, count_misfits, is_tag, misfits, scheme_of, told
from .columns import UNKNOWN, Block, blocks, is_row
from .offsets import spans_in, tagged
from .universal import is_conllu, plain_words

LETTERS: Mapping[str, str] = {"L-": "E-", "U-": "S-", "M-": "I-", "W-": "S-"}
"""BILOU and BMES are IOBES with other letters."""

DOCUMENT = "-DOCSTART-"
"""Stands for a word between documents."""

LINES = "a word a line, its tag after a tab or spaces, and an empty line between sentences"

WORDWISE = "tags of words one by one, as parts of speech: --task tagging/pos"

NAMES: Mapping[str, Sequence[str]] = {"words": ("tokens", "words"), "tags": ("ner_tags", "tags", "labels")}
"""Field → its names in rows."""

PLAIN_NAMES = ("upos", "pos_tags", "pos", "xpos")
"""Those of parts of speech."""

RECORDS = (".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """A sentence and its tags as the file has them."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    where: Where
    before: tuple[tuple[str, ...], ...] = ()
    """The columns before that of the tags, if it comes from columns; as many as all of its lines have."""

    @property
    def lemmas(self) -> dict[int, str]:
        """None are told."""
        return {}


@dataclass(frozen=True, kw_only=True)
class TagFormat:
    """How a task's files are read."""

    tags: tuple[str, ...] = ()
    """What the numbers mean that rows may have instead of tags."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """words, tags: a column's position from 0 or -1 for the last, a row's field; scheme: IOB1, IOB2 or IOBES."""
    predicted: bool = False
    """Whether it is a system's, which may write its tags alone."""
    plain: bool = False
    """Whether a tag is any label, of its word alone: a part of speech. CoNLL-U's fourth column has them."""
    runs: bool = False
    """Whether a tag is any label, and words beside one another that have the same are a span."""

    def __post_init__(self) -> None:
        wrong = [name for name in self.columns if name not in ("words", "tags", "scheme")]
        scheme = self.columns.get("scheme", "IOB2")
        if wrong or scheme not in SCHEMES:
            said = f"{wrong[0]!r} is none of them" if wrong else f"scheme is one of {', '.join(SCHEMES)}, not {scheme!r}"
            raise InputError(f"--columns takes words, tags and scheme for a tagging task; {said}")

    def read(self, path: Path) -> list[Tagged]:
        """The sentences of a file. Tags outside of the scheme that the others are in are counted, with a warning.

        raises: DataError with the line of the first such tag where --columns names the scheme
        """
        found = list(self.read_loosely(path))
        scheme = self.columns.get("scheme")
        if self.plain:
            return found
        if scheme is None:
            count_misfits(path, [(s.tags, s.where) for s in found], scheme_of([s.tags for s in found]))
            return found
        for s in found:
            for wrong in misfits(s.tags, scheme)[:1]:
                way = "leave out scheme=…: such tags are then read as conlleval reads them, and counted"
                raise DataError(s.where(wrong), f"a tag of the scheme {scheme}", told(s.tags, wrong), way)
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
                if not (self.plain or is_tag(tag)):
                    raise DataError(sentence.where(i), "a tag: O, or B-, I-, E- or S- and a label", repr(tag), WORDWISE)
            yield sentence
        if not found:
            raise DataError(str(path), "sentences with tags", "none")

    def _columns(self, path: Path) -> Iterator[Tagged]:
        """A word a line, the tag in the last column; documents may be parted by -DOCSTART-."""
        number = 0
        first, last = (self._position(name, default) for name, default in (("words", 0), ("tags", -1)))

        def is_word(cells: Sequence[str], width: int | None) -> bool:
            """With as many columns as the other lines and a tag in its place, or a word alone, which lacks its tag."""
            if len(cells) == 1:
                return "=" not in cells[0]
            return -len(cells) <= last < len(cells) and is_row(cells, width) and is_tag(_tag(cells[last].strip()))

        universal = None if self.plain and "tags" not in self.columns else False
        for block in blocks(path, is_word):
            universal = is_conllu(block) if universal is None else universal
            if universal:
                first, last, block = 1, 3, plain_words(block)
            if block.rows[0][0] == DOCUMENT:
                block = replace(block, rows=block.rows[1:], lines=block.lines[1:])
            if not block.rows:
                continue
            if self.predicted and all(len(row) == 1 for row in block.rows):
                block = replace(block, rows=[(UNKNOWN, *row) for row in block.rows])
            for i, row in enumerate(block.rows):
                if len(row) < 2 or not -len(row) <= max(first, last, key=abs) < len(row):
                    many = counted(len(row), "column")
                    raise DataError(block.where(i), "a word and its tag in columns", many, *([LINES] if len(row) < 2 else []))
            yield Tagged(
                id=block.comments.get("sent_id", str(number)), words=tuple(block.column(first)),
                tags=tuple(self._tag(cell.strip()) for cell in block.column(last)), where=block.where,
                before=_before(block, last),
            )  # fmt: skip
            number += 1

    def _tag(self, text: str) -> str:
        return (OUTSIDE if text == UNKNOWN else text) if self.plain else _tag(text)

    def _position(self, name: str, default: int) -> int:
        text = self.columns.get(name, str(default))
        if not text.removeprefix("-").isdigit():
            raise InputError(f"--columns {name}={text}: in a file of columns this is a position, from 0, or -1 for the last")
        return int(text)

    def _rows(self, path: Path) -> Iterator[Tagged]:
        yield from self.read_rows(
            read_records(path), class_names(path, self._wanted("tags")) if kind_of(path) == ".parquet" else ()
        )

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
                named = tuple(tag if self.plain and isinstance(tag, str) else _named(where, tag, known) for tag in tags)
                if self.runs:
                    named = tuple(tag if is_tag(tag) else f"I-{tag}" for tag in named)
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

    def _wanted(self, name: str) -> Sequence[str]:
        """The names by which a row's field goes."""
        if name in self.columns:
            return (self.columns[name],)
        return (*PLAIN_NAMES, *NAMES[name]) if self.plain and name == "tags" else NAMES[name]

    def _list(self, where: str, row: Mapping[str, Any], name: str) -> Sequence[Any]:
        wanted = self._wanted(name)
        key = next((key for key in wanted if isinstance(row.get(key), list)), None)
        if key is None:
            hint = f"say which with --columns {name}=…"
            raise DataError(where, f"a list {' or '.join(map(repr, wanted))}", ", ".join(map(str, row)) or "nothing", hint)
        items: Sequence[Any] = row[key]
        return items


def _before(block: Block, last: int) -> tuple[tuple[str, ...], ...]:
    places = range(min(map(len, block.rows)))
    return tuple(tuple(block.column(c)) for c in places[:last])


def _tag(text: str) -> str:
    return LETTERS.get(text[:2], text[:2]) + text[2:]


def _everywhere(where: str, word: int) -> str:
    """A row is one place, whichever of its words is meant."""
    return where


def _named(where: str, tag: Any, names: Sequence[str]) -> str:
    if isinstance(tag, str):
        return _tag(tag)
    if isinstance(tag, int) and 0 <= tag < len(names):
        return names[tag]
    raise DataError(where, f"tags as texts{f', or numbers from 0 to {len(names) - 1}' if names else ''}", repr(tag))
