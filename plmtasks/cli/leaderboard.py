"""`plmtasks leaderboard`."""

from pathlib import Path

import click


@click.command("leaderboard")
@click.argument("results", nargs=-1, required=True, metavar="RESULTS…")
@click.option("--format", "form", type=click.Choice(["table", "markdown", "csv", "json", "latex"]), default="table")
@click.option("--output", metavar="FILE", help="Default: the terminal.")
def command(results: tuple[str, ...], form: str, output: str | None) -> None:
    """The runs of one or more result folders as a ranked table with intervals."""
    from ..leaderboard import render
    from ..registry import load_registry
    from ..results import read_results, write_text

    text = render([result for path in results for result in read_results(path)], form, load_registry())
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(Path(output), text)
