"""A suite's table as papers print it: a row a model, and the columns that the suite's file says."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from plmtasks.errors import DataError, did_you_mean
from plmtasks.files import TomlFile, read_toml
from plmtasks.results import Result

from .boards import Row, ScoreName, make_boards
from .overview import mean_score
from .selection import matching

SEVERAL = "*"
"""Of a slice: its score is the mean over all that fit."""


@dataclass(frozen=True)
class Column:
    """A column of a suite's table; its cell is the mean of what it names, and shows each."""

    title: str
    scores: tuple[str, ...] = ()
    """Each "TASK SCORE", or "TASK SCORE SLICE" with `part=matched`, `language=*` (the mean over all) or `language!=en`."""
    mean: tuple[str, ...] = ()
    """Titles of columns before it, whose mean it is; where one is missing it is not there either."""
    less: tuple[str, ...] = ()
    """Scores whose mean is taken off: a gap, of which less is better."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A score in a cell, or what several come to."""

    value: float
    low: float | None
    high: float | None
    unit: str
    higher_is_better: bool
    examples: int
    seeds: Mapping[int, float]
    """Seed → its score."""

    @property
    def deviation(self) -> float | None:
        """Of one seed from their mean; None: there is only one."""
        return stdev(self.seeds.values()) if len(self.seeds) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a row under a title."""

    figures: Sequence[Figure]
    """Each of the column's scores; of a mean that alone."""
    total: Figure
    """What they come to together."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row: a model as the suite calls it."""

    model: str
    tasks: Mapping[str, Row]
    """task → its run, or its runs of several seeds"""
    cells: Mapping[str, Cell]
    """title → cell; what has no score is missing"""
    several: Sequence[str] = ()
    """Tasks on which its row is the best ranked of several that differ in their settings."""

    @cached_property
    def protocols(self) -> Mapping[str, Sequence[str]]:
        """How the model came to its tasks, and what must be known of that → those tasks."""
        found: dict[str, list[str]] = {}
        for task, row in self.tasks.items():
            seeds = f"{len(row.results)} seeds" if row.others else ""
            marks = [mark for mark in row.marks if mark not in row.details]
            several = "the best of several runs" if task in self.several else ""
            found.setdefault(", ".join(filter(None, [row.protocol, seeds, several, *marks])), []).append(task)
        return found


@dataclass(frozen=True, kw_only=True)
class SuiteTable:
    """A row for each model of a suite."""

    columns: Sequence[Column]
    lines: Sequence[Line]

    def best(self, title: str) -> Sequence[str]:
        """The models that are best in a column as far as it is printed; nobody is alone."""
        found = {line.model: line.cells[title].total for line in self.lines if title in line.cells}
        if len(found) < 2:
            return []
        signed = {
            model: round(f.value if f.higher_is_better else -f.value, 1 if f.unit == "points" else 9)
            for model, f in found.items()
        }
        return [model for model, value in signed.items() if value == max(signed.values())]


def read_columns(path: Path) -> list[Column]:
    """The [[columns]] of a suite's file; none where it has none.

    raises: InputError if there is no such file; DataError with the line of what is no column
    """
    file = read_toml(path, "the file of a suite")
    tables = file.content.get("columns", [])
    if not isinstance(tables, list):
        raise DataError(file.where("columns"), "tables [[columns]]", f"{tables!r:.80}")
    columns = [file.table(Column, table, "columns", number) for number, table in enumerate(tables)]
    tasks = [one["name"] for one in file.content.get("tasks", []) if isinstance(one, dict) and "name" in one]
    for number in range(len(columns)):
        _check(file, columns, number, tasks)
    return columns


def _check(file: TomlFile, columns: Sequence[Column], number: int, tasks: Sequence[str]) -> None:
    column, before = columns[number], [one.title for one in columns[:number]]
    where = file.where("columns", number)
    if column.title in before:
        raise DataError(where, "a title of its own", repr(column.title))
    if bool(column.scores) == bool(column.mean) or (column.less and not column.scores):
        raise DataError(where, "scores = […], or mean = […] of columns before", "both" if column.mean else "neither")
    for title in column.mean:
        if title not in before:
            raise DataError(
                file.where("columns", number, "mean"), "titles of columns before", repr(title), *did_you_mean(title, before)
            )
    for key, specs in (("scores", column.scores), ("less", column.less)):
        for spec in specs:
            words = spec.split(" ")
            if not 2 <= len(words) <= 3 or words[0] not in tasks:
                expected = '"TASK SCORE" or "TASK SCORE SLICE" of a task of the suite'
                raise DataError(file.where("columns", number, key), expected, repr(spec), *did_you_mean(words[0], tasks))


def suite_table(results: Sequence[Result], columns: Sequence[Column], models: Mapping[str, str] | None = None) -> SuiteTable:
    """The table of a suite's results, those of other tasks left out: of several runs of one model on one task, the best ranked.

    models: identity → what its row is called; None: rows are called by models, and by protocols where a model has several

    raises: DataError for a result that lacks what its schema demands
    """
    rows: dict[tuple[str, str], dict[str, list[Row]]] = {}
    asked = {spec.split(" ")[0] for column in columns for spec in (*column.scores, *column.less)}
    for board in make_boards([result for result in results if result.task in asked]):
        if board.apart is not None:
            continue
        for row in board.rows:
            named = (models[row.result.identity], "") if models is not None else (row.result.model, row.protocol)
            rows.setdefault(named, {}).setdefault(board.task, []).append(row)
    names = [model for model, _ in rows]
    lines = []
    for (model, protocol), found in rows.items():
        tasks = {task: ranked[0] for task, ranked in found.items()}
        cells: dict[str, Cell] = {}
        for column in columns:
            cell = _mean_of(column, cells) if column.mean else _cell(column, tasks)
            if cell is not None:
                cells[column.title] = cell
        label = f"{model} ({protocol})" if names.count(model) > 1 else model
        several = [task for task, ranked in found.items() if len(ranked) > 1]
        lines.append(Line(model=label, tasks=tasks, cells=cells, several=several))
    return SuiteTable(columns=columns, lines=lines)


def _cell(column: Column, tasks: Mapping[str, Row]) -> Cell | None:
    """None: one of its scores is missing."""
    scores, less = ({spec: _figure(spec, tasks) for spec in specs} for specs in (column.scores, column.less))
    known, taken = ({spec: f for spec, f in found.items() if f is not None} for found in (scores, less))
    if len(known) < len(scores) or len(taken) < len(less):
        return None
    a = _together(known)
    if not taken:
        return Cell(figures=[*known.values()], total=a)
    b = _together(taken)
    widths = [(f.high - f.low) / 2 for f in (a, b) if f.high is not None and f.low is not None]
    value, width = a.value - b.value, math.hypot(*widths) if len(widths) == 2 else None
    gap = Figure(
        value=value, low=None if width is None else value - width, high=None if width is None else value + width, unit=a.unit,
        higher_is_better=False, examples=a.examples + b.examples,
        seeds={seed: a.seeds[seed] - b.seeds[seed] for seed in a.seeds if seed in b.seeds},
    )  # fmt: skip
    return Cell(figures=[gap], total=gap)


def _mean_of(column: Column, cells: Mapping[str, Cell]) -> Cell | None:
    """None: a column is missing, or none of points of which more is better."""
    found = [cells[title].total for title in column.mean if title in cells]
    if len(found) < len(column.mean) or any(f.unit != "points" for f in found):
        return None
    value, low, high = mean_score([{"value": f.value, "low": f.low, "high": f.high} for f in found], len(found))
    assert value is not None, "each of them has a value"
    examples = sum(f.examples for f in found)
    total = Figure(value=value, low=low, high=high, unit="points", higher_is_better=True, examples=examples, seeds=_seeds(found))
    return Cell(figures=[total], total=total)


def _together(found: Mapping[str, Figure]) -> Figure:
    """The mean of scores between the mean ends of their intervals, since they may rest on the same examples."""
    figures = [*found.values()]
    # two scores of one task, or of one slice of it, rest on the same examples
    examples = {tuple(spec.split(" ")[::2]): f.examples for spec, f in found.items()}
    first, ends = figures[0], {name: [getattr(f, name) for f in figures] for name in ("low", "high")}
    low, high = (None if None in found else fmean(found) for found in ends.values())
    return Figure(
        value=fmean(f.value for f in figures), low=low, high=high, unit=first.unit, seeds=_seeds(figures),
        higher_is_better=all(f.higher_is_better for f in figures), examples=sum(examples.values()),
    )  # fmt: skip


def _seeds(figures: Sequence[Figure]) -> Mapping[int, float]:
    """The mean of each seed, where all have the same seeds."""
    same = all(f.seeds.keys() == figures[0].seeds.keys() for f in figures)
    return {seed: fmean(f.seeds[seed] for f in figures) for seed in figures[0].seeds} if same else {}


def _figure(spec: str, tasks: Mapping[str, Row]) -> Figure | None:
    """A score over all its seeds; None: there is no such run, score or slice."""
    task, name, part = (*spec.split(" "), "")[:3]
    row = tasks.get(task)
    if row is None:
        return None
    found = {result: [*_scores(result, name, part)] for result in row.results}
    if not all(found.values()) or any(s["value"] is None for scores in found.values() for s, _ in scores):
        return None
    seeds = {Row(result).seed: fmean(s["value"] for s, _ in scores) for result, scores in found.items()}
    every = [s for scores in found.values() for s, _ in scores]
    low, high = (None if any(s[end] is None for s in every) else fmean(s[end] for s in every) for end in ("low", "high"))
    whole = found[row.result][0][0]
    return Figure(
        value=fmean(seeds.values()), low=low, high=high, unit=whole["unit"], higher_is_better=whole["higher_is_better"],
        examples=sum(n for _, n in found[row.result]), seeds=seeds,
    )  # fmt: skip


def _scores(result: Result, name: str, part: str) -> Iterator[tuple[Mapping[str, Any], int]]:
    """The score of a run, or those of its slices that fit; and on how many examples each rests."""
    record = result.record
    names: list[ScoreName] = [(metric, score) for metric, scores in record["scores"].items() for score in scores]
    for metric, score in matching(names, name, record["primary_metric"][0])[:1]:
        whole = record["scores"][metric][score]
        if not part:
            yield whole, record["data"]["examples"] - record["data"]["skipped"]
        for one, of in record.get("slices", {}).items():
            if part and _fits(one, part) and score in of["scores"].get(metric, {}):
                yield {**whole, **of["scores"][metric][score]}, of["examples"]


def _fits(name: str, pattern: str) -> bool:
    kind, unlike, value = pattern.partition("!=")
    if unlike:
        return name.startswith(f"{kind}=") and not fnmatchcase(name, f"{kind}={value}")
    return fnmatchcase(name, pattern)
