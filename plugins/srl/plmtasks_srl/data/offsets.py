"""Spans of characters, as annotation tools export them, as tags of words: doccano's, Prodigy's and spaCy's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plmtasks.data import tokens
from plmtasks.errors import DataError, counted
from plmtasks.reading import spans_to_tags

KEYS = ("label", "labels", "entities", "spans")
"""Under which they have the spans, beside "text"."""


def spans_in(row: Mapping[str, Any]) -> list[Any] | None:
    """The spans of a row that has a text and spans of its characters; None: it is another kind of row."""
    if not isinstance(row.get("text"), str):
        return None
    return next((row[key] for key in KEYS if isinstance(row.get(key), list)), None)


def tagged(where: str, text: str, spans: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The words of a text and their tags in IOB2.

    spans: [start, end, label] or objects with start (start_offset), end (end_offset) and label; characters from 0, end excluded

    raises: DataError for a span that is none, that begins or ends within a word, or that overlaps another
    """
    words = [(start, start + len(word)) for start, word in tokens(text)]
    found: list[tuple[str, int, int]] = []
    for start, end, label in sorted(_triples(where, text, spans)):
        inner = [i for i, (a, b) in enumerate(words) if a < end and b > start]
        trimmed = text[start:end].strip()
        first = start + len(text[start:end]) - len(text[start:end].lstrip())
        if not inner or (words[inner[0]][0], words[inner[-1]][1]) != (first, first + len(trimmed)):
            cut = "".join(text[words[inner[0]][0] : words[inner[-1]][1]]) if inner else ""
            raise DataError(where, "spans that begin and end with a word", f"{text[start:end]!r} within {cut!r}")
        if found and inner[0] < found[-1][2]:
            raise DataError(where, "spans that do not overlap", f"{text[start:end]!r} as {label} over another")
        found.append((label, inner[0], inner[-1] + 1))
    return [text[a:b] for a, b in words], spans_to_tags(found, len(words))


def _triples(where: str, text: str, spans: Iterable[Any]) -> Iterator[tuple[int, int, str]]:
    for span in spans:
        if isinstance(span, Mapping):
            span = [span.get("start", span.get("start_offset")), span.get("end", span.get("end_offset")), span.get("label")]
        if not (isinstance(span, list) and len(span) == 3 and _is_place(span[0]) and _is_place(span[1]) and _is_label(span[2])):
            raise DataError(where, "spans of characters: [start, end, label]", f"{span!r:.60}")
        start, end, label = span
        if not start < end <= len(text):
            raise DataError(where, f"a span within the {counted(len(text), 'character')} of its text", f"[{start}, {end}]")
        yield start, end, label


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
