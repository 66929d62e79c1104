"""What a person wants to know of one run first, in a screen's length."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from plmtasks.errors import DataError, PlmtasksError
from plmtasks.files import here, terminal, with_interval
from plmtasks.results import Result, read_results
from plmtasks.store import mistakes, reasons

from .boards import Row, make_boards
from .formats import label, shown_scores
from .mistaken import NOTHING

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

SCORES = 4
"""Scores that are shown."""
WORST = 3
"""Slices that are shown."""
NEAR = 50
"""Runs of the same task that are looked at for one to compare with."""


def run_text(result: Result, registry: "Registry") -> str:
    """Its scores with what they rest on, where it is worst, where its files are, and what can be done next."""
    [board] = make_boards([result])
    [row] = board.rows
    record, data = result.record, result.record["data"]
    names = dict.fromkeys([result.task, result.data])
    pairs = [("task", f"{', '.join(names)}, split {data['split']}"), ("model", _model(result))]
    pairs += [(label(board, name), with_interval(row.score(name))) for name in shown_scores(board)[:SCORES]]
    pairs.append(("examples", f"{row.examples} of {row.total}, asked by {record['model']['ask']}"))
    pairs.append(("protocol", "; ".join([row.protocol, *_trained(result)])))
    if row.marks:
        pairs.append(("marks", "; ".join(row.marks)))
    pairs += _worst(row, registry)
    lines = [terminal.fields(pairs), "files\n", f"  {result.folder}\n", "next\n"]
    return "".join([*lines, *(f"  {line}\n" for line in _next(result)), "everything else: --all, or --format json\n"])


def _model(result: Result) -> str:
    try:
        took = result.environment()
    except DataError:  # the scores do not rest on it
        took = {}
    parts = [result.model, str(result.record["model"]["family"])]
    n = took.get("parameters") or 0
    parts += [f"{n / 1e6:.3g} M parameters" if n >= 1e6 else f"{n:,.0f} parameters"] if n > 0 else []
    finished = took.get("finished") or ""
    return ", ".join(parts) + (f"; {finished[:16].replace('T', ' ')}" if finished else "")


def _trained(result: Result) -> Iterator[str]:
    for lesson in result.record["protocol"]["trained_on"]:
        yield f"trained on {lesson['examples']} examples of {lesson['task']}, {lesson['split']}"


def _worst(row: Row, registry: "Registry") -> list[tuple[str, str]]:
    """The slices with the worst scores, how many examples were wrong, and what was confused most often."""
    metric, score = row.main
    sign = 1 if row.score(row.main)["higher_is_better"] else -1
    named = {name: part["scores"].get(metric, {}).get(score) for name, part in row.record.get("slices", {}).items()}
    found = {name: s for name, s in named.items() if s and s["value"] is not None}
    worst = sorted(found, key=lambda name: sign * found[name]["value"])[:WORST]
    unit = {"unit": row.score(row.main)["unit"]}
    told = [f"{name} {with_interval({**found[name], **unit})}" for name in worst]
    pairs = [("worst slices", "; ".join(told))] if told else []
    try:
        made = mistakes(row.result, registry)
    except PlmtasksError:  # without its predictions the rest has to do
        return pairs
    pairs.append(("wrong", f"{len(made.wrong)} of {made.answered} examples"))
    confused = made.confusion.confused[:WORST] if made.confusion else []
    pairs += [("confused", "; ".join(f"{a or NOTHING} as {b or NOTHING} {n}" for a, b, n in confused))] if confused else []
    return pairs


def _next(result: Result) -> list[str]:
    """Commands that can be typed as they stand."""
    folder = shlex.quote(str(result.folder))
    other = _comparable(result)
    with_what = shlex.quote(str(other)) if other else "ANOTHER_RUN"
    long = len(folder) + len(with_what) + 20 > terminal.columns()
    return [
        f"plmtasks results errors {folder}",
        f"plmtasks compare {folder} " + (f"\\\n    {with_what}" if long else with_what),
        f"plmtasks reproduce {folder}",
    ]


def _comparable(result: Result) -> Path | None:
    """The folder of another run that lies in the same store and may be compared with this one."""
    folder = result.folder
    if not here(folder):
        return None
    for path in sorted(folder.absolute().parent.parent.glob("*/*/result.json"))[:NEAR]:
        if path.parent == folder.absolute():
            continue
        try:
            [other] = read_results(folder.parent.parent / path.relative_to(folder.absolute().parent.parent))
        except PlmtasksError:
            continue
        if not reasons(result, other):
            return other.folder
    return None
