"""`plmtasks convert`."""

from pathlib import Path

import click

from ..errors import counted
from . import options
from .options import LIST, TRUST, item
from .texts import say


@options.command("convert")
@click.argument("paths", nargs=-1, required=True, metavar="RUN…|FILE…")
@item(
    "format", "--to", "to", metavar="FORMAT",
    help="What becomes of runs: model-card, evaluate, lm-eval, predictions for the field's own scorers, …; see `plmtasks list "
    "formats`.",
)  # fmt: skip
@item("format", "--from", "source", metavar="FORMAT", help="Whose files become runs: lm-eval, …")
@click.option(
    "--task", "tasks", **LIST, type=options.Several(), metavar="[NAME=]TASK,…",
    help="With --from: the task here that the file's task NAME is; not named: lm-eval/NAME.",
)  # fmt: skip
@click.option("--output", required=True, metavar="PATH", help="A file or a folder; with --from, a folder of results.")
@TRUST
def command(
    paths: tuple[str, ...],
    to: str | None,
    source: str | None,
    tasks: tuple[str, ...] | None,
    output: str,
    trust_remote_code: bool,
) -> None:
    """Results in another tool's format, or another tool's as runs.

    plmtasks convert results/ --to model-card --output my-model/README.md
    """
    from ..errors import InputError

    if (to is None) == (source is None):
        raise InputError("convert takes --to FORMAT for runs, or --from FORMAT for files of another tool", "one of the two")
    if tasks and to is not None:
        raise InputError("--task goes with --from: a run knows its task")
    if source is not None:
        named = {
            name if equals else "": task if equals else name for name, equals, task in (t.partition("=") for t in tasks or ())
        }
        _read(paths, source, named, output)
    else:
        _write(paths, str(to), output, trust_remote_code)


def _write(paths: tuple[str, ...], to: str, output: str, trusting: bool) -> None:
    from ..hooks import load_registry
    from ..results import read_results

    registry = load_registry(trusting=trusting)
    form = registry.format(to)
    results = {result.folder.resolve(): result for path in paths for result in read_results(Path(path))}
    say(str(form.write(list(results.values()), Path(output), registry)))


def _read(paths: tuple[str, ...], source: str, tasks: dict[str, str], output: str) -> None:
    from ..hooks import load_registry

    form = load_registry().format(source)
    for path in paths:
        for result in form.read(Path(path), Path(output), tasks):
            say(f"{result.folder}: {result.task} on {result.model}, {counted(result.record['data']['examples'], 'example')}")
