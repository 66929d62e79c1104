"""`plmtasks worker`: one process of a run that the launcher started."""

from pathlib import Path

import click


@click.command("worker", hidden=True)
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Takes part in the work that FILE describes."""
    from ..session import worker

    worker(file)
