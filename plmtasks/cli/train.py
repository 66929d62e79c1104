"""`plmtasks train`."""

from typing import Any

import click

from .options import DATA, MODEL, PROCESSES, TRAINING, configs


@click.command("train")
@click.option("--task", required=True, metavar="T")
@click.option("--model", required=True, metavar="M", help="A name, hub id or folder.")
@DATA
@click.option("--ask", metavar="KIND", help="The kind of request; default: the first of the task's that the model answers.")
@TRAINING
@MODEL
@PROCESSES
@click.option("--output", required=True, metavar="DIR", help="The checkpoint: an ordinary folder of the model's library.")
def command(task: str, model: str, output: str, **values: Any) -> None:
    """Train a model on a task's train split; interrupted, the same command goes on.

    AdamW with linear warm-up and decay, batches computed in pieces of like length, an evaluation each epoch; the best is kept.
    """
    from ..session import train

    folder = train(configs((task,), (model,), values)[0], output)
    click.echo(f"{folder}")
