"""A suite's table for terminals, and as Markdown, LaTeX, CSV and JSON."""

import csv as csv_module
import io
import json as json_module
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from plmtasks.errors import InputError, printable
from plmtasks.files import terminal, with_interval
from plmtasks.scoring import breakdown

from .formats import escape_latex, escape_markdown, markdown_table, no_formula
from .suites import Cell, Column, Figure, Line, SuiteTable

MISSING = {True: "n/a", False: "–"}
"""What stands where a column has no score: of a mean, and of scores."""

FIELDS = (
    "model", "column", "score", "value", "low", "high", "unit", "higher_is_better", "examples", "seeds", "seed_deviation",
    "protocol",
)  # fmt: skip


def table(made: SuiteTable) -> str:
    """For a terminal; the best have an asterisk."""
    header, lines = _cells(made, printable, lambda text: f"{text}*")
    notes = [terminal.wrapped(printable(note), "  ") for note in _notes(made, "* the best of a column")]
    return terminal.table(header, lines, header[1:], firm=header[:1]) + "".join(f"{note}\n" for note in ("", *notes))


def markdown(made: SuiteTable) -> str:
    header, lines = _cells(made, escape_markdown, lambda text: f"**{text}**")
    notes = [f"- {escape_markdown(note)}" for note in _notes(made, "bold: the best of a column")]
    return "\n".join([*markdown_table(header, lines), "", *notes, ""])


def latex(made: SuiteTable) -> str:
    """For the package booktabs."""
    header, lines = _cells(made, escape_latex, lambda text: rf"\textbf{{{text}}}")
    first, *rows = [" & ".join(cells) + r" \\" for cells in (header, *lines)]
    notes = [rf"\item {escape_latex(note)}" for note in _notes(made, "bold: the best of a column")]
    sides = f"l{'r' * len(made.columns)}"
    text = [
        r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{sides}}}", r"\toprule", first, r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}", r"\begin{itemize}\footnotesize", *notes, r"\end{itemize}", r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(text)


def csv(made: SuiteTable, delimiter: str = ",") -> str:
    """One line for each score of each row, and for what a column comes to."""
    file = io.StringIO()
    writer = csv_module.DictWriter(file, FIELDS, lineterminator="\n", delimiter=delimiter)
    writer.writeheader()
    for found in _figures(made):
        writer.writerow({name: no_formula(value) for name, value in found.items()})
    return file.getvalue()


def json(made: SuiteTable) -> str:
    """All that the table rests on."""
    columns = [{"title": c.title, "scores": list(c.scores), "less": list(c.less), "mean": list(c.mean)} for c in made.columns]
    runs = {line.model: {task: [r.identity for r in row.results] for task, row in line.tasks.items()} for line in made.lines}
    told = {"columns": columns, "scores": list(_figures(made)), "runs": runs}
    return json_module.dumps(told, ensure_ascii=False, indent=1) + "\n"


SUITE_FORMATS: Mapping[str, Callable[[SuiteTable], str]] = {
    "table": table, "markdown": markdown, "csv": csv, "tsv": partial(csv, delimiter="\t"), "json": json, "latex": latex,
}  # fmt: skip


def suite_text(made: SuiteTable, form: str) -> str:
    """raises: InputError for a form that is none of SUITE_FORMATS"""
    if form not in SUITE_FORMATS:
        raise InputError(f"there is no format {form!r}", f"there are: {', '.join(SUITE_FORMATS)}")
    return SUITE_FORMATS[form](made)


def _cells(
    made: SuiteTable, escape: Callable[[str], str], bold: Callable[[str], str]
) -> tuple[list[str], list[list[str]]]:  # fmt: skip
    """Header and lines."""
    best = {column.title: made.best(column.title) for column in made.columns}

    def cell(line: Line, column: Column) -> str:
        found = line.cells.get(column.title)
        if found is None:
            return escape(MISSING[bool(column.mean)])
        text = escape("/".join(map(_printed, found.figures)))
        return bold(text) if line.model in best[column.title] else text

    lines = [[escape(line.model), *(cell(line, column) for column in made.columns)] for line in made.lines]
    return ["model", *(escape(column.title) for column in made.columns)], lines


def _printed(figure: Figure) -> str:
    """88.9, or 88.9±0.4 of several seeds, as papers print points."""
    form = "z.1f" if figure.unit == "points" else "z.3g"  # z: no negative zero
    deviation = f"±{figure.deviation:{form}}" if figure.deviation is not None else ""
    return f"{figure.value:{form}}{deviation}"


def _notes(made: SuiteTable, best: str) -> Iterator[str]:
    """What the scores rest on: seeds, protocols, and of each score its interval and its number of examples."""
    if any(made.best(column.title) for column in made.columns):
        yield best
    if any(f.deviation is not None for line in made.lines for cell in line.cells.values() for f in cell.figures):
        yield "±: the deviation of one seed, beside the mean of all"
    missing = {bool(column.mean) for line in made.lines for column in made.columns if column.title not in line.cells}
    if False in missing:
        yield f"{MISSING[False]}: no run, a score that is not defined, or a slice of fewer than {breakdown.LEAST} examples"
    if True in missing:
        yield f"{MISSING[True]}: the mean of columns of which one is missing"
    for line in made.lines:
        protocols = line.protocols
        told = [how if len(protocols) == 1 else f"{how} ({', '.join(tasks)})" for how, tasks in protocols.items()]
        yield f"{line.model}: {'; '.join(told)}"
        found = [f"{column.title} {_rests(line.cells[column.title])}" for column in made.columns if column.title in line.cells]
        yield f"{line.model}, with 95 % intervals: {'; '.join(found)}"


def _rests(cell: Cell) -> str:
    said = " / ".join(with_interval({"value": f.value, "low": f.low, "high": f.high, "unit": f.unit}) for f in cell.figures)
    counts = dict.fromkeys(f.examples for f in cell.figures)
    return f"{said}, n {' / '.join(f'{n:,}' for n in counts)}"


def _figures(made: SuiteTable) -> Iterator[dict[str, Any]]:
    for line in made.lines:
        how = "; ".join(line.protocols)
        for column in made.columns:
            if (cell := line.cells.get(column.title)) is None:
                continue
            names = column.scores if len(cell.figures) == len(column.scores) and not column.less else (column.title,)
            each = [*zip(names, cell.figures, strict=True), *[(column.title, cell.total)] * (len(cell.figures) > 1)]
            for name, f in each:
                seeds = {"seeds": max(1, len(f.seeds)), "seed_deviation": f.deviation}
                score = {"value": f.value, "low": f.low, "high": f.high, "unit": f.unit, "higher_is_better": f.higher_is_better}
                yield {
                    "model": line.model,
                    "column": column.title,
                    "score": name,
                    **score,
                    "examples": f.examples,
                    **seeds,
                    "protocol": how,
                }
