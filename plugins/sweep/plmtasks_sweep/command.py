"""`plmtasks sweep`."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plmtasks.cli import options
from plmtasks.cli.options import LIST, Pairs, Several, choice, item, setting, settings
from plmtasks.cli.texts import say, say_json
from plmtasks.errors import counted, printable

if TYPE_CHECKING:
    from rich.table import Table

    from plmtasks.hooks import Registry

    from .cells import Cell, Tell


@options.command("sweep")
@click.argument("suite", metavar="SUITE")
@item("model", "--model", "models", lists=True, help="Those that are compared, in place of the suite's.")
@click.option("--dry-run", is_flag=True, help="List the runs and what is there already, from what lies on this machine.")
@click.option("--status", is_flag=True, help="Show how each run stands, with the last line of its log; nothing is begun.")
@click.option("--retry", is_flag=True, help="Run again what failed before.")
@click.option(
    "--only",
    multiple=True,
    type=Pairs(),
    metavar="task=…,model=…",
    help="Run the pairs alone that fit these patterns, as task=classification/*,model=tiny-*; may stand there again.",
)
@settings("limit", "num_train_epochs", "learning_rate", "training", "generation")
@setting("seed", **LIST, type=Several(click.INT, "0,1,2"), metavar="N,…", help="A run for each; default: the suite's, else 0.")
@setting("output", help="Results, and what failed; default: the suite's, else results.")
@setting("checkpoints", help="Models that are trained on the way; default: the suite's, else checkpoints.")
@setting("processes", help="Of each run; default: the suite's, else 1.")
@setting("on", help="An engine that is handed the runs, as slurm or ray; default: the suite's, else this machine.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that the suite or a file that it names asks for.")
@choice("format", "table", "markdown", "csv", "tsv", "json", "latex", help="Of the table.")
@click.option("--quiet", is_flag=True, help="Print the table and the summary only.")
def command(suite: str, dry_run: bool, status: bool, retry: bool, form: str, only: tuple[Any, ...], **values: Any) -> None:
    """Run the tasks × models × seeds of a suite.

    SUITE is one of `plmtasks list suites`, or the path of a TOML file.
    A setting that stands on the line holds for all runs.
    What is there is not run again, and what fails stops nothing else: it is kept with the results, and --retry runs it again.
    Interrupted, the same command goes on; given on several machines that share a folder, it shares the runs among them.
    The exit code is 1 if a run failed.
    """
    if dry_run:
        os.environ["HF_HUB_OFFLINE"] = "1"  # looking must not download
    from plmtasks.errors import PlmtasksError
    from plmtasks.evaluation import ENGINES, read_suite
    from plmtasks.execution import from_environment
    from plmtasks.files import place
    from plmtasks.hooks import load_registry

    from .cells import plan
    from .failures import FAILURES
    from .handed import hand_over, standing
    from .looking import Look
    from .sweeping import of_its_own, sweep

    speaks = of_its_own()
    registry = load_registry(trusting=values.pop("trust_remote_code"))
    environment = from_environment()
    quiet = values.pop("quiet") or bool(environment.get("quiet")) or not speaks
    live = sys.stderr.isatty() and not quiet
    line = {name: value for name, value in values.items() if value is not None}
    seeds, models = line.pop("seed", ()), line.pop("models", ())
    path = registry.suite(suite)
    asked = replace(read_suite(path, engines=(*ENGINES, *registry.items["engine"])), environment=environment)
    told = asked.on_line({**line, "quiet": quiet or live, "yes": True}, models=models, seeds=seeds)
    cells = plan(told.expanded(registry).narrowed(only), registry)
    if dry_run:
        look = Look.at(cells, registry, retry=retry)
        say(_listed(_pairs([look(cell) for cell in cells])), nl=False)
        return
    engine = registry.engine(cells[0].config.on) if cells[0].config.on else None
    if status:
        say(_listed([[cell] for cell in standing(cells, registry, engine)]), nl=False)
        return
    with _live(cells) if live else _lines(cells, quiet) as tell:
        run = sweep if engine is None else partial(hand_over, engine=engine)
        swept = run(cells, registry, tell=tell, retry=retry)
    if speaks:
        (say_json if form == "json" else partial(say, nl=False))(_rendered(swept, path, form, registry))
        say(_summary(swept), err=form != "table")
    failed = [cell for cell in swept if cell.failed]
    if failed:
        where = place(failed[0].config.output) / FAILURES
        said = [f"{cell}: {cell.reason}" for cell in failed]
        raise PlmtasksError(
            f"{len(failed)} of {counted(len(swept), 'run')} failed", *said, f"{where} has all of it; --retry runs them again"
        )


def _rendered(cells: Sequence["Cell"], path: Path, form: str, registry: "Registry") -> str:
    """The suite's own table, or where it has none the ranked table of each task."""
    from plmtasks.tables import read_columns, render, suite_table, suite_text

    results = {cell.result.identity: cell.result for cell in cells if cell.result is not None}
    models = {cell.result.identity: cell.model for cell in cells if cell.result is not None}
    if columns := read_columns(path):
        return suite_text(suite_table(list(results.values()), columns, models), form)
    return render(list(results.values()), form, registry)


def _pairs(cells: Sequence["Cell"]) -> list[list["Cell"]]:
    """The cells of each task and model, which differ in the seed."""
    pairs: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        pairs.setdefault((cell.task, cell.model), []).append(cell)
    return list(pairs.values())


def _summary(cells: Sequence["Cell"]) -> str:
    """8 done, 2 there, 1 left out; the same run under several seeds counts once."""
    count = Counter(cell.state for cell in cells)
    return f"{counted(len(cells), 'run')}: " + ", ".join(f"{n} {state}" for state, n in count.items())


def _listed(rows: Sequence[Sequence["Cell"]]) -> str:
    """A line for each row of cells, and what stands in their way."""
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=160 if not sys.stdout.isatty() else None, color_system=None)
    console.print(_table(rows))
    cells = [cell for row in rows for cell in row]
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + f"\n{_summary(cells)}\n"


def _table(pairs: Sequence[Sequence["Cell"]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    logs = any(cell.log is not None for cells in pairs for cell in cells)
    for name in ("task", "model", "seeds", "score", "state", *["log"] * logs):
        made.add_column(name, overflow="fold", no_wrap=name == "seeds")
    for cells in pairs:
        states = Counter(cell.state for cell in cells)
        said = next(iter(states)) if len(states) == 1 else ", ".join(f"{n} {state}" for state, n in states.items())
        running = next((c.seconds for c in cells if c.state == "running" and c.seconds is not None), None)
        said += f" {time.monotonic() - running:.0f} s" if running is not None else ""
        noted = next((c for c in cells if c.note), None)
        said += f": {noted.reason}" if noted else _last_line(cells)
        row = (cells[0].task, cells[0].model, ", ".join(str(c.config.seed) for c in cells), _score(cells), said)
        made.add_row(*map(Text, (*row, *[_log(cells)] * logs)))
    return made


def _last_line(cells: Sequence["Cell"]) -> str:
    """What a run that is at an engine has said last."""
    logs = (cell.log for cell in cells if cell.state == "running" and cell.log is not None)
    log = next((log for log in logs if log.is_file()), None)
    if log is None:
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").replace("\r", "\n").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {printable(last)[:120]}" if last else ""


def _log(cells: Sequence["Cell"]) -> str:
    """The file of what a run says, as one would name it here."""
    log = next((cell.log for cell in cells if cell.log is not None), None)
    return "" if log is None else str(log.relative_to(Path.cwd()) if log.is_relative_to(Path.cwd()) else log)


def _score(cells: Sequence["Cell"]) -> str:
    """The mean main score of the seeds that have one."""
    scores = [c.result.score for c in cells if c.result is not None and c.result.score is not None]
    return f"{sum(scores) / len(scores):.2f}" if scores else ""


@contextmanager
def _lines(cells: Sequence["Cell"], quiet: bool) -> Iterator["Tell"]:
    """Writes a line when a run begins, and one when it ends."""

    def tell(number: int, cell: "Cell") -> None:
        if quiet or cell.state == "queued":
            return
        said = {"running": "", "there": " (is there)"}.get(cell.state, f" ({cell.state})")
        score = f": {cell.result.score:.2f}" if cell.result is not None and cell.result.score is not None else ""
        seconds = f" in {cell.seconds:.0f} s" if cell.state == "done" and cell.seconds is not None else ""
        note = f": {cell.reason}" if cell.note else ""
        say(f"[{number + 1} of {len(cells)}] {cell}{score}{seconds}{said if cell.state != 'done' else ''}{note}", err=True)

    yield tell


@contextmanager
def _live(cells: Sequence["Cell"]) -> Iterator["Tell"]:
    """A table that follows the runs, on a terminal."""
    from rich.console import Console
    from rich.live import Live

    now = list(cells)
    console = Console(stderr=True)

    def window() -> "Table":
        """As many pairs as the terminal has room for, the one that runs among them."""
        pairs, room = _pairs(now), max(1, console.height - 4)
        at = next((i for i, pair in enumerate(pairs) if any(c.state == "running" for c in pair)), 0)
        first = max(0, min(at - room // 2, len(pairs) - room))
        return _table(pairs[first : first + room])

    def tell(number: int, cell: "Cell") -> None:
        now[number] = cell

    with Live(get_renderable=window, console=console, refresh_per_second=2, transient=True):
        yield tell
