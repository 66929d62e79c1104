"""`plmtasks worker`: one process of a run that the launcher started."""

import click


@click.command("worker", hidden=True)
def command() -> None:
    """Takes part in the work of the launcher that started it."""
    from ..evaluation import take_part

    take_part()
