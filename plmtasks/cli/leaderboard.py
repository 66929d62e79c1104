"""`plmtasks leaderboard`: runs as a ranked table, or as a site."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, listed
from . import options
from .options import LIST, TRUST, Several, choice, item, section
from .texts import say, say_json

if TYPE_CHECKING:
    from ..hooks import Registry
    from ..results import Result


@options.command("leaderboard", example="plmtasks leaderboard results")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS…")
@section(
    "What it shows",
    item("suite", "--suite", help="The table of a suite: its columns and averages, a row a model."),
    click.option("--task", metavar="T", help="These alone; qa stands for all qa/…, * for anything."),
    click.option("--model", metavar="M", help="These alone, ranked among themselves; * stands for anything."),
    click.option("--score", metavar="SCORE", help="What ranks, as accuracy or f1/f1_macro. Default: each task's main score."),
    click.option(
        "--columns",
        **LIST,
        type=Several(),
        help="Scores and costs (parameters, speed, memory) beside the score that ranks. Default: the first scores.",
    ),
    click.option("--sort", metavar="X", help="A score, a cost, model, family or protocol. Default: by rank."),
)
@section(
    "A table",
    choice("format", "table", "markdown", "csv", "tsv", "json", "latex"),
    click.option("--output", metavar="FILE", help="Default: the terminal."),
)
@section(
    "Pages",
    click.option("--site", metavar="DIR", help="Pages instead of a table; a folder that has them is brought up to date."),
    click.option("--open", "opened", is_flag=True, help="Show the site in a browser."),
    click.option(
        "--no-examples",
        is_flag=True,
        help="Pages of scores alone: no texts, labels, references or predictions, as where references are to stay hidden.",
    ),
)
@section("Others", TRUST)
def command(results: tuple[str, ...], form: str, output: str | None, trust_remote_code: bool, **line: Any) -> None:
    """The runs of one or more result folders as a ranked table with intervals, or as a static site."""
    from ..files import local, place, write_text
    from ..hooks import load_registry
    from ..results import read_results
    from ..tables import Selection, grouped_text, render

    site, suite = line.pop("site"), line.pop("suite")
    opened, examples = line.pop("opened"), not line.pop("no_examples")
    if site is None and (opened or not examples):
        raise click.UsageError(f"{'--open shows' if opened else '--no-examples is for'} a site: name its folder with --site DIR")
    if output is not None and site is not None:
        raise click.UsageError("--output is for a table and --site for pages: one of them")
    if suite is not None and any(line[name] for name in ("score", "columns", "sort")):
        raise click.UsageError("--suite has its columns from the suite's file: no --score, --columns or --sort beside it")
    if suite is not None and site is not None:
        raise click.UsageError("--suite is for a table and --site for pages: one of them")
    pages = None if site is None else local(site)
    found = [result for path in results for result in read_results(path)]
    registry = load_registry(trusting=trust_remote_code)
    there = {result.task for result in found}
    group, members = line["task"], registry.members("task", line["task"]) if line["task"] else []
    if members and members != [group]:
        found, line["task"] = [result for result in found if result.task in members], None
        if not found:
            raise InputError(f"no run of {group}", f"its tasks: {listed(members)}", f"tasks there: {listed(sorted(there))}")
    else:
        group = None
    selection = Selection(**{**line, "task": _meant(line["task"], there, registry)})
    if pages is not None:
        _write_site(registry.format("site"), (found, pages, registry), opened, selection=selection, examples=examples)
        return
    if suite is not None:
        text = _suite(suite, selection.results(found), form, registry)
    elif group and form == "table":
        text = grouped_text(group, selection.results(found), registry)
    else:
        text = render(found, form, registry, selection)
    if output is None:
        (say_json if form == "json" else partial(say, nl=False))(text)
    else:
        write_text(place(output), text)


def _suite(name: str, results: Sequence["Result"], form: str, registry: "Registry") -> str:
    """raises: InputError for a suite whose file says no columns, or of which nothing was run"""
    from ..tables import read_columns, suite_table, suite_text

    path = registry.suite(name)
    columns = read_columns(path)
    if not columns:
        raise InputError(f"{path} says no [[columns]]", "without --suite each task has a table of its own")
    made = suite_table(results, columns)
    if not made.lines:
        raise InputError(f"no run of {name}'s tasks", f"tasks there: {listed(sorted({r.task for r in results})) or 'none'}")
    return suite_text(made, form)


def _meant(task: str | None, there: Collection[str], registry: "Registry") -> str | None:
    """The task of the runs that people call so, as `run` takes it; what is there by that very name goes before."""
    if task is None or any(name == task or name.startswith(f"{task}/") for name in there):
        return task
    with suppress(InputError):
        name = registry.task(task, learned=there).name
        return name if name in there else task
    return task


def _write_site(pages: Any, what: tuple[Any, ...], opened: bool, **choices: Any) -> None:
    """pages: the format of ours, of this very version, which takes more choices than formats do"""
    import webbrowser

    written = pages.write(*what, **choices)
    say(str(written))
    if opened:
        webbrowser.open(written.files[0].resolve().as_uri())
