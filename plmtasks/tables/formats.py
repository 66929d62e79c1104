"""Ranked tables for terminals, and as Markdown, LaTeX, CSV and JSON."""

import csv as csv_module
import io
import json as json_module
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.errors import InputError, counted, printable
from plmtasks.files import terminal, with_interval
from plmtasks.results import Result

from .boards import Board, Row, ScoreName, make_boards
from .overview import Overview, make_overview
from .selection import Selection, chosen_scores, cost_columns, told

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

SHOWN_SCORES = 5
"""Scores a table shows; the others are in the CSV and JSON forms."""
SHORT = 5
"""Names of models that take one of so many parts of a line at most are not broken."""
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
"""Digits as the signs of footnotes."""


class Part(NamedTuple):
    """A board or the overview, in cells."""

    task: str
    """Empty: it is the overview."""
    about: str
    header: list[str]
    lines: list[list[str]]
    right: Collection[str]
    """The columns that end at their right edge."""

    @property
    def caption(self) -> str:
        return f"{self.task}: {self.about}" if self.task else self.about


def parts(
    boards: Sequence[Board], overview: Overview | None, escape: Callable[[str], str], *, scores: bool = False
) -> Iterator[Part]:
    """Each board with its scores, and the overview.

    escape: of what comes from a result's names
    scores: the overview has the main score on every task
    """
    for board in boards:
        yield _board(board, shown_scores(board), escape)
    if overview is not None:
        yield _overview(overview, escape, scores)


def table(boards: Sequence[Board], overview: Overview | None) -> str:
    """For a terminal, as wide as it is: with the scores that have room, the main one always, and marks as footnotes."""
    made = [_shown(*_noted(board)) for board in boards]
    return "".join([*made, *(_shown(part, [], part.right) for part in parts([], overview, printable))])


def _shown(part: Part, notes: Sequence[str], firm: Collection[str]) -> str:
    below = "".join(f"{terminal.wrapped(note, '  ')}\n" for note in notes)
    caption = terminal.wrapped(printable(part.caption))
    if max((len(line[part.header.index("model")]) for line in part.lines), default=0) <= terminal.columns() // SHORT:
        firm = [*firm, "model"]
    tables = "\n".join(terminal.table(header, lines, part.right, firm=firm) for header, lines in _cut(part, firm))
    return f"{caption}\n\n{tables}{below}\n"


def _cut(part: Part, firm: Collection[str]) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Header and lines of tables that have room, each with the models and what is before them, and as many columns as fit."""

    def taken(columns: Sequence[int]) -> tuple[list[str], list[list[str]]]:
        header, *lines = ([cells[i] for i in (*range(who), *columns)] for cells in (part.header, *part.lines))
        return header, lines

    who, columns = part.header.index("model") + 1, list[int]()
    for column in range(who, len(part.header)):
        if columns and not terminal.fits(*taken([*columns, column]), firm):
            yield taken(columns)
            columns = []
        columns.append(column)
    yield taken(columns)


def _noted(board: Board) -> tuple[Part, list[str], list[str]]:
    """The board with the scores that a terminal has room for, its marks as notes, and its columns of scores.

    The same mark has the same number; what tells models of one name apart stands beside it.
    """
    shown, marks = shown_scores(board), dict.fromkeys(mark for row in board.rows for mark in row.marks if mark not in row.details)
    signs = {mark: str(number).translate(RAISED) for number, mark in enumerate(marks, 1)}
    while True:
        part = _board(board, shown, printable, marked=False)
        model = part.header.index("model")
        for row, line in zip(board.rows, part.lines, strict=True):
            line[model] += f" ({printable(', '.join(row.details))})" if row.details else ""
            line[model] += ",".join(signs[mark] for mark in row.marks if mark in signs)
        fits = terminal.needed(part.header, part.lines) <= terminal.columns()
        if fits or len(shown) == 1 or board.columns is not None:
            break
        shown = shown[:-1]
    return part, [printable(f"{sign} {mark}") for mark, sign in signs.items()], part.header[part.header.index("n") :]


def markdown(boards: Sequence[Board], overview: Overview | None) -> str:
    """Tables of GitHub's Markdown."""
    lines: list[str] = []
    for part in parts(boards, overview, escape_markdown, scores=True):
        heading = [f"### {escape_markdown(part.task or 'All tasks')}", "", escape_markdown(part.about), ""]
        lines += [*heading, *markdown_table(part.header, part.lines), ""]
    return "\n".join(lines)


def latex(boards: Sequence[Board], overview: Overview | None) -> str:
    """Tables for the packages booktabs and, where texts are not ASCII, a Unicode engine or fontspec."""
    lines: list[str] = []
    for part in parts(boards, overview, escape_latex):
        sides = "".join("r" if name in part.right else "l" for name in part.header)
        header, *rows = [" & ".join(cells) + r" \\" for cells in (part.header, *part.lines)]
        lines += [
            r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(part.caption)}}}", rf"\begin{{tabular}}{{{sides}}}",
            r"\toprule", header, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
        ]  # fmt: skip
    return "\n".join(lines)


def csv(boards: Sequence[Board], overview: Overview | None, delimiter: str = ",") -> str:
    """One line for each score of each run."""
    file = io.StringIO()
    columns = [
        "task", "data", "split", "apart", "rank", "rank_low", "rank_high", "tier", "seeds", "model", "family",
        "ask", "protocol", "shots", "prompt", "examples", "total",
        "marks", "metric", "score", "primary_metric",
        "value", "low", "high", "interval", "seed_deviation", "seed_low", "seed_high", "unit",
        "higher_is_better", "identity",
    ]  # fmt: skip
    writer = csv_module.DictWriter(file, columns, lineterminator="\n", delimiter=delimiter)
    writer.writeheader()
    for board in boards:
        for row in board.rows:
            shared = {
                **_run(row, board),
                "task": board.task,
                "data": row.result.data,
                "split": row.record["data"]["split"],
                "apart": board.apart,
                "marks": "; ".join(row.marks),
            }
            for metric, scores in shared["scores"].items():
                for name, score in scores.items():
                    line = {**shared, "metric": metric, "score": name, "primary_metric": (metric, name) == board.main, **score}
                    writer.writerow({column: no_formula(line.get(column)) for column in columns})
    return file.getvalue()


def no_formula(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: OWASP's way, an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def json(boards: Sequence[Board], overview: Overview | None) -> str:
    """All that the tables rest on."""
    made = [
        {
            "task": board.task, "data": {k: board.record["data"][k] for k in ("name", "split", "fingerprint", "total")},
            "apart": board.apart, "primary_metric": list(board.main), "higher_is_better": board.higher_is_better,
            "smallest_difference": board.smallest, "untested": board.untested, "runs": [_run(row, board) for row in board.rows],
        }
        for board in boards
    ]  # fmt: skip
    over = overview and {
        "tasks": list(overview.tasks), "averaged": list(overview.averaged),
        "models": [
            {name: value for name, value in vars(s).items() if name != "cells"}
            | {"identities": {task: row.result.identity for task, row in s.cells.items()}}
            for s in overview.standings
        ],
    }  # fmt: skip
    return json_module.dumps({"boards": made, "overview": over}, ensure_ascii=False, indent=1) + "\n"


def _run(row: Row, board: Board) -> dict[str, Any]:
    model = row.record["model"]
    low, high = row.ranks or (None, None)
    return {
        "rank": row.rank, "rank_low": low, "rank_high": high, "tier": row.tier, "model": model["name"], "family": model["family"],
        "ask": model["ask"], "protocol": row.protocol, "shots": row.record["protocol"]["shots"],
        "prompt": row.prompt, "examples": row.examples, "total": row.total, "marks": row.marks,
        "identity": row.result.identity, "seeds": len(row.results), "identities": [r.identity for r in row.results],
        "scores": {m: {s: _scored(row, (m, s)) for s in scores} for m, scores in told(board, row.record["scores"]).items()},
    }  # fmt: skip


def _scored(row: Row, name: ScoreName) -> dict[str, Any]:
    found = row.spread(name)
    seeds = {"seed_deviation": found.deviation, "seed_low": found.low, "seed_high": found.high} if found else {}
    return {**row.score(name), **seeds}


def _about(board: Board, shown: Sequence[ScoreName]) -> str:
    """On what, and by which score, its runs are ranked; and why apart from others."""
    data = board.record["data"]
    direction = "higher is better" if board.higher_is_better else "lower is better"
    on = f"{board.rows[0].result.data}, split {data['split']}"
    text = f"{on}; ranked by {label(board, board.main)} ({direction}), with 95 % intervals"
    if any(row.others for row in board.rows):
        text += "; of several seeds the mean, and under seeds the deviation of one and the interval of that mean"
    left_out = 0 if board.columns is not None else len(board.scores) - len(shown)
    text += f"; {counted(left_out, 'more score')} in the csv and json forms" if left_out else ""
    text += f"; apart from the table above: {board.apart}" if board.apart else ""
    if board.untested:
        return f"{text}; ranks are not tested: {board.untested}"
    if not board.smallest:
        return text
    unit = board.rows[0].score(board.main)["unit"]
    return f"{text}; ranks and tiers by paired tests of all pairs; differences under {board.smallest:.2g} {unit} hardly show here"


def _board(board: Board, shown: Sequence[ScoreName], escape: Callable[[str], str], *, marked: bool = True) -> Part:
    """A board with these scores.

    marked: a column has the rows' marks, if any has some
    """
    first, *others = [(label(board, name) + ("" if higher(board, name) else " ↓"), partial(_cell, name)) for name in shown]
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("rank", rank), *[("tier", lambda row: str(row.tier or "–"))] * any(row.tier for row in board.rows),
        ("model", lambda row: escape(row.result.model)), ("family", lambda row: escape(row.record["model"]["family"])),
        ("protocol", lambda row: escape(row.protocol)), ("n", scored), first,
        *[("seeds", _seeds)] * any(row.others for row in board.rows), *others, *cost_columns(board),
        *[("marks", lambda row: escape("; ".join(row.marks)))] * (marked and any(row.marks for row in board.rows)),
    ]  # fmt: skip
    lines = [[cell(row) for _, cell in columns] for row in board.rows]
    right = ("rank", "tier", "n", "parameters", "examples/s", "memory")
    return Part(board.task, _about(board, shown), [escape(name) for name, _ in columns], lines, right)


def _cell(name: ScoreName, row: Row) -> str:
    return with_interval(row.score(name))


def scored(row: Row) -> str:
    """On how many examples its scores rest."""
    return str(row.total) if row.examples == row.total else f"{row.examples} of {row.total}"


def _overview(overview: Overview, escape: Callable[[str], str], scores: bool) -> Part:
    """A line for each model."""
    tasks, averaged = len(overview.tasks), len(overview.averaged)
    of = "" if tasks == averaged else f" of the {averaged} that are scored in points"
    averages = f"averages{of} only where no score is missing" if averaged else "no average, since none is scored in points"
    about = f"all {tasks} tasks: by mean win rate over each model's own tasks; {averages}"
    right, lines = ("tasks", "win rate", "mean rank", "average"), []
    header = ["model", "family", "protocol", *right, *(map(escape, overview.tasks) if scores else ())]
    for s in overview.standings:
        count = f"{len(s.cells)} of {tasks}" if len(s.cells) < tasks else str(tasks)
        average = with_interval({"value": s.average, "low": s.low, "high": s.high, "unit": "points"})
        rows = [s.cells.get(task) for task in overview.tasks] if scores else []
        found = ["–" if row is None else with_interval(row.score(row.main)) for row in rows]
        rate = "–" if s.win_rate is None else f"{s.win_rate:.1f} %"
        who = [s.model, s.family, s.protocol + (f"; best of several on {s.several_runs}" if s.several_runs else "")]
        lines.append([*map(escape, who), count, rate, f"{s.mean_rank:.2f}", average, *found])
    return Part("", about, header, lines, right)


def rank(row: Row) -> str:
    """1–3: the ranks that the data leave open."""
    low, high = row.ranks or (row.rank, row.rank)
    return "–" if low is None else str(low) if low == high else f"{low}–{high}"


def _seeds(row: Row) -> str:
    """5: ±0.31 [87.7, 88.5]: how far the main score moves from seed to seed; nothing of other examples."""
    spread = row.spread(row.main)
    if spread is None:
        return "–" if row.recipe is None else str(len(row.results))
    return f"{spread.n}: ±{spread.deviation:.2g} [{spread.low:.4g}, {spread.high:.4g}]"


def shown_scores(board: Board) -> list[ScoreName]:
    """The main score, and others that some run has; not those of single labels, which have brackets in their names."""
    if board.columns is not None:
        return chosen_scores(board)
    defined = [name for name in board.scores[1:] if any(row.score(name)["value"] is not None for row in board.rows)]
    return [board.main, *(name for name in defined if "[" not in name[1])][:SHOWN_SCORES]


def label(board: Board, name: ScoreName) -> str:
    """The score's name, with its metric's where two metrics have a score of that name."""
    return name[1] if sum(name[1] == other[1] for other in board.scores) == 1 else "/".join(name)


def higher(board: Board, name: ScoreName) -> bool:
    return all(row.score(name).get("higher_is_better", True) for row in board.rows)


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of GitHub's Markdown; its cells are escaped already."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines)]


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is; underscores within words mean nothing there."""
    return re.sub(r"([\\`*<>|\[\]&~]|(?<!\w)_|_(?!\w))", r"\\\1", printable(text))


def escape_latex(text: str) -> str:
    named = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
    }
    return "".join(named.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in printable(text))


FORMATS: Mapping[str, Callable[[Sequence[Board], Overview | None], str]] = {
    "table": table, "markdown": markdown, "csv": csv, "tsv": partial(csv, delimiter="\t"), "json": json, "latex": latex,
}  # fmt: skip


def render(results: Sequence[Result], form: str, registry: "Registry | None" = None, selection: Selection | None = None) -> str:
    """The ranked runs of each task as text.

    form: one of FORMATS; a table is as wide as the terminal
    registry: whose metrics make ranks and tiers of the runs' statistics; None: ranks are those of the scores alone

    raises: InputError for another form, or a name that the runs do not have; DataError for a result that lacks what its
        schema demands
    """
    if form not in FORMATS:
        raise InputError(f"there is no format {form!r}", f"there are: {', '.join(FORMATS)}")
    selection = selection or Selection()
    boards = make_boards(selection.results(results), registry)
    return FORMATS[form](selection.arranged(boards), make_overview(boards))
