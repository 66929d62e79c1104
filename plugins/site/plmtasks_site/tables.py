"""A task's boards as the pages show them."""

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import PlmtasksError
from plmtasks.files import safe_name
from plmtasks.store import metric_of, rows
from plmtasks.tables import Board, Row, differences, label

from .columns import Column, columns, facts
from .notes import Notes, notes
from .plots import Axes, Point
from .runs import Run, unknown
from .withheld import whole

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

Difference = tuple[float, float | None, float | None, float]
"""Value, the interval's ends, p."""

ALL_PAIRS = 64
"""The most runs of a table whose pairs are all tested; of more, each with the best and with the next."""

COSTS = (
    ("parameters", Axes(cost="parameters", more_is_better=False, form="~s")),
    ("speed", Axes(cost="examples a second", more_is_better=True, form=",.3~r")),
    ("memory", Axes(cost="peak memory, bytes", more_is_better=False, form="~s")),
)
"""What a run costs: the attribute of `Run`, and its axis."""


@dataclass(frozen=True)
class Table:
    """A board with its runs' pages."""

    board: Board
    number: int
    """Among those of its task."""
    runs: Mapping[Path, Run]
    registry: "Registry"

    def run(self, row: Row) -> Run:
        return self.runs[row.result.folder]

    def runs_of(self, row: Row) -> list[Run]:
        """Of all its seeds."""
        return [self.runs[result.folder] for result in row.results]

    @functools.cached_property
    def all_runs(self) -> list[Run]:
        """In the order of the rows."""
        return [run for row in self.board.rows for run in self.runs_of(row)]

    @functools.cached_property
    def ranked(self) -> list[Run]:
        return [run for row in self.board.rows if row.rank is not None for run in self.runs_of(row)]

    @functools.cached_property
    def language(self) -> str:
        return str(self.board.record["task"]["language"])

    @functools.cached_property
    def main(self) -> str:
        return label(self.board, self.board.main)

    @property
    def unit(self) -> str:
        return str(self.board.rows[0].score(self.board.main)["unit"])

    @functools.cached_property
    def columns(self) -> list[Column]:
        """Of the other scores."""
        return columns(self.board)

    @functools.cached_property
    def folds(self) -> Mapping[str, str]:
        """The columns that are no scores → why they are folded away."""
        costs = {name: unknown(self.all_runs, name) for name, _ in COSTS}
        return {name: why or costs.get(name, "") for name, why in facts(self.board).items()}

    @functools.cached_property
    def notes(self) -> Notes:
        return notes([(row, None) for row in self.board.rows])

    @functools.cached_property
    def scale(self) -> tuple[float, float]:
        """The ends of the main score's intervals: what a bar of this table goes from and to.

        Where all of them are one number, points lie between 0 and 100.
        """
        found = [row.score(self.board.main) for row in self.board.rows]
        ends = [s[end] for s in found for end in ("low", "value", "high") if s[end] is not None]
        if self.unit == "points" and len({*ends}) == 1:
            ends += [0.0, 100.0]
        return (min(ends), max(ends)) if ends else (0.0, 0.0)

    @functools.cached_property
    def state(self) -> list[Any]:
        """All that a page shows of it."""
        rows = [
            [row.rank, row.ranks, row.tier, row.twin, row.details, [[run.key, run.state] for run in self.runs_of(row)]]
            for row in self.board.rows
        ]
        return [
            self.board.apart,
            self.board.main,
            self.board.columns,
            self.board.smallest,
            self.board.untested,
            self.scored,
            rows,
        ]

    @functools.cached_property
    def scored(self) -> bool:
        """Whether the metric is there that can score single examples."""
        try:
            metric_of(whole(self.board.rows[0].result), self.board.main[0], self.registry)
        except PlmtasksError:
            return False
        return True

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Positions in `ranked` of those whose difference is looked at."""
        m = len(self.ranked)
        if m <= ALL_PAIRS:
            return [(i, j) for i in range(m) for j in range(i + 1, m)]
        return [(0, j) for j in range(1, m)] + [(i, i + 1) for i in range(1, m - 1)]

    @functools.cached_property
    def differences(self) -> dict[tuple[str, str], Difference]:
        """By the keys of two runs, the better ranked first."""
        pairs = self.pairs
        if not pairs or self.board.untested:
            return {}
        try:
            found = differences([whole(run.result) for run in self.ranked], pairs, self.board.main, self.registry)
        except PlmtasksError:
            return {}
        return {(self.ranked[i].key, self.ranked[j].key): d for (i, j), d in zip(pairs, found, strict=True) if d[1] == d[1]}

    def difference(self, first: Run, second: Run) -> Difference | None:
        """The first's score less the second's."""
        found = self.differences.get((first.key, second.key))
        if found is not None:
            return found
        turned = self.differences.get((second.key, first.key))
        if turned is None:
            return None
        value, low, high, p = turned
        return 0.0 - value, None if high is None else 0.0 - high, None if low is None else 0.0 - low, p

    def neighbours(self, row: Row) -> list[tuple[str, Row]]:
        """The best row and the next better one, as far as they are others."""
        ranked = [other for other in self.board.rows if other.rank is not None]
        place = next((i for i, other in enumerate(ranked) if other is row), 0)
        found = [("the best", ranked[0]), ("the next better", ranked[place - 1])] if place else []
        return found[: 1 if place == 1 else 2]

    def example_scores(self, run: Run) -> list[float | None] | None:
        """The main score of each example alone; None where it cannot be counted."""
        import numpy as np

        try:
            counted = rows(run.result, self.board.main[0], self.registry)
        except PlmtasksError:
            return None
        values = np.asarray(counted.metric.reduce(counted.values)[self.board.main[1]], dtype=np.float64).round(4)
        return [None if np.isnan(v) else v for v in values.tolist()]

    def plots(self, named: Collection[str]) -> Iterator[tuple[str, list[Point], Axes]]:
        """What is known of at least two runs: its name, the points and the axes.

        named: the keys of runs whose points bear their names
        """
        for name, axes in COSTS:
            points = [p for row in self.board.rows if row.rank is not None and (p := self._point(row, name, axes, named))]
            if len(points) > 1:
                shown = replace(axes, score=self.main, higher_is_better=self.board.higher_is_better)
                yield axes.cost.partition(",")[0], points, shown

    def _point(self, row: Row, name: str, axes: Axes, named: Collection[str]) -> Point | None:
        run, score = self.run(row), row.score(self.board.main)
        cost = getattr(run, name)
        if cost is None:
            return None
        model, value = row.result.model, float(score["value"])
        text = f"{model}, {row.protocol}: {self.main} {value:.4g}, {cost:.4g} {axes.cost}"
        return Point(
            model=model, family=str(row.record["model"]["family"]), cost=float(cost), score=value, low=score["low"],
            high=score["high"], text=f"{text}; {run.machine}" if run.machine else text, page=run.page,
            first=row.tier in (1, None), named=run.key in named,
        )  # fmt: skip

    def parts(self, kind: str) -> list[str]:
        """Names of the subsets of the examples ("slices"), or of the changes to them ("perturbations"), that any run has."""
        return list(dict.fromkeys(name for run in self.all_runs for name in run.result.record.get(kind, {})))

    def part(self, run: Run, kind: str, name: str) -> Mapping[str, Any] | None:
        """The main score there, with the examples that it rests on; after a change, how it differs from before."""
        found = run.result.record.get(kind, {}).get(name)
        metric, score = self.board.main
        if found is None or score not in found["scores"].get(metric, {}):
            return None
        d = found.get("difference")
        difference = (d["value"], d["low"], d["high"], d["p"]) if d else None
        whole = run.result.record["scores"][metric][score]
        return {**whole, **found["scores"][metric][score], "examples": found["examples"], "difference": difference}

    def part_scale(self, kind: str) -> tuple[float, float]:
        """As `scale`, of the parts."""
        found = [self.part(run, kind, name) for run in self.all_runs for name in self.parts(kind)]
        ends = [s[end] for s in found if s for end in ("low", "value", "high") if s[end] is not None]
        return (min(ends), max(ends)) if ends else (0.0, 0.0)

    @property
    def groups(self) -> list[str]:
        """The dimensions of slices in which any of its runs has a gap."""
        return list(dict.fromkeys(name for run in self.all_runs for name in run.result.record.get("groups", {})))

    @property
    def calibrated(self) -> bool:
        return any("calibration" in run.result.record for run in self.all_runs)


@dataclass(frozen=True)
class TaskTables:
    """A task with all of its tables."""

    name: str
    slug: str
    tables: Sequence[Table]

    @property
    def page(self) -> str:
        return f"tasks/{self.slug}.html"

    @property
    def pairs_page(self) -> str:
        return f"compare/{self.slug}.html"

    @property
    def first(self) -> Table:
        return self.tables[0]


def by_task(boards: Sequence[Board], runs: Mapping[Path, Run], registry: "Registry") -> list[TaskTables]:
    """The tasks in the order of their names, each with its boards."""
    groups: dict[str, list[Board]] = {}
    for board in boards:
        groups.setdefault(board.task, []).append(board)
    slugs: dict[str, str] = {}
    for name in groups:
        slug = safe_name(name)
        taken = {other.lower() for other in slugs.values()}  # a file system may not tell capitals from small letters
        slugs[name] = slug if slug.lower() not in taken else f"{slug}-{len(slugs)}"
    return [
        TaskTables(name, slugs[name], [Table(board, i, runs, registry) for i, board in enumerate(found)])
        for name, found in groups.items()
    ]
