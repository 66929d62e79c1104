"""`plmtasks parity`."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plmtasks.cli import options
from plmtasks.cli.options import choice, setting
from plmtasks.cli.texts import say, say_json
from plmtasks.errors import PlmtasksError, counted

if TYPE_CHECKING:
    from .parity import Verdict


@options.command("parity", example="plmtasks parity benchmarks/parity.toml")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@setting("output", help="Results; default: the file's, else results.")
@setting("checkpoints", help="Models that are trained on the way; default: the file's, else checkpoints.")
@setting("processes", help="Of each run; default: the file's, else 1.")
@setting("limit", help="A look with few examples, which proves nothing.")
@choice("format", "table", "json", help="JSON has all, for a record.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that the file or what it names asks for.")
def command(file: Path, form: str, trust_remote_code: bool, **line: Any) -> None:
    """Run what others published, and compare the figures.

    A row is reproduced, off by more than its tolerance, or not run, and then it is said why: no weights, no data, no network.
    What is there is not run again. The exit code is 1 if a row is off.
    """
    from plmtasks.hooks import load_registry

    from .parity import parity, read_parity

    registry = load_registry(trusting=trust_remote_code)
    told = {"quiet": True, "yes": True, **{name: value for name, value in line.items() if value is not None}}
    rows = [(suite.on_line(told), claim) for suite, claim in read_parity(file)]
    verdicts = []
    for number, verdict in enumerate(parity(rows, registry), 1):
        say(f"[{number} of {len(rows)}] {verdict.task} on {verdict.model}: {verdict}", err=True)
        verdicts.append(verdict)
    if form == "json":
        say_json(json.dumps([verdict.record() for verdict in verdicts], ensure_ascii=False, indent=1))
    else:
        say(_table(verdicts), nl=False)
        count = Counter(str(verdict).split(" by ")[0].split(":")[0] for verdict in verdicts)
        say(f"{counted(len(verdicts), 'row')}: " + ", ".join(f"{n} {state}" for state, n in count.items()))
    if off := [verdict for verdict in verdicts if verdict.off]:
        raise PlmtasksError(
            f"{len(off)} of {counted(len(verdicts), 'row')} off by more than the tolerance",
            *(f"{verdict.task} on {verdict.model}: {verdict}; {verdict.claim.source}" for verdict in off),
        )


def _table(verdicts: "list[Verdict]") -> str:
    """A line for each published figure."""
    from plmtasks.files import terminal

    lines = []
    for verdict in verdicts:
        for score, published in verdict.claim.published.items():
            found = verdict.found.get(score)
            value = "–" if found is None else f"{found['value']:.4g}"
            interval = "" if found is None or found["low"] is None else f" [{found['low']:.3g}, {found['high']:.3g}]"
            rests = "–" if found is None else f"{found['examples']:,}" + f" × {found['seeds']}" * (found["seeds"] > 1)
            shown = (f"{published:g} ±{verdict.claim.tolerance:g}", f"{value}{interval}", rests, str(verdict))
            lines.append((verdict.task, verdict.model, score, *shown))
    header = ("task", "model", "score", "published", "found, 95 % interval", "n × seeds", "verdict")
    return terminal.table(header, lines, ("n × seeds",), firm=("score", "published"))
