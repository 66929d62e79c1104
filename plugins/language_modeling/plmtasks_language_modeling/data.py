"""Documents, passages and prompts with their references, from files and from the hub."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from plmtasks.data import UNSPACED_LETTER, by_count, events
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.files import column, is_records, no_column, read_lines, read_records, row_aside

Rows = Iterable[tuple[str, Mapping[str, Any]]]
"""("file:line", row)"""

BLOCK_BYTES = 1500
"""About 250 English words or 500 Han characters: a document of the train split is learned in blocks of at most so many."""

HEADING = re.compile(r"\s?= (?!=).*(?<!=) =\s*")
"""The title of a WikiText article; its sections have more signs."""

SPACED_WORD = re.compile(r"\s*\S+|\s+")


# ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_documents(path: Path, columns: Mapping[str, str]) -> list[Example]:
    """A record a document, or a text file: blank lines stand between documents; without any, a line is a document.

    raises: DataError
    """
    if is_records(path):
        return list(documents(read_records(path), columns))
    lines = read_lines(path)
    paragraphs = any(not line.strip() for line in lines[1:-1])
    texts = paragraphs_of(lines) if paragraphs else [line for line in lines if line.strip()]
    return [document(str(i), text) for i, text in enumerate(texts)]


def documents(rows: Rows, columns: Mapping[str, str]) -> Iterator[Example]:
    """raises: DataError for a record without a text"""
    for number, (where, row) in enumerate(rows):
        with row_aside():
            yield document(identifier(row, columns, number), text_of(where, column(where, row, columns.get("text", "text"))))


def document(id_: str, text: str) -> Example:
    return Example(id=id_, inputs={"text": text}, cluster=id_, slices=(_size(text, (1000, 4000, 16000)),))


def _size(text: str, bounds: Sequence[int]) -> str:
    """The slice of a text's length in bytes: there are texts in any language."""
    return by_count("bytes", len(text.encode("utf-8", "surrogatepass")), bounds)


def paragraphs_of(lines: Sequence[str]) -> Iterator[str]:
    """What stands between blank lines."""
    kept: list[str] = []
    for line in (*lines, ""):
        if line.strip():
            kept.append(line)
        elif kept:
            yield "\n".join(kept)
            kept = []


def read_articles(path: Path, columns: Mapping[str, str]) -> list[Example]:
    """WikiText as published, a line a line or a record a line: an article a document.

    raises: DataError
    """
    if is_records(path):
        return articles_of_rows(read_records(path), columns)
    return articles(read_lines(path))


def articles_of_rows(rows: Rows, columns: Mapping[str, str]) -> list[Example]:
    name = columns.get("text", "text")
    return articles([str(column(where, row, name)).removesuffix("\n") for where, row in rows])


def articles(lines: Sequence[str]) -> list[Example]:
    """A document from each title to the next, as it is written but for the blank lines around it.

    A title stands between blank lines; formulas that look like one do not.
    """
    blank = [not line.strip() for line in lines]
    starts = [
        i for i, line in enumerate(lines)
        if HEADING.fullmatch(line) and (i == 0 or blank[i - 1]) and (i + 1 == len(lines) or blank[i + 1])
    ]  # fmt: skip
    bounds = [0, *(i for i in starts if i), len(lines)]
    texts = ("\n".join(lines[a:b]).strip() for a, b in pairwise(bounds))
    return [document(str(i), text) for i, text in enumerate(t for t in texts if t)]


def blocks(example: Example) -> list[Example]:
    """A document in pieces of at most `BLOCK_BYTES`, cut at white space where there is some; joined they are the document."""
    pieces = list(cut(example.inputs["text"]))
    if len(pieces) == 1:
        return [example]
    return [replace(example, id=f"{example.id}.{i}", inputs={"text": piece}) for i, piece in enumerate(pieces)]


def cut(text: str, size: int = BLOCK_BYTES) -> Iterator[str]:
    """The text in pieces of at most `size` bytes of UTF-8; a word is cut only if it alone has more."""
    kept: list[str] = []
    length = 0
    for word in SPACED_WORD.findall(text):
        for part in [word] if _bytes(word) <= size else word:
            if kept and length + _bytes(part) > size:
                yield "".join(kept)
                kept, length = [], 0
            kept.append(part)
            length += _bytes(part)
    yield "".join(kept)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


# ── passages whose last word is asked ─────────────────────────────────────────────────────────────────────────────


def read_passages(path: Path, columns: Mapping[str, str]) -> list[Example]:
    """A record or a line a passage.

    raises: DataError for a passage of one word
    """
    if is_records(path):
        return list(passages(read_records(path), columns))
    rows = ((f"{path}:{n}", {"text": line}) for n, line in enumerate(read_lines(path), 1) if line.strip())
    return list(passages(rows, {}))


def passages(rows: Rows, columns: Mapping[str, str]) -> Iterator[Example]:
    for number, (where, row) in enumerate(rows):
        with row_aside():
            text = text_of(where, column(where, row, columns.get("text", "text")))
            yield passage(identifier(row, columns, number), text, where)


def passage(id_: str, text: str, where: str) -> Example:
    before, word = split_last_word(text)
    if not before.strip():
        raise DataError(where, "at least two words", repr(text))
    return Example(id=id_, inputs={"text": text}, reference=word.strip(), slices=(_size(text, (100, 300, 1000)),))


@cache
def _last_word() -> Any:
    import regex

    return regex.compile(rf"(?V1)\s*(?:{UNSPACED_LETTER}\p{{M}}*|[\S--{UNSPACED_LETTER}]+)\s*$")


def split_last_word(text: str) -> tuple[str, str]:
    """What comes before the last word, and the word with the white space before it.

    A text of a script without spaces gives its last character. Either may be empty.
    """
    found = _last_word().search(text)
    return (text[: found.start()], found.group().rstrip()) if found else (text, "")


def sample(split: str) -> list[Example]:
    """Sentences of the built-in grammar whose last word is told before: who did it."""
    made = []
    for event in events(split):
        told = event.english()
        made.append(passage(event.id, f"{told} the {event.thing.en} was {event.verb.en} by the {event.named.en}", event.id))
    return made


# ── prompts with references ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where a row has the text to go on from, and what follows it."""

    text: tuple[str, ...]
    """The names under which published data has it; the first that is there counts."""
    references: tuple[str, ...]
    turns: tuple[str, ...] = ()
    """Columns with a whole dialogue: each turn after the first is asked for."""
    sentences: tuple[str, ...] = ()
    """Columns with one sentence each: the first is given, the others follow."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field → column, as the user says."""

    def read(self, path: Path) -> list[Example]:
        """raises: DataError, InputError"""
        return list(self.examples(read_records(path)))

    def examples(self, rows: Rows) -> Iterator[Example]:
        for number, (where, row) in enumerate(rows):
            with row_aside():
                yield from self._of(where, row, number)

    def _of(self, where: str, row: Mapping[str, Any], number: int) -> Iterator[Example]:
        id_ = identifier(row, self.columns, number)
        turns = next((name for name in self.turns if name in row), None)
        if turns is not None and not self.columns:
            yield from self._dialogue(where, id_, row[turns])
        elif self.sentences and self.sentences[0] in row and not self.columns:
            first, *others = (text_of(where, column(where, row, name)) for name in self.sentences)
            yield prompted(id_, first, [" ".join(others)])
        else:
            text, references = self._cell(where, row, "text"), self._cell(where, row, "references")
            yield prompted(id_, text_of(where, text, joined="; "), references_of(where, references))

    def _cell(self, where: str, row: Mapping[str, Any], name: str) -> Any:
        if name in self.columns:
            return column(where, row, self.columns[name])
        known: tuple[str, ...] = getattr(self, name)
        # where there are no references beside the target of training, the list is empty
        found = next((row[k] for k in known if k in row and row[k] not in ([], None)), None)
        if found is None:
            raise no_column(where, row, name, known)
        return found

    def _dialogue(self, where: str, id_: str, cell: Any) -> Iterator[Example]:
        turns = [
            t.strip() for t in (cell.splitlines() if isinstance(cell, str) else cell or []) if isinstance(t, str) and t.strip()
        ]
        if len(turns) < 2:
            raise DataError(where, "a dialogue of at least two turns", repr(cell))
        for i in range(1, len(turns)):
            yield replace(prompted(f"{id_}.{i}", "\n".join(turns[:i]), [turns[i]]), cluster=id_)


def prompted(id_: str, text: str, references: list[str]) -> Example:
    return Example(id=id_, inputs={"text": text}, reference=references, slices=(_size(text, (100, 300, 1000)),))


def together(examples: Iterable[Example]) -> list[Example]:
    """Examples that ask the same become one with all their references: a text is scored once, against what people wrote."""
    found: dict[str, Example] = {}
    for example in examples:
        text = example.inputs["text"]
        if text in found:
            example = replace(found[text], reference=[*found[text].reference, *example.reference])
        found[text] = example
    return list(found.values())


def text_of(where: str, cell: Any, joined: str | None = None) -> str:
    """A cell that is a text and not empty; a list of texts with `joined` between them.

    raises: DataError
    """
    if joined is not None and isinstance(cell, list) and cell and all(isinstance(c, str) for c in cell):
        cell = joined.join(cell)
    if not isinstance(cell, str) or not cell.strip():
        raise DataError(where, "a text that is not empty", repr(cell))
    return cell


def references_of(where: str, cell: Any) -> list[str]:
    """One reference or several.

    raises: DataError
    """
    references = cell if isinstance(cell, list) else [cell]
    if not references or not all(isinstance(r, str) and r.strip() for r in references):
        raise DataError(where, "references that are texts and not empty", repr(cell))
    return references


def identifier(row: Mapping[str, Any], columns: Mapping[str, str], number: int) -> str:
    """What the row calls itself, else its number."""
    names = [columns["id"]] if "id" in columns else ["id", "gem_id", "fname"]
    return str(next((row[name] for name in names if row.get(name) not in (None, "")), number))
