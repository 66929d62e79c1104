"""What Python is given of runs: results, scores, ranked tables and a comparison, which show themselves."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from plmtasks.errors import InputError, did_you_mean
from plmtasks.files import Shown, Table, with_interval
from plmtasks.results import Result, read_result, read_results
from plmtasks.scoring import Scored
from plmtasks.store import Comparison, Confusion, JudgedExample, Mistakes

from .boards import Board, Row, make_boards
from .compared import compared_text
from .formats import FORMATS, parts
from .mistaken import NOTHING, cells, confusion_text, fields, head, mistakes_text
from .overview import Overview, make_overview
from .selection import Selection

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

EXAMPLES = 10
"""Of those that changed, which a comparison shows."""
NAMES = 8
"""Of what is there, which an error shows."""


class Results(Sequence[Result], Shown):
    """Several runs' results; a slice of them is one too."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = tuple(results)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> "Results": ...
    def __getitem__(self, index: int | slice) -> "Result | Results":
        return Results(self._results[index]) if isinstance(index, slice) else self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __add__(self, other: Iterable[Result]) -> "Results":
        return Results([*self, *other])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Results) and self._results == other._results

    def __hash__(self) -> int:
        return hash(tuple(result.folder for result in self._results))

    __repr__ = Shown.__repr__

    def _tables(self) -> Sequence[Table]:
        rows = list(map(Row, self._results))
        several = len({row.seed for row in rows}) > 1
        header = ["task", "data", "model", "seed", "family", "protocol", "n", "score", "value, 95 % interval", "marks"]
        lines = [
            [
                row.result.task, f"{row.result.data}, {row.record['data']['split']}", row.result.model,
                str(row.seed) if several else "", row.record["model"]["family"], row.protocol, _count(row), row.main[1],
                with_interval(row.score(row.main)), "; ".join(row.marks),
            ]
            for row in rows
        ]  # fmt: skip
        return [_lean(Table(header=header, lines=lines, right=("n",)))]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        return [_run(Row(result)) for result in self._results]


class Scores(Scored, Shown):
    """What the metrics make of somebody else's predictions."""

    __repr__ = Shown.__repr__

    def _tables(self) -> Sequence[Table]:
        lines = [
            [f"{metric}/{name}", with_interval(score)]
            for metric, scores in self.scores.items()
            for name, score in scores.items()
            if score["value"] is not None
        ]
        return [Table(header=["score", "value, 95 % interval"], lines=lines, caption=f"{len(self.rows)} examples")]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        return [{"metric": m, "score": name, **s} for m, scores in self.scores.items() for name, s in scores.items()]


@dataclass(frozen=True, repr=False)
class Leaderboard(Shown):
    """Runs as ranked tables: one for each task, and one more for each other set of examples or way of scoring."""

    results: Sequence[Result]
    registry: "Registry | None" = None
    """Whose metrics make ranks and tiers; None: ranks are those of the scores alone."""
    selection: Selection = field(default_factory=Selection)

    @cached_property
    def boards(self) -> Sequence[Board]:
        return self.selection.arranged(make_boards(self.selection.results(self.results), self.registry))

    @cached_property
    def overview(self) -> Overview | None:
        """All models over all tasks."""
        return make_overview(self.boards)

    def __repr__(self) -> str:
        return FORMATS["table"](self.boards, self.overview).rstrip("\n")

    def to_markdown(self) -> str:
        """Tables of GitHub's Markdown."""
        return FORMATS["markdown"](self.boards, self.overview)

    def _tables(self) -> Sequence[Table]:
        found = parts(self.boards, self.overview, str)
        return [Table(header=part.header, lines=part.lines, caption=part.caption, right=part.right) for part in found]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        lines = []
        for board in self.boards:
            for row in board.rows:
                low, high = row.ranks or (row.rank, row.rank)
                places = {"rank": row.rank, "rank_low": low, "rank_high": high, "tier": row.tier, "seeds": len(row.results)}
                lines.append({**places, "apart": board.apart, **_run(row)})
        return lines


class Compared(Comparison, Shown):
    """What sets two runs on the same examples apart."""

    def __repr__(self) -> str:
        return compared_text(self, EXAMPLES).rstrip("\n")

    def _tables(self) -> Sequence[Table]:
        data = self.first.record["data"]
        about = f"{self.first.task} on {self.first.data}, split {data['split']}: {self.n} of {data['examples']} examples"
        models = f"A: {self.first.model}, B: {self.second.model}; {len(self.changed)} predictions differ"
        lines = [
            [f"{line['metric']}/{line['score']}", _plain(line["a"]), _plain(line["b"]), _signed(line), f"{line['p']:.4f}"]
            for line in self._lines()
        ]
        header = ["score", "A", "B", "B less A", "p"]
        return [Table(header=header, lines=lines, caption=f"{about}; {models}", right=("A", "B", "p"))]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        a, b = self.first.scores(), self.second.scores()
        return [
            {"metric": m, "score": s, "a": a[f"{m}/{s}"], "b": b[f"{m}/{s}"], "difference": d.value, "low": d.low, "high": d.high,
             "p": d.p, "effect": d.effect, "effect_low": d.effect_low, "effect_high": d.effect_high}
            for m, scores in self.differences.items()
            for s, d in scores.items()
        ]  # fmt: skip


@dataclass(frozen=True, repr=False)
class Mistaken(Sequence[JudgedExample], Shown):
    """The examples that a run got wrong: the most confident errors first, else the worst."""

    made: Mistakes
    label: str | None = None
    """Those alone in which this label was missed, or predicted in place of what is right."""

    @cached_property
    def _found(self) -> Sequence[JudgedExample]:
        return self.made.with_label(self.label)

    @overload
    def __getitem__(self, index: int) -> JudgedExample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JudgedExample]: ...
    def __getitem__(self, index: int | slice) -> JudgedExample | Sequence[JudgedExample]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return mistakes_text(self.made, self.label, EXAMPLES, more="to_pandas() has all").rstrip("\n")

    def confusion(self) -> "Confused":
        """How often which label was taken for which, in all examples of the run.

        raises: InputError if the task predicts no labels
        """
        if self.made.confusion is None:
            raise InputError(f"{self.made.result.task} predicts no labels")
        return Confused(self.made.confusion)

    def _tables(self) -> Sequence[Table]:
        sure = ["" if one.confidence is None else f"{one.confidence:.2f}" for one in self]
        shown = zip(self[:EXAMPLES], sure, strict=False)
        told = [{"id": one.id, "confidence": confidence, **dict(fields(self.made, one))} for one, confidence in shown]
        header = list(dict.fromkeys(name for line in told for name in line))
        more = [f"{len(self) - EXAMPLES} more: to_pandas() has all"] * (len(self) > EXAMPLES)
        caption = "; ".join([*head(self.made, self.label, self._found), *more])
        lines = [[line.get(name, "") for name in header] for line in told]
        return [_lean(Table(header=header, lines=lines, caption=caption, right=("confidence",)))]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        return cells(self._found)


@dataclass(frozen=True, repr=False)
class Confused(Shown):
    """How often which label was taken for which: a row a reference, a column a prediction."""

    made: Confusion

    def __repr__(self) -> str:
        return confusion_text(self.made, EXAMPLES).rstrip("\n")

    def to_pandas(self) -> Any:
        """Counts, by the label of the reference.

        raises: InputError if pandas is not installed
        """
        return super().to_pandas().set_index("reference").rename_axis(columns="predicted")

    def _tables(self) -> Sequence[Table]:
        lines = self._lines()
        header = ["reference", *(name for name in lines[0] if name != "reference")] if lines else ["reference"]
        cells = [[str(line[name]) for name in header] for line in lines]
        return [Table(header=header, lines=cells, caption="a row a reference, a column a prediction", right=header[1:])]

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        counts, columns = self.made.counts, [(column, column or NOTHING) for column in self.made.columns]
        return [
            {"reference": row or NOTHING, **{name: counts.get((row, column), 0) for column, name in columns}}
            for row in self.made.rows
        ]  # fmt: skip


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(line: Mapping[str, Any]) -> str:
    interval = "" if line["low"] is None else f" [{line['low']:+.2f}, {line['high']:+.2f}]"
    return f"{line['difference']:+.2f}{interval}"


def _run(row: Row) -> dict[str, Any]:
    """A run for programs: what it is, its main score, and all scores by name."""
    record, main = row.record, row.score(row.main)
    names = [(metric, score) for metric, scores in record["scores"].items() for score in scores]
    return {
        "task": row.result.task, "data": row.result.data, "split": record["data"]["split"], "model": row.result.model,
        "family": record["model"]["family"], "protocol": row.protocol, "shots": record["protocol"]["shots"], "seed": row.seed,
        "examples": row.examples, "total": row.total, "marks": "; ".join(row.marks), "score": "/".join(row.main),
        "value": main["value"], "low": main["low"], "high": main["high"],
        **{"/".join(name): value for name in names if (value := row.score(name)["value"]) is not None},
        "identity": row.result.identity, "folder": str(row.result.folder),
    }  # fmt: skip


def _count(row: Row) -> str:
    return str(row.total) if row.examples == row.total else f"{row.examples} of {row.total}"


def _lean(table: Table) -> Table:
    """Without the columns in which nothing stands."""
    kept = [i for i in range(len(table.header)) if any(cells[i] for cells in table.lines)]
    lines = [[cells[i] for i in kept] for cells in table.lines]
    return Table(header=[table.header[i] for i in kept], lines=lines, caption=table.caption, right=table.right)


def load_results(folders: Iterable[Any], task: str | None, model: str | None) -> Results:
    """The results at or below folders.

    task, model: names of those that are kept, in which `*` stands for anything; "qa" means all that begin with "qa/"

    raises: InputError if there is none; DataError
    """
    found = collected(folders)
    for kind, pattern, names in (("task", task, [r.task for r in found]), ("model", model, [r.model for r in found])):
        if not any(_fits(name, pattern) for name in names):
            there = sorted(set(names))
            listed = f"there are: {', '.join(there[:NAMES])}{', …' * (len(there) > NAMES)}"
            raise InputError(f"no result is of a {kind} {pattern!r}", *did_you_mean(str(pattern), there), listed)
    kept = [result for result in found if _fits(result.task, task) and _fits(result.model, model)]
    if not kept:
        raise InputError(f"no result is of a task {task!r} and a model {model!r}")
    return Results(kept)


def _fits(name: str, pattern: str | None) -> bool:
    return pattern is None or fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")


def collected(given: Iterable[Any]) -> Results:
    """Results, and those of folders.

    raises: InputError for what is neither, and where there is none; DataError
    """
    found = Results(one for each in given for one in _each(each))
    if not found:
        raise InputError("there are no results", "plmtasks.run gives one, and plmtasks.load_results reads those of folders")
    return found


def _each(given: Any) -> Iterator[Result]:
    if isinstance(given, Result):
        yield given
    elif isinstance(given, (str, os.PathLike)):
        yield from read_results(os.fspath(given))
    elif isinstance(given, Iterable) and not isinstance(given, bytes) and not hasattr(given, "keys"):  # no dict, and no frame
        for one in given:
            yield from _each(one)
    else:
        raise InputError(f"a result is a Result or its folder, not {type(given).__name__}: {' '.join(repr(given).split())[:60]}")


def collected_one(given: Any) -> Result:
    """A result, or that of a folder.

    raises: InputError if it is none, or several
    """
    if isinstance(given, (str, os.PathLike)):
        return read_result(os.fspath(given))
    found = collected([given])
    if len(found) != 1:
        raise InputError(f"it is asked of one result, and here are {len(found)}", "results[0] is the first of them")
    return found[0]
