"""Ranked tables as text for terminals, pages, spreadsheets and programs."""

import csv as csv_module
import io
import itertools
import json as json_module
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from plmtasks.errors import counted, printable

from .boards import Board, Row, ScoreName
from .overview import Overview, Standing

SHOWN_SCORES = 5
"""Scores a table shows; the others are in the CSV and JSON forms."""
GAP = 2
"""Between the columns of a terminal's table."""
NAME_WIDTH = 12
"""The least for a model's name there."""
NUMBERS = ("rank", "tier", "n")
OVERVIEW_TEXTS = ("model", "family", "protocol")
MARKS_WIDTH = 24
"""The least for marks there, as long as a score can be left out instead."""


def table(boards: Sequence[Board], overview: Overview | None = None) -> str:
    """For a terminal, as wide as it is: with the scores that have room, the main one always."""
    width = shutil.get_terminal_size((160, 24)).columns
    blocks = []
    for board in boards:
        shown, columns, widths = _fitting(board, width)
        model = [name for name, *_ in columns].index("model")
        columns[model] = [_broken(name, widths[model]) for name in columns[model]]
        right = [name in NUMBERS for name, *_ in columns]
        blocks += [_wrapped(printable(f"{board.task}: {_about(board, shown)}"), width), _laid_out(columns, widths, right)]
    if overview is not None:
        header, lines = _overview(overview, printable)
        columns = [list(column) for column in zip(header, *lines, strict=True)]
        widths = [max(map(_length, column)) for column in columns]
        right = [name not in OVERVIEW_TEXTS for name in header]
        blocks += [_wrapped(_about_all(overview), width), _laid_out(columns, widths, right)]
    return "".join(f"{block}\n\n" for block in blocks)


def _laid_out(columns: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> str:
    """The columns, headers first, beside each other; what is too wide goes on in the next line."""
    header, *lines = zip(*columns, strict=True)
    made = []
    for line in (header, *lines):
        cells = [_wrapped(cell, width).split("\n") for cell, width in zip(line, widths, strict=True)]
        for pieces in itertools.zip_longest(*cells, fillvalue=""):
            spaces = [" " * (width - _length(piece)) for piece, width in zip(pieces, widths, strict=True)]
            placed = [space + piece if r else piece + space for piece, space, r in zip(pieces, spaces, right, strict=True)]
            made.append((" " * GAP).join(placed).rstrip())
        if line is header:
            made.append("─" * (sum(widths) + GAP * (len(widths) - 1)))
    return "\n".join(made)


def _length(text: str) -> int:
    """Places that it takes on a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _wrapped(text: str, width: int) -> str:
    if all(_length(line) <= width for line in text.split("\n")):
        return text
    from rich.console import Console
    from rich.text import Text

    # as Text, a bracket is no markup
    lines = Text(text).wrap(Console(width=width), width, overflow="fold")
    return "\n".join(line.plain.rstrip() for line in lines)


def markdown(boards: Sequence[Board], overview: Overview | None = None) -> str:
    """Tables of GitHub's Markdown."""
    blocks = []
    for board in boards:
        shown = shown_scores(board)
        header, lines = _cells(board, shown, escape_markdown)
        heading = [f"### {escape_markdown(board.task)}", "", escape_markdown(_about(board, shown)), ""]
        blocks.append("\n".join([*heading, *markdown_table(header, lines), ""]))
    if overview is not None:
        header, lines = _overview(overview, escape_markdown, scores=True)
        heading = ["### All tasks", "", escape_markdown(_about_all(overview)), ""]
        blocks.append("\n".join([*heading, *markdown_table(header, lines), ""]))
    return "\n".join(blocks)


def latex(boards: Sequence[Board], overview: Overview | None = None) -> str:
    """Tables for the packages booktabs and, where texts are not ASCII, a Unicode engine or fontspec."""
    blocks = []
    for board in boards:
        shown = shown_scores(board)
        header, lines = _cells(board, shown, _latex)
        sides = ["r" if name in NUMBERS else "l" for name in header]
        blocks += _tabular(f"{board.task}: {_about(board, shown)}", sides, [header, *lines])
    if overview is not None:
        header, lines = _overview(overview, _latex)
        blocks += _tabular(_about_all(overview), ["l" if name in OVERVIEW_TEXTS else "r" for name in header], [header, *lines])
    return "\n".join(blocks)


def _tabular(caption: str, sides: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    header, *rows = [" & ".join(cell.replace("↓", r"$\downarrow$") for cell in line) + r" \\" for line in lines]
    return [
        r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}", rf"\begin{{tabular}}{{{''.join(sides)}}}",
        r"\toprule", header, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ]  # fmt: skip


def csv(boards: Sequence[Board], overview: Overview | None = None) -> str:
    """One line for each score of each run."""
    file = io.StringIO()
    columns = [
        "task", "data", "split", "apart", "rank", "rank_low", "rank_high", "tier", "seeds", "model", "family",
        "ask", "protocol", "shots", "prompt", "examples", "total",
        "marks", "metric", "score", "primary_metric",
        "value", "low", "high", "interval", "seed_deviation", "seed_low", "seed_high", "unit",
        "higher_is_better", "identity",
    ]  # fmt: skip
    writer = csv_module.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for board in boards:
        for row in board.rows:
            run = {k: v for k, v in _run(row).items() if k not in ("identities", "folders")}
            scored, marks = run.pop("scores"), "; ".join(run["marks"])
            data = row.record["data"]
            shared = {
                **run,
                "task": board.task,
                "data": row.result.data,
                "split": data["split"],
                "apart": board.apart,
                "marks": marks,
            }
            for metric, scores in scored.items():
                for name, score in scores.items():
                    main = (metric, name) == board.main
                    fields = {k: v for k, v in score.items() if k in columns}
                    line = {**shared, "metric": metric, "score": name, "primary_metric": main, **fields}
                    writer.writerow({column: _no_formula(value) for column, value in line.items()})
    return file.getvalue()


def _no_formula(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: OWASP's way, an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def json(boards: Sequence[Board], overview: Overview | None = None) -> str:
    """All that the tables rest on."""
    made = [
        {
            "task": board.task, "data": {k: board.record["data"][k] for k in ("name", "split", "fingerprint", "total")},
            "apart": board.apart, "primary_metric": list(board.main), "higher_is_better": board.higher_is_better,
            "smallest_difference": board.smallest, "untested": board.untested, "runs": [_run(row) for row in board.rows],
        }
        for board in boards
    ]  # fmt: skip
    over = None if overview is None else _json_overview(overview)
    return json_module.dumps({"boards": made, "overview": over}, ensure_ascii=False, indent=1) + "\n"


def _json_overview(overview: Overview) -> dict[str, Any]:
    rows = [
        {
            "model": s.model, "family": s.family, "protocol": s.protocol, "mean_rank": s.mean_rank, "win_rate": s.win_rate,
            "average": s.average, "low": s.low, "high": s.high, "several_runs": s.several,
            "identities": {task: row.result.identity for task, row in s.cells.items()},
        }
        for s in overview.standings
    ]  # fmt: skip
    return {"tasks": list(overview.tasks), "averaged": list(overview.averaged), "models": rows}


def _run(row: Row) -> dict[str, Any]:
    model = row.record["model"]
    low, high = row.ranks or (None, None)
    return {
        "rank": row.rank, "rank_low": low, "rank_high": high, "tier": row.tier, "model": model["name"], "family": model["family"],
        "ask": model["ask"], "protocol": row.protocol, "shots": row.record["protocol"]["shots"],
        "prompt": row.record["settings"]["prompt"], "examples": row.examples, "total": row.total, "marks": row.marks,
        "identity": row.result.identity, "seeds": len(row.results), "identities": [r.identity for r in row.results],
        "scores": {m: {s: _scored(row, (m, s)) for s in scores} for m, scores in row.record["scores"].items()},
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
    left_out = len(board.scores) - len(shown)
    text += f"; {counted(left_out, 'more score')} in the csv and json forms" if left_out else ""
    text += f"; apart from the table above: {board.apart}" if board.apart else ""
    if board.untested:
        return f"{text}; ranks are not tested: {board.untested}"
    if not board.smallest:
        return text
    unit = board.rows[0].score(board.main)["unit"]
    return f"{text}; ranks and tiers by paired tests of all pairs; differences under {board.smallest:.2g} {unit} hardly show here"


def _cells(board: Board, shown: Sequence[ScoreName], escape: Callable[[str], str]) -> tuple[list[str], list[list[str]]]:
    """The header, and a line of cells for each run; what comes from a result's names is escaped."""
    marked, tested = any(row.marks for row in board.rows), any(row.tier for row in board.rows)
    scores = [label(board, name) + ("" if higher(board, name) else " ↓") for name in shown]
    several = any(row.others for row in board.rows)
    tier, seeds, last = ["tier"] if tested else [], ["seeds"] if several else [], ["marks"] if marked else []
    header = [escape(name) for name in ("rank", *tier, "model", "family", "protocol", "n", scores[0], *seeds, *scores[1:], *last)]
    lines = []
    for row in board.rows:
        record = row.record
        who = [record["model"]["name"], record["model"]["family"], row.protocol]
        count = str(row.total) if row.examples == row.total else f"{row.examples} of {row.total}"
        marks = [escape("; ".join(row.marks))] if marked else []
        tier = [str(row.tier or "–")] if tested else []
        main, *rest = (with_interval(row.score(name)) for name in shown)
        seeds = [_seeds(row)] if several else []
        lines.append([rank(row), *tier, *map(escape, who), count, main, *seeds, *rest, *marks])
    return header, lines


def _about_all(overview: Overview) -> str:
    tasks, averaged = len(overview.tasks), len(overview.averaged)
    of = "" if tasks == averaged else f" of the {averaged} that are scored in points"
    return f"all {tasks} tasks: by mean win rate over each model's own tasks; averages{of} only where no score is missing"


def _overview(overview: Overview, escape: Callable[[str], str], *, scores: bool = False) -> tuple[list[str], list[list[str]]]:
    """The header, and a line of cells for each model.

    scores: with its main score on every task
    """
    header = [*OVERVIEW_TEXTS, "tasks", "win rate", "mean rank", "average", *(map(escape, overview.tasks) if scores else ())]
    lines = []
    for s in overview.standings:
        count = f"{len(s.cells)} of {len(overview.tasks)}" if len(s.cells) < len(overview.tasks) else str(len(s.cells))
        average = {"value": s.average, "low": s.low, "high": s.high, "unit": "points"}
        found = [_cell(s, task) for task in overview.tasks] if scores else []
        rate = "–" if s.win_rate is None else f"{s.win_rate:.1f} %"
        who = [escape(s.model), escape(s.family), escape(s.protocol + (f"; best of several on {s.several}" if s.several else ""))]
        lines.append([*who, count, rate, f"{s.mean_rank:.2f}", with_interval(average), *found])
    return header, lines


def _cell(standing: Standing, task: str) -> str:
    row = standing.cells.get(task)
    return "–" if row is None else with_interval(row.score(row.main))


def rank(row: Row) -> str:
    """1–3: the ranks that the data leave open."""
    low, high = row.ranks or (row.rank, row.rank)
    return "–" if low is None else str(low) if low == high else f"{low}–{high}"


def _seeds(row: Row) -> str:
    """5: ±0.31 [87.7, 88.5]: how far the main score moves from seed to seed; nothing of other examples."""
    spread = row.spread(row.main)
    if spread is None or spread.deviation is None:
        return "–" if row.recipe is None else str(len(row.results))
    low_high = f"{spread.low:.4g}, {spread.high:.4g}"
    return f"{spread.n}: ±{spread.deviation:.2g} [{low_high}]"


def shown_scores(board: Board) -> list[ScoreName]:
    """The main score, and others that some run has; not those of single labels, which have brackets in their names."""
    defined = [name for name in board.scores[1:] if any(row.score(name)["value"] is not None for row in board.rows)]
    return [board.main, *(name for name in defined if "[" not in name[1])][:SHOWN_SCORES]


def _fitting(board: Board, width: int) -> tuple[list[ScoreName], list[list[str]], list[int]]:
    """The scores that a terminal has room for, the columns (the header first) and their widths.

    The last scores go first. Then marks and texts are wrapped between words, and names of models after their signs.
    """
    shown = shown_scores(board)
    while True:
        header, lines = _cells(board, shown, printable)
        columns = [list(column) for column in zip(header, *lines, strict=True)]
        widths = [max(map(_length, column)) for column in columns]
        least = [max(_length(word) for cell in column for word in (cell.split() or [""])) for column in columns]
        marks = [len(columns) - 1] if header[-1] == "marks" else []
        excess = sum(widths) + GAP * (len(columns) - 1) - width
        if len(shown) == 1 or excess <= sum(max(0, widths[i] - max(least[i], MARKS_WIDTH)) for i in marks):
            break
        shown = shown[:-1]
    model = header.index("model")
    least[model] = min(widths[model], NAME_WIDTH)
    for i in (*marks, model, *range(len(columns))):
        cut = max(0, min(excess, widths[i] - least[i]))
        widths[i], excess = widths[i] - cut, excess - cut
    for _ in range(excess):  # a terminal too narrow for its words
        widths[widths.index(max(widths))] -= 1
    return shown, columns, widths


def _broken(name: str, width: int) -> str:
    """A model's name in lines, broken after its signs."""
    lines = [""]
    for piece in re.findall(r"[^/_.-]*[/_.-]+|[^/_.-]+", name):
        if lines[-1] and len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def label(board: Board, name: ScoreName) -> str:
    """The score's name, with its metric's where two metrics have a score of that name."""
    return name[1] if sum(name[1] == other[1] for other in board.scores) == 1 else "/".join(name)


def higher(board: Board, name: ScoreName) -> bool:
    return all(row.score(name).get("higher_is_better", True) for row in board.rows)


def with_interval(score: Mapping[str, Any]) -> str:
    """88.07 [85.8, 90.1]: a score is not shown without its interval, or the word that it has none."""
    if score["value"] is None:
        return "–"
    long, short = (".2f", ".1f") if score["unit"] == "points" else (".4g", ".3g")
    interval = "no interval" if score["low"] is None else f"{score['low']:{short}}, {score['high']:{short}}"
    return f"{score['value']:{long}} [{interval}]"


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table of GitHub's Markdown; its cells are escaped already."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *lines)]


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is; underscores within words mean nothing there."""
    return re.sub(r"([\\`*<>|\[\]&~]|(?<!\w)_|_(?!\w))", r"\\\1", printable(text))


def _latex(text: str) -> str:
    named = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "↓": r"$\downarrow$"}
    return "".join(named.get(c, rf"\{c}" if c in "&%$#_{}" else c) for c in printable(text))
