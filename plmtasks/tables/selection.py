"""Which runs a leaderboard is of, by which score they rank, and what its tables show."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from plmtasks.config import known
from plmtasks.errors import InputError, listed
from plmtasks.results import Result

from .boards import Board, Row, ScoreName
from .costs import Costs, costs, count, number

COSTS: Mapping[str, tuple[Callable[[Costs], float | None], Callable[[float], str], bool]] = {
    "parameters": (lambda c: c.parameters, count, False),
    "speed": (lambda c: c.speed, number, True),
    "memory": (lambda c: c.memory, lambda value: f"{count(value)}B", False),
}
"""Columns of what a run takes: how it is read, how it is written, and whether more is better. Speed is in examples a second."""

WORDS: Mapping[str, Callable[[Row], str]] = {
    "model": lambda row: row.result.model,
    "family": lambda row: str(row.record["model"]["family"]),
    "protocol": lambda row: row.protocol,
}
"""What rows may be sorted by beside scores and costs."""

LISTED = 24
"""Names that an error lists."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A part of the runs, and of what is shown of them. Whatever is None is as if nobody had chosen."""

    task: str | None = None
    """A name in which `*` stands for anything; "qa" means all tasks that begin with "qa/"."""
    model: str | None = None
    """As `task`. The runs of these models alone are ranked among themselves."""
    score: str | None = None
    """What ranks, as "score" or "metric/score"; a run that has none of that name keeps its task's main score."""
    columns: Sequence[str] | None = None
    """Scores and costs that tables show beside the score that ranks, in this order."""
    sort: str | None = None
    """A score, a cost, "model", "family" or "protocol": the order of the rows, where it is not that of their ranks."""

    def results(self, results: Sequence[Result]) -> list[Result]:
        """Those of the chosen tasks and models, ranked by the chosen score.

        raises: InputError if none is of that task, of that model or has that score
        """
        found = list(results)
        if self.task is not None:
            patterns = (self.task, f"{self.task}/*")
            found = _matching(self.task, found, "task", lambda result: any(fnmatchcase(result.task, one) for one in patterns))
        if self.model is not None:
            pattern = self.model
            found = _matching(pattern, found, "model", lambda result: fnmatchcase(result.model, pattern))
        if self.score is None:
            return found
        _check([self.score], [], [name for result in found for name in _scores(result)], "score of these runs")
        return [_ranked_by(result, self.score) for result in found]

    def boards(self, boards: Sequence[Board]) -> list[Board]:
        """The boards with the chosen columns.

        raises: InputError for a name that none of them has
        """
        scores = [name for board in boards for name in board.scores]
        _check(self.columns or (), [*COSTS], scores, "column of these tables")
        _check([self.sort] if self.sort else (), ["rank", *WORDS, *COSTS], scores, "column to sort by")
        return [replace(board, columns=self.columns) for board in boards]

    def arranged(self, boards: Sequence[Board]) -> list[Board]:
        """The boards with their rows in the chosen order; what has no value comes last."""
        return [self._sorted(board) for board in self.boards(boards)]

    def _sorted(self, board: Board) -> Board:
        name = self.sort
        if name is None or name == "rank":
            return board
        if name in WORDS:
            return replace(board, rows=sorted(board.rows, key=WORDS[name]))
        if name in COSTS:
            read, _, more = COSTS[name]
            values = [read(costs(row)) for row in board.rows]
        else:
            found = matching(board.scores, name, board.main[0])
            if not found:
                return board
            values = [row.score(found[0])["value"] for row in board.rows]
            more = all(row.score(found[0]).get("higher_is_better", True) for row in board.rows)
        keyed = [(value is None, 0.0 if value is None else -value if more else value) for value in values]
        order = sorted(range(len(keyed)), key=keyed.__getitem__)
        return replace(board, rows=[board.rows[i] for i in order])


def matching(scores: Iterable[ScoreName], name: str, metric: str) -> list[ScoreName]:
    """The scores that a name means: "score", or "metric/score".

    metric: the main one, whose scores are meant where others have some of the same name
    """
    found = [score for score in scores if name in (score[1], "/".join(score))]
    return [score for score in found if score[0] == metric] or found


def chosen_scores(board: Board) -> list[ScoreName]:
    """The main score and the board's chosen ones."""
    found = [score for name in board.columns or () for score in matching(board.scores, name, board.main[0])]
    return list(dict.fromkeys([board.main, *found]))


def cost_columns(board: Board) -> Iterator[tuple[str, Callable[[Row], str]]]:
    """The chosen costs: the header of each, and what stands in a row."""
    for name in board.columns or ():
        if name in COSTS:
            yield {"speed": "examples/s"}.get(name, name), partial(_cost, name)


def _cost(name: str, row: Row) -> str:
    read, write, _ = COSTS[name]
    value = read(costs(row))
    return "–" if value is None else write(value)


def told(board: Board, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of a run's scores those that the board shows: all of them, unless some were chosen."""
    if board.columns is None:
        return {metric: dict(found) for metric, found in scores.items()}
    kept = chosen_scores(board)
    found = {m: {name: score for name, score in of.items() if (m, name) in kept} for m, of in scores.items()}
    return {metric: of for metric, of in found.items() if of}


def _matching(pattern: str, results: Sequence[Result], what: str, fits: Callable[[Result], bool]) -> list[Result]:
    found = [result for result in results if fits(result)]
    if not found:
        _check([pattern], sorted({getattr(result, what) for result in results}), [], f"{what} of these runs")
    return found


def _check(told: Iterable[str], names: Sequence[str], scores: Sequence[ScoreName], what: str) -> None:
    """raises: InputError for what is neither among the names nor a score's, with all that are there"""
    metrics = {score[1]: {metric for metric, name in scores if name == score[1]} for score in scores}
    every = [*names, *dict.fromkeys(name if len(metrics[name]) == 1 else f"{metric}/{name}" for metric, name in scores)]
    full = ["/".join(score) for score in scores]
    known(dict.fromkeys(told, ""), [*names, *metrics, *full], what, f"there are: {listed(every, LISTED)}")


def _scores(result: Result) -> list[ScoreName]:
    return [(metric, name) for metric, scores in result.record["scores"].items() for name in scores]


def _ranked_by(result: Result, name: str) -> Result:
    """The result with another main score, if it has that one.

    raises: InputError if several of its metrics have a score of that name, and its main metric is none of them
    """
    found = matching(_scores(result), name, result.record["primary_metric"][0])
    if len(found) > 1:
        called = [f"--score {'/'.join(score)}" for score in found]
        raise InputError(f"several metrics of {result.task} have a score {name!r}", f"one of: {', '.join(called)}")
    if not found:
        return result
    return replace(result, record={**result.record, "primary_metric": list(found[0])})
