"""`plmtasks predict`: answers to new questions."""

from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import CHAT, CONFIG, DATA, TRUST, item, one, section, settings

if TYPE_CHECKING:
    from ..evaluation import Suite


@options.command("predict", example="plmtasks predict --task classification/sample --model sentiment --input questions.txt")
@section(
    "Questions and answers",
    click.option(
        "--input", default="-", metavar="FILE",
        help="A question a line, or a table: .csv, .jsonl, .xlsx, …; default: standard input.",
    ),
    click.option(
        "--split", metavar="S", help="The task's own examples of this split instead, as JSON lines with their ids: test."
    ),
    click.option("--output", metavar="FILE", help="Interrupted, the same command goes on; default: standard output."),
    click.option(
        "--format", "form", type=click.Choice(["text", "json"]), help="Default: a table comes back as a table, else text."
    ),
    click.option("--block", type=click.IntRange(min=1), metavar="N", help="Lines answered together; default 1024."),
)  # fmt: skip
@section("Task and data", item("task", "--task"), DATA)
@section(
    "Model",
    item("model", "--model", help="A name, hub id or folder: a model that has learned the task."),
    item("model", "--followed-model", help="Answers the task that T follows (srl: srl/predicates); default: the same model."),
    settings("model_args", "dtype", "truncation"),
    TRUST,
)
@section("Prompt and generation", settings("ask", "shots"), CHAT, settings("system", "reasoning", "generation"))
@section("Processes", settings("processes", "threads", "batch_tokens", "seed"))
@section("Others", CONFIG, settings("quiet"))
def command(
    task: str | None, model: str | None, config: "Suite | None", block: int | None, output: str | None, **values: Any
) -> None:
    """Answer new questions: one line in, one line out; or a table, which comes back with a column "prediction".

    A line holds the task's fields, with tabs between where there are several, or a JSON object with them and perhaps an "id".
    Where T follows another task, a line is the other's question (a sentence), or an object with T's own fields.
    Which columns of a table hold the fields --columns says, or what was said to the model's training, or their names.
    A blank line gives a blank line. Lines are answered in blocks, and at once where the writer pauses; typed at a terminal, each.
    With --split each line has the task, the split and the id beside what is predicted: what `convert --to glue` takes.
    --data is needed only where the labels are in no checkpoint that plmtasks trained.
    """
    from ..evaluation import BLOCK, PredictConfig, predict

    own = {name: values.pop(name) for name in ("input", "split", "form", "followed_model")}
    predict(PredictConfig(run=one(task, model, config, values), output=output, block=block or BLOCK, **own))
