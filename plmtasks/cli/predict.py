"""`plmtasks predict`."""

from typing import Any, Literal

import click

from .options import DATA, GENERATION, MODEL, PROCESSES, configs, item


@click.command("predict")
@item("task", "--task", required=True)
@item("model", "--model", required=True, help="A name, hub id or folder: a model that has learned the task.")
@click.option("--given", metavar="M", help="Answers the task that T follows (srl: srl/predicates); default: the same model.")
@click.option(
    "--input",
    "input_",
    default="-",
    metavar="FILE",
    help="A question a line, or a table: .csv, .jsonl, .xlsx, …; default: standard input.",
)
@click.option("--output", metavar="FILE", help="Interrupted, the same command goes on; default: standard output.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="Default: a table comes back as a table, else text.")
@click.option("--block", type=click.IntRange(min=1), metavar="N", help="Lines answered together; default 1024.")
@click.option("--ask", metavar="KIND", help="The kind of request; default: the first of the task's that the model answers.")
@click.option("--shots", type=click.IntRange(min=0), metavar="K", help="Solved examples before a question, never it; default 0.")
@click.option("--shots-from", type=click.Choice(["fixed", "per-example"]), default="fixed")
@DATA
@MODEL
@GENERATION
@PROCESSES
def command(
    task: str, model: str, input_: str, output: str | None, form: Literal["text", "json"] | None, block: int | None, **values: Any
) -> None:
    """Answer new questions: one line in, one line out; or a table, which comes back with a column "prediction".

    A line holds the task's fields, with tabs between where there are several, or a JSON object with them and perhaps an "id".
    Where T follows another task, a line is the other's question (a sentence), or an object with T's own fields.
    Which columns of a table hold the fields --columns says, or what was said to the model's training, or their names.
    A blank line gives a blank line. Lines are answered in blocks, and at once where the writer pauses; typed at a terminal, each.
    --data is needed only where the labels are in no checkpoint that plmtasks trained.
    """
    from ..evaluation import BLOCK, PredictConfig, predict

    run = configs((task,), (model,), values)[0]
    predict(PredictConfig(run=run, input=input_, output=output, form=form, block=block or BLOCK))
