"""`plmtasks convert`: results in the formats of other tools, and theirs as runs."""

from pathlib import Path

import click

from ..errors import InputError, counted
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

    A submission is made of what `plmtasks predict --split test` wrote: plmtasks convert *.jsonl --to glue --output submission
    """
    from ..files import local
    from ..hooks import load_registry
    from ..results import read_results

    if (to is None) == (source is None):
        raise InputError("convert takes --to FORMAT for runs, or --from FORMAT for files of another tool", "one of the two")
    if tasks and to is not None:
        raise InputError("--task goes with --from: a run knows its task")
    registry = load_registry(trusting=trust_remote_code)
    if to is not None:
        form = registry.format(to)
        if form.submits:
            say(str(form.submit(list(map(Path, paths)), local(output), registry)))
            return
        results = {result.folder.resolve(): result for path in paths for result in read_results(path)}
        say(str(form.write(list(results.values()), local(output), registry)))
        return
    form, named = registry.format(str(source)), {}
    for told in tasks or ():
        name, equals, task = told.partition("=")
        named[name if equals else ""] = task if equals else name
    for path in paths:
        for result in form.read(Path(path), local(output), named):
            say(f"{result.folder}: {result.task} on {result.model}, {counted(result.record['data']['examples'], 'example')}")
