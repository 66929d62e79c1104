"""`plmtasks new`."""

from pathlib import Path

import click

from ..wording import counted
from .texts import say


@click.command("new")
@click.argument("kind", type=click.Choice(["task", "model", "metric"]))
@click.argument("name")
@click.option("--output", metavar="DIR", help="The new folder; default: plmtasks-NAME.")
@click.option(
    "--license", type=click.Choice(["apache-2.0", "mit", "bsd-3-clause", "none"]), default="apache-2.0",
    help="Default: apache-2.0, as plmtasks' own.",
)  # fmt: skip
def command(kind: str, name: str, output: str | None, license: str) -> None:
    """Write a new plugin: a small distribution that installs, passes its tests and is listed as it stands.

    plmtasks new task hotels
    """
    from ..authoring import New, create
    from ..registry import load_registry

    new = New(kind=kind, name=name, license=license)
    folder = Path(output or new.distribution)
    written = create(new, folder, load_registry())
    say(f"{folder}: {counted(len(written), 'file')}, for the {kind} {new.item}")
    for path in written:
        say(f"  {path}")
    say("next:")
    for step in new.next_steps(folder):
        say(f"  {step}")
