"""Which columns a table has beside the score that ranks, and which of them are folded away at first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plmtasks.tables import COSTS, Board, label, shown_scores

AT_FIRST = 4
"""Other scores that a table shows unless somebody chooses."""
MOST = 20
"""Other scores that a table offers; further ones are on the runs' pages."""

SAME = 1e-9
"""Scores that differ by less are the same, summed in another order."""


@dataclass(frozen=True)
class Column:
    """A score of a table's runs."""

    score: tuple[str, str]
    title: str
    fold: str = ""
    """Why it is not shown at first; none: it is."""


def columns(board: Board) -> list[Column]:
    """The other scores, those that are shown at first before those that are folded; none of single labels, unless chosen."""
    chosen = shown_scores(board)[1:] if board.columns is not None else []
    named = [name for name in board.scores[1:] if "[" not in name[1]]
    names = list(dict.fromkeys([*chosen, *named]))[: max(MOST, len(chosen))]
    why = dict(_folds(board, names))
    if board.columns is not None:
        why = {name: "" if name in chosen else why[name] or "not chosen" for name in names}
    else:
        first = [*(name for name in shown_scores(board)[1:] if not why.get(name)), *(name for name in names if not why[name])]
        kept = list(dict.fromkeys(first))[:AT_FIRST]
        why = {name: "" if name in kept else why[name] or "further scores" for name in names}
    made = [Column(name, label(board, name), why[name]) for name in names]
    return sorted(made, key=lambda column: bool(column.fold))


def _folds(board: Board, names: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Each score with why nobody needs its column: no run has it, or another column says the same of all of them."""
    seen: list[tuple[str, list[float | None]]] = [(label(board, board.main), _values(board, board.main))]
    for name in names:
        values = _values(board, name)
        if all(value is None for value in values):
            yield name, "not defined for any run"
            continue
        same = next((other for other, found in seen if _equal(found, values)), None)
        seen.append((label(board, name), values))
        yield name, f"the same as {same}" if same else ""


def _values(board: Board, name: tuple[str, str]) -> list[float | None]:
    return [row.score(name)["value"] for row in board.rows]


def _equal(one: list[float | None], other: list[float | None]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a == b if a is None or b is None else abs(a - b) <= SAME * max(1.0, abs(a)) for a, b in pairs)


def facts(board: Board) -> Mapping[str, str]:
    """The columns that are no scores → why they are folded, as the model's cell has them, or all rows say the same; or ""."""
    found = {"family": "beside the model", "protocol": "beside the model", "examples": "", **dict.fromkeys(COSTS, "")}
    counts = {(row.examples, row.total) for row in board.rows}
    if len(counts) == 1:
        examples, total = counts.pop()
        found["examples"] = f"{total} in all rows" if examples == total else f"{examples} of {total} in all rows"
    if board.columns is not None:
        found |= {name: "not chosen" for name in COSTS if name not in board.columns}
    return found
