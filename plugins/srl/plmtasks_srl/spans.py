"""Labelled spans of words, and the ways to write them in columns: tags and brackets."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from plmtasks.data import warn_flaws
from plmtasks.errors import DataError
from plmtasks.reading import OUTSIDE, WordSpan

Where = Callable[[int], str]
"""The place in a file ("file:line") of a word of a sentence."""


def spans_of(value: Iterable[Sequence[Any]]) -> tuple[WordSpan, ...]:
    """Spans from their JSON form, lists of label, start and end."""
    return tuple(WordSpan(*item) for item in value)


def plain(spans: Iterable[WordSpan]) -> list[list[Any]]:
    """The JSON form of spans, in the order of the words."""
    return [list(span) for span in sorted(spans, key=lambda s: (s.start, s.end, s.label))]


def find_flaw(spans: Iterable[WordSpan], length: int) -> str | None:
    """What keeps these from being disjoint spans of `length` words; None: nothing."""
    taken: set[int] = set()
    for span in spans:
        if not (0 <= span.start < span.end <= length):
            return f"{list(span)} in a sentence of {length} words"
        words = set(range(span.start, span.end))
        if words & taken:
            return f"{list(span)}, which overlaps another"
        taken |= words
    return None


# ── tags ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SCHEMES = ("IOB1", "IOB2", "IOBES")


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme that the fewest tags are outside of; IOB2 before IOB1, and IOBES only where a tag begins with E- or S-."""
    sentences = list(sentences)
    ended = any(tag.startswith(("E-", "S-")) for tags in sentences for tag in tags)
    known = ("IOB2", "IOB1", "IOBES") if ended else ("IOB2", "IOB1")
    return min(known, key=lambda scheme: sum(len(misfits(tags, scheme)) for tags in sentences))


def misfits(tags: Sequence[str], scheme: str) -> list[int]:
    """The positions of the tags outside the scheme, the number of tags among them if the end cuts a span."""
    wrong, before = [], OUTSIDE
    for i, tag in enumerate([*tags, OUTSIDE]):
        if not (tag == before == OUTSIDE) and not (is_tag(tag) and _fits(before, tag, scheme)):
            wrong.append(i)
        before = tag
    return wrong


def count_misfits(path: Path, sentences: Iterable[tuple[Sequence[str], Where]], scheme: str) -> None:
    """Warns of tags outside the scheme, which are read all the same: published data have a few."""
    found = [(tags, where, i) for tags, where in sentences for i in misfits(tags, scheme)]
    if found:
        tags, where, i = found[0]
        what = f"tags do not fit {scheme}, and are read as conlleval reads them; the first: {where(i)}, {told(tags, i)}"
        warn_flaws(str(path), len(found), what)


def told(tags: Sequence[str], position: int) -> str:
    """A tag and the one before it, for a message."""
    has = repr(tags[position]) if position < len(tags) else "the sentence's end within a span"
    return f"{has} after {tags[position - 1]!r}" if position else f"{has} at the sentence's start"


def is_tag(text: str) -> bool:
    """Whether it is O, or one of the letters of the schemes with a label."""
    return text == OUTSIDE or (text[:2] in ("B-", "I-", "E-", "S-") and len(text) > 2)


def _fits(before: str, tag: str, scheme: str) -> bool:
    continues = before[:1] in ("B", "I") and before[2:] == tag[2:]
    if scheme == "IOBES":
        return continues and tag[0] in "IE" if before[0] in "BI" else tag[0] in "OBS"
    bound, free = ("B", "OI") if scheme == "IOB1" else ("I", "OB")
    return tag[0] in free or (tag[0] == bound and continues)


# ── brackets ──────────────────────────────────────────────────────────────────────────────────────────────────────

CELL = re.compile(r"((?:\([^()*]+)*)\*((?:[^()*]*\))*)")
"""What opens at a word, a star for the word, what closes after it; a closing bracket may repeat the label."""


def write_brackets(spans: Iterable[WordSpan], length: int) -> list[str]:
    """One cell a word, as in CoNLL-2005 and 2012: `(ARG1*`, `*`, `*)`."""
    cells = ["*"] * length
    for label, start, end in spans:
        cells[start] = f"({label}{cells[start]}"
        cells[end - 1] += ")"
    return cells


def read_brackets(cells: Sequence[str], where: Where) -> list[WordSpan]:
    """The spans of a column of brackets; they may lie within one another.

    raises: DataError where a cell has another form or the brackets do not match
    """
    spans: list[WordSpan] = []
    opened: list[tuple[str, int]] = []
    for i, cell in enumerate(cells):
        if cell == "*":
            continue
        match = CELL.fullmatch(cell)
        if match is None:
            raise DataError(where(i), "a role's brackets: (LABEL*, *, *) or (LABEL*)", repr(cell))
        opened += [(label, i) for label in match[1].split("(")[1:]]
        for named in match[2].split(")")[:-1]:
            if not opened:
                raise DataError(where(i), "a closing bracket for each that was opened", f"{cell!r}, which closes none")
            label, start = opened.pop()
            if named not in ("", label):
                raise DataError(where(i), f"the bracket of {label} to be closed", repr(cell))
            spans.append(WordSpan(label, start, i + 1))
    if opened:
        label, start = opened[-1]
        raise DataError(where(start), "brackets that are closed within the sentence", f"({label}* open at its end")
    return sorted(spans, key=lambda s: (s.start, -s.end))
