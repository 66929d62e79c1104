"""Tables and texts as wide as the terminal; in a pipe whole lines."""

import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

from ..errors import printable
from .documents import as_text

__all__ = ["columns", "fields", "fits", "needed", "place", "shortened", "table", "wrapped"]

ENDLESS = 1_000_000
"""Columns of what is no terminal."""

GAP = 2
"""Between the columns of a table."""

WORDS = re.compile(r"\s+|\[[-+\d., ]+\]|\S+")
"""What a text consists of; an interval is one word."""

NARROW = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027]*")
"""Texts of which each character takes one column, as most of ours: they need no library that knows the others."""

MIN_NAME = 9
"""The least of the names that something stands beside, so that several such lists are in line."""

RULE = 160
"""The most of the rule under a header, which has no end in a pipe."""

SIGNS = re.compile(r"(?<=[/_.-])(?!\d)|(?=\[)")
"""Where a name may be broken that is too long for a line: after its signs, but not within a number."""


def columns() -> int:
    """How many columns there are: what the variable COLUMNS says, else the terminal has; no end in a pipe."""
    return max(20, shutil.get_terminal_size((ENDLESS, 24)).columns)


def _length(text: str) -> int:
    """The columns that a text takes."""
    if text.isascii() or NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _widest(texts: Iterable[str]) -> int:
    return max(map(_length, texts), default=0)


def needed(header: Sequence[str], lines: Iterable[Sequence[str]]) -> int:
    """The columns that a table takes where nothing is broken."""
    widths = [_widest(cells) for cells in zip(header, *lines, strict=True)]
    return sum(widths) + GAP * (len(widths) - 1)


def fits(header: Sequence[str], lines: Iterable[Sequence[str]], firm: Collection[str]) -> bool:
    """Whether a table has room where texts are broken between words and names after their signs, and the firm columns are not."""
    least = _least([header, *lines], [name in firm for name in header])
    return sum(least) + GAP * (len(least) - 1) <= columns()


def table(
    header: Sequence[str], lines: Iterable[Sequence[str]], right: Collection[str] = (), *, firm: Collection[str] = (),
    path: bool = False,
) -> str:  # fmt: skip
    """A table, as wide as there are columns at most. Texts are broken between words, names after their signs.

    right: the columns that end at their right edge
    firm: those that are broken only where nothing else is left to break; the right ones are among them
    path: the last column has paths, which are never broken: where they have no room, each stands in a line of its own
    """
    rows = [[printable(cell) for cell in cells] for cells in (header, *lines)]
    below: list[str] = []
    if path and needed(rows[0], rows[1:]) > columns():
        below = [cells.pop() for cells in rows]
    names = rows[0][:]
    widths = _widths(rows, [name in right or name in firm for name in names])
    made = []
    for number, cells in enumerate(rows):
        broken = [_broken(cell, width) for cell, width in zip(cells, widths, strict=True)]
        for pieces in zip_longest(*broken, fillvalue=""):
            filled = [(" " * (width - _length(piece)), piece) for piece, width in zip(pieces, widths, strict=True)]
            made.append((" " * GAP).join("".join(f if n in right else f[::-1]) for n, f in zip(names, filled, strict=True)))
        if number == 0:
            made.append("─" * min(sum(widths) + GAP * (len(widths) - 1), RULE))
        elif below:
            made.append(f"  {below[number]}")
    return "".join(f"{line.rstrip()}\n" for line in made)


def _widths(rows: Sequence[Sequence[str]], firm: Sequence[bool]) -> list[int]:
    """The width of each column: what it needs, or less, where there is no room for all: the widest is made narrower."""
    widths = [_widest(column) for column in zip(*rows, strict=True)]
    for least in (_least(rows, firm), [1] * len(widths)):  # a terminal too narrow for its words breaks them
        for _ in range(sum(widths) + GAP * (len(widths) - 1) - columns()):
            if loose := [i for i, width in enumerate(widths) if width > least[i]]:
                widths[max(loose, key=widths.__getitem__)] -= 1
    return widths


def _least(rows: Sequence[Sequence[str]], firm: Sequence[bool]) -> list[int]:
    """The width of each column where no word is broken but a name, after its signs, and nothing in a firm one."""
    cells = zip(*rows, strict=True)
    return [_widest(column if f else (p for c in column for p in _pieces(c))) for f, column in zip(firm, cells, strict=True)]


def _pieces(text: str) -> list[str]:
    """The parts of a text that are best left whole; no white space."""
    return [piece for word in WORDS.findall(text) if word.strip() for piece in SIGNS.split(word) if piece]


def _broken(text: str, width: int) -> Iterator[str]:
    """The lines of a text: broken between words, within a word after its signs, and elsewhere only if it must be."""
    line = ""
    for part in WORDS.findall(text):
        if _length(line + part) <= width:
            line += part
        elif _length(part) <= width or part.isspace():
            yield line.rstrip()
            line = part.lstrip()
        else:
            from rich.cells import chop_cells

            for piece in chain.from_iterable(chop_cells(piece, width) for piece in SIGNS.split(part)):
                if line and _length(line + piece) > width:
                    yield line.rstrip()
                    line = ""
                line += piece
    yield line.rstrip()


def fields(pairs: Iterable[tuple[str, str]], indent: str = "") -> str:
    """Names with what stands beside them, broken where a line is full.

    indent: what all lines begin with
    """
    told = [(printable(name), printable(value)) for name, value in pairs]
    first = max(MIN_NAME, _widest(name for name, _ in told))
    room = max(1, columns() - len(indent) - first - GAP)
    lines = [
        f"{indent}{label}{' ' * (first + GAP - _length(label))}{line}".rstrip()
        for name, value in told
        for label, line in zip_longest([name], _broken(value, room), fillvalue="")
    ]
    return "".join(f"{line}\n" for line in lines)


def shortened(value: Any, width: int, wanted: Iterable[Any] = ()) -> str:
    """A text, or JSON, on one line of about so many characters: the part that has one of the wanted texts, else the beginning."""
    text = printable(" ".join(as_text(value).split()))
    if len(text) <= width:
        return text
    places = (text.find(one) for one in wanted if isinstance(one, str) and one)
    start = max(0, next((place for place in places if place >= 0), 0) - width // 3)
    start = start if start + width < len(text) else len(text) - width
    return "…" * (start > 0) + text[start : start + width - 1] + "…" * (start + width - 1 < len(text))


def wrapped(text: str, indent: str = "") -> str:
    """A text in lines, broken between words alone: no path is.

    indent: what all lines but the first begin with
    """
    first, *words = re.findall(r"^\s*\S*|\s+\S*", text)
    lines, width = [first], columns()
    for word in words:
        if _length(lines[-1] + word) > width:
            lines.append(indent + word.strip())
        else:
            lines[-1] += word
    return "\n".join(line.rstrip() for line in lines)


def place(what: str, path: str) -> str:
    """Where something is: on one line, or the path, which is never broken, on a line of its own."""
    line = f"{what}: {path}"
    return line if _length(line) <= columns() else f"{wrapped(f'{what}:')}\n  {path}"
