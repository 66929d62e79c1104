"""Results without what lies in their examples, for pages that must not show it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from plmtasks.results import Result
from plmtasks.tables import Board


@dataclass(frozen=True, kw_only=True, repr=False)
class Withheld(Result):
    """A result of which pages see no text, label, reference or prediction: what they do not have, they cannot show."""

    whole: Result
    """What tests are made with."""

    @property
    def data(self) -> str:
        return self.whole.data

    def predictions(self) -> Iterator[dict[str, Any]]:
        return iter(())

    def config(self) -> Mapping[str, Any]:
        """Nothing: columns, labels and their weights may stand in it."""
        return {}


def withheld(result: Result) -> Withheld:
    """The result without slices and their gaps, labels, and scores of single labels."""
    record = {name: value for name, value in result.record.items() if name not in ("slices", "groups")}
    record["task"] = {name: value for name, value in record["task"].items() if name in ("name", "version", "language")}
    scores = {m: {name: score for name, score in found.items() if "[" not in name} for m, found in record["scores"].items()}
    record["scores"] = {metric: found for metric, found in scores.items() if found}
    return Withheld(record=record, folder=result.folder, altered=result.altered, whole=result)


def withheld_board(board: Board) -> Board:
    """The same of all runs of a table."""
    rows = [replace(row, result=withheld(row.result), others=[withheld(one) for one in row.others]) for row in board.rows]
    return replace(board, rows=rows)


def whole(result: Result) -> Result:
    return result.whole if isinstance(result, Withheld) else result
