"""Marks as footnotes: numbers beside the models, and what they mean below the table."""

from collections.abc import Sequence
from dataclasses import dataclass

from plmtasks.tables import Row


@dataclass(frozen=True)
class Notes:
    """The footnotes of a table."""

    numbers: dict[str, int]
    """mark → its number"""
    common: Sequence[str]
    """What holds for all rows, and stands beside none."""

    def of(self, row: Row, apart: str | None = None) -> list[tuple[int, str]]:
        """What stands beside a row's model: number and text."""
        return [(self.numbers[mark], mark) for mark in _marks(row, apart) if mark in self.numbers]


def notes(rows: Sequence[tuple[Row, str | None]]) -> Notes:
    """
    rows: each with why its table lies apart, where the table of all shows that
    """
    marks = [_marks(row, apart) for row, apart in rows]
    common = [mark for mark in marks[0] if all(mark in others for others in marks)] if len(marks) > 1 else []
    names = dict.fromkeys(mark for found in marks for mark in found if mark not in common)
    return Notes({mark: i for i, mark in enumerate(names, 1)}, common)


def _marks(row: Row, apart: str | None) -> list[str]:
    """Those that are no details, which stand beside the model as words."""
    return [*(mark for mark in row.marks if mark not in row.details), *([f"apart: {apart}"] if apart else [])]
