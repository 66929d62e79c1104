"""Models over all tasks."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from .boards import Board, Row

LEVEL = 0.95


@dataclass(frozen=True)
class Standing:
    """One model, come to its tasks in one way, over all tasks."""

    model: str
    family: str
    protocol: str
    cells: Mapping[str, Row]
    """task → its row; a task that it was not run on is missing, and never counts as 0"""
    mean_rank: float
    """Over the tasks that it was run on, ties in the middle."""
    win_rate: float | None
    """The share of the other models that it is better than, ties counting half, over its tasks; None: it had no others."""
    average: float | None
    """Of its main scores over all tasks that are scored in points; None: one of them is missing."""
    low: float | None
    high: float | None
    """Of the average, for other examples of the same tasks."""
    several_runs: int
    """On how many tasks its row is the best ranked of several runs that differ in their settings."""


@dataclass(frozen=True)
class Overview:
    """All models over all tasks, by mean win rate."""

    tasks: Sequence[str]
    averaged: Sequence[str]
    """Those whose main score is in points, of which more is better."""
    standings: Sequence[Standing]


def make_overview(boards: Sequence[Board]) -> Overview | None:
    """The overview of each task's first table; None where no two tasks have a ranked run."""
    first = {board.task: board for board in boards if board.apart is None and any(row.rank for row in board.rows)}
    if len(first) < 2:
        return None
    averaged = [
        task for task, b in first.items() if b.higher_is_better and all(r.score(b.main)["unit"] == "points" for r in b.rows)
    ]
    best: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for task, board in first.items():
        for row in board.rows:
            if row.rank is not None:
                key = (row.result.model, str(row.record["model"]["family"]), row.protocol)
                best.setdefault(key, {}).setdefault(task, []).append(row)
    entrants = {task: sorted(rows[task][0].rank or 0 for rows in best.values() if task in rows) for task in first}
    standings = [_standing(key, rows, first, entrants, averaged) for key, rows in best.items()]
    standings.sort(key=lambda s: (-(s.win_rate or 0.0), s.mean_rank, s.model, s.protocol))
    return Overview(tasks=list(first), averaged=averaged, standings=standings)


def _standing(
    key: tuple[str, str, str], rows: Mapping[str, Sequence[Row]], boards: Mapping[str, Board],
    entrants: Mapping[str, Sequence[int]], averaged: Sequence[str],
) -> Standing:  # fmt: skip
    model, family, protocol = key
    cells = {task: found[0] for task, found in rows.items()}
    ranks, wins = [], []
    for task, row in cells.items():
        places, mine = entrants[task], row.rank or 0
        ahead = bisect_left(places, mine)
        level = bisect_right(places, mine) - ahead
        ranks.append(ahead + (level + 1) / 2)
        if len(places) > 1:
            wins.append((len(places) - ahead - level + (level - 1) / 2) / (len(places) - 1))
    average, low, high = mean_score([cells[t].score(boards[t].main) for t in averaged if t in cells], len(averaged))
    return Standing(
        model=model, family=family, protocol=protocol, cells=cells, several_runs=sum(len(found) > 1 for found in rows.values()),
        mean_rank=sum(ranks) / len(ranks), win_rate=100 * sum(wins) / len(wins) if wins else None,
        average=average, low=low, high=high,
    )  # fmt: skip


def mean_score(scores: Sequence[Mapping[str, float | None]], tasks: int) -> tuple[float | None, float | None, float | None]:
    """The mean of scores on different tasks, whose examples are independent, and its interval by their half widths."""
    values = [s["value"] for s in scores]
    if not tasks or len(values) < tasks or None in values:
        return None, None, None
    known = [v for v in values if v is not None]
    mean = math.fsum(known) / tasks
    widths = [s["high"] - s["low"] for s in scores if s["high"] is not None and s["low"] is not None]
    if len(widths) < tasks:
        return mean, None, None
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    error = math.sqrt(math.fsum((width / (2 * z)) ** 2 for width in widths)) / tasks
    least = min(0.0, *(s["low"] for s in scores if s["low"] is not None))  # correlations go below zero
    return mean, max(least, mean - z * error), min(100.0, mean + z * error)  # in points
