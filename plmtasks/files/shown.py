"""Tables that show themselves: as text, in a notebook, and as a frame of pandas."""

import html
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, printable
from . import terminal

__all__ = ["Listed", "Shown", "Table", "with_interval"]

SHORT = 20
"""Characters of a cell that a notebook does not break: a score with its interval, a name."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table in cells, as they are read."""

    header: Sequence[str]
    lines: Sequence[Sequence[str]]
    caption: str = ""
    right: Collection[str] = ()
    """The columns that end at their right edge."""

    def __str__(self) -> str:
        caption = f"{terminal.wrapped(printable(self.caption))}\n" if self.caption else ""
        return caption + terminal.table(self.header, self.lines, self.right).rstrip("\n")

    def html(self) -> str:
        """Of a notebook's cell: text alone, whatever the cells hold; its looks are the notebook's."""

        def row(tag: str, cells: Sequence[str]) -> str:
            sides = ["right" if name in self.right else "left" for name in self.header]
            looks = [f"text-align:{s}" + ";white-space:nowrap" * (len(c) <= SHORT) for s, c in zip(sides, cells, strict=True)]
            placed = zip(looks, cells, strict=True)
            return "".join(["<tr>", *(f'<{tag} style="{look}">{_escaped(c)}</{tag}>' for look, c in placed), "</tr>"])

        caption = f'<caption style="text-align:left">{_escaped(self.caption)}</caption>' if self.caption else ""
        body = "".join(row("td", cells) for cells in self.lines)
        return f"<table>{caption}<thead>{row('th', self.header)}</thead><tbody>{body}</tbody></table>"


def _escaped(text: str) -> str:
    return html.escape(printable(text))


class Shown(ABC):
    """What a notebook shows as tables, and pandas takes as a frame."""

    @abstractmethod
    def _tables(self) -> Sequence[Table]:
        """As a person reads it."""

    @abstractmethod
    def _lines(self) -> Sequence[Mapping[str, Any]]:
        """As a program reads it: column → value."""

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self._tables()))

    def _repr_html_(self) -> str:
        return "<br>\n".join(table.html() for table in self._tables())

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of all figures.

        raises: InputError if pandas is not installed
        """
        try:
            import pandas as pd
        except ImportError as e:
            raise InputError("to_pandas() needs pandas, which is not installed", "pip install pandas") from e
        return pd.DataFrame.from_records([dict(line) for line in self._lines()])


@dataclass(frozen=True, repr=False)
class Listed(Shown):
    """A table with its figures."""

    table: Table
    lines: Sequence[Mapping[str, Any]]

    def _tables(self) -> Sequence[Table]:
        return [self.table]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        return self.lines


def with_interval(score: Mapping[str, Any]) -> str:
    """88.07 [85.8, 90.1]: a score is not shown without its interval, or the word that it has none."""
    if score["value"] is None:
        return "–"
    long, short = ("z.2f", "z.1f") if score["unit"] == "points" else ("z.4g", "z.3g")  # z: no negative zero
    interval = "no interval" if score["low"] is None else f"{score['low']:{short}}, {score['high']:{short}}"
    return f"{score['value']:{long}} [{interval}]"
