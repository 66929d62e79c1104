"""From results to the files of the site."""

import functools
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks import statistics, store
from plmtasks.errors import PlmtasksError
from plmtasks.results import Result
from plmtasks.store import mistakes
from plmtasks.tables import Board, Selection, make_boards, make_overview, tested

from . import plots, scripts
from .folder import Folder
from .notes import notes
from .pages import Look, Pages
from .runs import Run, confused, named, unknown
from .story import named as told_of
from .story import overview_points, overview_story, story
from .tables import Table, TaskTables, by_task
from .withheld import withheld, withheld_board

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

HERE = Path(__file__).parent

OVERVIEW = plots.Axes(cost="parameters", more_is_better=False, form="~s", score="mean win rate, %")

ROWS = 1_300
"""Runs that one page lists; of more there are several pages, each under 2 MB."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did."""

    index: Path
    runs: int
    tasks: int
    written: int
    """Files that were made."""
    kept: int
    """Files of the last build that show what they would show now."""


def build(
    results: Sequence[Result], folder: Path, registry: "Registry", *, selection: Selection | None = None, **look: Any
) -> Built:
    """Writes the site of the results into a folder, or brings it up to date; what has not changed is not touched.

    selection: what is shown of the results
    look: the fields of `Look`

    raises: InputError if somebody else's page lies in the folder, or for a name that the results do not have; DataError for a
        result that is not what its schema says; OutputError if the folder cannot be written to
    """
    selection = selection or Selection()
    boards, said = selection.boards(make_boards(selection.results(results))), Look(**look)
    return Builder(boards, Folder(folder, _maker()), registry, said, Pages(said, selection.sort)).build()


class Builder:
    """One build of a site."""

    def __init__(self, boards: Sequence[Board], folder: Folder, registry: "Registry", look: Look, pages: Pages) -> None:
        self.folder, self.registry, self.look, self.pages = folder, registry, look, pages
        self.runs = named((result for board in boards for row in board.rows for result in row.results), look.home)
        self.boards = [self._tested(board, i) for i, board in enumerate(boards)]
        if not look.examples:
            self.boards = [withheld_board(board) for board in self.boards]
            self.runs = {path: replace(run, result=withheld(run.result)) for path, run in self.runs.items()}
        self.tasks = by_task(self.boards, self.runs, registry)

    def build(self) -> Built:
        self._assets()
        self._index()
        for task in self.tasks:
            data = self._data(task)
            self._task(task)
            self._pairs(task, data)
            for table in task.tables:
                self._runs(task, table, data)
        self.folder.close()
        return Built(
            index=self.folder.path / "index.html", runs=len(self.runs), tasks=len(self.tasks), written=self.folder.written,
            kept=self.folder.kept,
        )  # fmt: skip

    def _tested(self, board: Board, number: int) -> Board:
        """The board with its tests, which are kept from build to build."""
        ranked = [row for row in board.rows if row.rank is not None]
        made: list[Board] = []

        def make() -> Any:
            made.append(tested(board, self.registry))
            if made[0].smallest is None:
                return None
            return {"rows": [[row.ranks, row.tier] for row in made[0].rows[: len(ranked)]], "smallest": made[0].smallest}

        inputs = [[self.runs[result.folder].rows_state for result in row.results] for row in ranked]
        value = self.folder.value(f"tests of {board.task}, {number}", inputs, make)
        if made:
            return made[0]
        rows = [
            replace(row, ranks=(low, high), tier=tier) for row, ((low, high), tier) in zip(ranked, value["rows"], strict=True)
        ]
        return replace(board, rows=[*rows, *board.rows[len(rows) :]], smallest=value["smallest"])

    def _assets(self) -> None:
        files = {f"assets/{path.name}": path.read_bytes() for path in sorted((HERE / "assets").iterdir())}
        self.folder.files("assets", sorted(files), lambda: files)

    def _index(self) -> None:
        state = [[task.slug, [table.state for table in task.tables]] for task in self.tasks]
        self.folder.files("index", [state, self.pages.state, self.look.about, list(self.look.left_out)], self._make_index)

    def _make_index(self) -> Mapping[str, str]:
        lines = [(task, table, row) for task in self.tasks for table in task.tables for row in table.board.rows]
        parts = [lines[start : start + ROWS] for start in range(0, len(lines), ROWS)]
        names = ["index.html", *(f"runs-{i}.html" for i in range(2, len(parts) + 1))]
        overview = make_overview(self.boards)
        points = overview_points(overview, self.runs) if overview else []
        shared = {
            "tasks": self.tasks, "overview": overview, "told_overview": overview_story(overview, points) if overview else "",
            "picture": plots.svg(points, OVERVIEW, "") if len(points) > 1 else "", "runs": self.runs,
            "stories": {task.slug: story(task.first) for task in self.tasks}, "look": self.look,
            "folds": {name: unknown(self.runs.values(), name) for name in ("parameters", "speed")},
        }  # fmt: skip
        marked = [notes([(row, table.board.apart) for _, table, row in part]) for part in parts]
        return {
            name: self.pages.render("index.html", "", lines=part, part=i, parts=names, notes=marked[i], **shared)
            for i, (name, part) in enumerate(zip(names, parts, strict=True))
        }

    def _task(self, task: TaskTables) -> None:
        def make() -> Mapping[str, str]:
            drawn = {
                table.number: [(name, plots.svg(points, axes, "../")) for name, points, axes in table.plots(told_of(table))]
                for table in task.tables
            }
            told = {table.number: story(table) for table in task.tables}
            return {task.page: self.pages.render("task.html", "../", task=task, plots=drawn, stories=told)}

        self.folder.files(task.page, [task.slug, self.pages.state, *(table.state for table in task.tables)], make)

    def _data(self, task: TaskTables) -> dict[str, int]:
        """Writes what the pages of pairs load; returns how many scripts each run has, and each table's examples."""
        counts: dict[str, int] = {}
        for table in task.tables if self.look.examples else ():
            holder = next((run for run in table.all_runs if (run.result.folder / "predictions.jsonl").exists()), None)
            if holder is None:
                continue
            name, state = f"examples-{table.number}", holder.rows_state
            examples = functools.partial(self._examples, task, name, holder)
            counts[name] = len(self.folder.files(f"data of {task.slug}: {name}", state, examples))
            ids = functools.cache(functools.partial(_ids, holder))
            for run in table.all_runs:
                answers = functools.partial(self._answers, task, table, run, ids)
                inputs = [run.rows_state, table.scored, table.board.record["data"]["fingerprint"]]
                counts[run.key] = len(self.folder.files(f"data of {task.slug}: {run.key}", inputs, answers))
        return counts

    def _examples(self, task: TaskTables, name: str, run: Run) -> Mapping[str, str]:
        try:
            rows = [[p["id"], p.get("inputs", {}), p["reference"], p["slices"]] for p in run.result.predictions()]
        except (OSError, ValueError, KeyError, PlmtasksError):
            return {}
        return scripts.scripts(f"data/{task.slug}/{name}", name, rows)

    def _answers(self, task: TaskTables, table: Table, run: Run, ids: Any) -> Mapping[str, str]:
        """Nothing if the run's predictions are not there, or are not those of the table's examples."""
        try:
            lines = list(run.result.predictions())
            if [p["id"] for p in lines] != ids():
                return {}
            scores = table.example_scores(run) or [None] * len(lines)
            judged = mistakes(run.result, self.registry).judged
            rows = [[j.prediction, score, j.right, j.confidence] for j, score in zip(judged, scores, strict=True)]
        except (OSError, ValueError, KeyError, PlmtasksError):
            return {}
        return scripts.scripts(f"data/{task.slug}/{run.key}", run.key, rows)

    def _pairs(self, task: TaskTables, counts: Mapping[str, int]) -> None:
        states = [task.slug, self.pages.state, *(table.state for table in task.tables), counts]

        def make() -> Mapping[str, str]:
            return {
                f"data/{task.slug}/pairs.js": scripts.script("pairs", {**_pairs(task, counts), "hidden": not self.look.examples}),
                task.pairs_page: self.pages.render("compare.html", "../", task=task),
            }

        self.folder.files(task.pairs_page, states, make)

    def _runs(self, task: TaskTables, table: Table, data: Mapping[str, int]) -> None:
        for row in table.board.rows:
            near = [(name, other, table.run(other)) for name, other in table.neighbours(row)]
            for run in table.runs_of(row):
                parts = {"examples": data.get(f"examples-{table.number}", 0), "answers": data.get(run.key, 0)}
                siblings = [other for other in table.runs_of(row) if other is not run]
                shown = [
                    self.pages.state, run.state, row.rank, row.ranks, row.tier, row.twin, row.details, table.board.apart,
                    task.slug, [[name, other.key] for name, _, other in near], [other.key for other in siblings], parts,
                ]  # fmt: skip
                values = {
                    "task": task,
                    "table": table,
                    "row": row,
                    "run": run,
                    "near": near,
                    "siblings": siblings,
                    "parts": parts,
                }
                make = functools.partial(self._make_run, run, values)
                self.folder.files(run.page, shown, make)

    def _make_run(self, run: Run, values: Mapping[str, Any]) -> Mapping[str, str]:
        try:
            made = mistakes(run.result, self.registry) if self.look.examples else None
        except (OSError, ValueError, KeyError, PlmtasksError):
            made = None
        shown = {"made": made, "confused": confused(made) if made else None, "examples": self.look.examples}
        return {run.page: self.pages.render("run.html", "../", **shown, **values)}


def _ids(run: Run) -> list[str]:
    return [p["id"] for p in run.result.predictions()]


def _pairs(task: TaskTables, counts: Mapping[str, int]) -> dict[str, Any]:
    """What the page of pairs knows before it loads any examples."""
    runs = [
        {
            "key": run.key, "table": table.number, "parts": counts.get(run.key, 0), "model": row.result.model,
            "score": run.result.score, "folder": str(run.place),
        }
        for table in task.tables for row in table.board.rows for run in table.runs_of(row)
    ]  # fmt: skip
    tables = [
        {
            "examples": f"examples-{table.number}", "parts": counts.get(f"examples-{table.number}", 0), "main": table.main,
            "unit": table.unit, "higher": table.board.higher_is_better, "apart": table.board.apart,
        }
        for table in task.tables
    ]  # fmt: skip
    found = [
        [a, b, *(None if v is None else round(v, 6) for v in difference)]
        for table in task.tables for (a, b), difference in table.differences.items()
    ]  # fmt: skip
    return {"data": f"../data/{task.slug}/", "runs": runs, "tables": tables, "differences": found}


def _maker() -> str:
    """A hash of the code and the templates that make pages."""
    content = hashlib.sha256()
    for folder in (HERE, Path(inspect.getfile(make_boards)).parent, *(Path(p.__path__[0]) for p in (statistics, store))):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                content.update(path.read_bytes())
    return content.hexdigest()
