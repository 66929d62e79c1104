"""`plmtasks leaderboard`: runs as a ranked table, or as a site."""

from functools import partial
from pathlib import Path

import click

from . import options
from .options import TRUST, choice, section
from .texts import say, say_json


@options.command("leaderboard", example="plmtasks leaderboard results")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS…")
@section(
    "A table",
    choice("format", "table", "markdown", "csv", "tsv", "json", "latex"),
    click.option("--output", metavar="FILE", help="Default: the terminal."),
)
@section(
    "Pages",
    click.option("--site", metavar="DIR", help="Pages instead of a table; a folder that has them is brought up to date."),
    click.option("--open", "opened", is_flag=True, help="Show the site in a browser."),
)
@section("Others", TRUST)
def command(
    results: tuple[str, ...], form: str, output: str | None, site: str | None, opened: bool, trust_remote_code: bool
) -> None:
    """The runs of one or more result folders as a ranked table with intervals, or as a static site."""
    import webbrowser

    from ..files import write_text
    from ..hooks import load_registry
    from ..leaderboard import render
    from ..results import read_results

    if opened and site is None:
        raise click.UsageError("--open shows a site: name its folder with --site DIR")
    if output is not None and site is not None:
        raise click.UsageError("--output is for a table and --site for pages: one of them")
    found = [result for path in results for result in read_results(path)]
    registry = load_registry(trusting=trust_remote_code)
    if site is not None:
        written = registry.format("site").write(found, Path(site), registry)
        say(str(written))
        if opened:
            webbrowser.open(written.files[0].resolve().as_uri())
        return
    text = render(found, form, registry)
    if output is None:
        (say_json if form == "json" else partial(say, nl=False))(text)
    else:
        write_text(Path(output), text)
