"""`plmtasks train`."""

from collections.abc import Sequence
from typing import Any

import click

from .options import MODEL, PROCESSES, SKIP, TRAINING, Pairs, configs, item
from .texts import say


@click.command("train")
@item("task", "--task", "tasks", multiple=True, required=True, help="A task; several are learned together.")
@item("model", "--model", help="A name, hub id or folder.")
@click.option(
    "--from-scratch",
    metavar="CONFIG",
    help="Instead of a model: a transformers config.json, or a folder with one and perhaps a tokenizer's files.",
)
@click.option("--data", multiple=True, metavar="PATH", help="As for run; with several tasks TASK=PATH, once for each.")
@click.option("--train-data", multiple=True, metavar="PATH", help="The same, for the train split alone.")
@SKIP
@click.option("--columns", multiple=True, metavar="FIELD=COLUMN,…", help="With several tasks TASK=FIELD=COLUMN,…")
@click.option("--ask", metavar="KIND", help="The kind of request; default: the first of the task's that the model answers.")
@click.option("--mixing", metavar="M", help="Of several tasks: size (default), temperature:T, or TASK=WEIGHT,…")
@TRAINING
@MODEL
@PROCESSES
@click.option("--dry-run", is_flag=True, help="Tell data, steps, parameters, memory and time, and do not train.")
@click.option("--output", metavar="DIR", help="The checkpoint: an ordinary folder of the model's library.")
@click.option("--push-to-hub", metavar="OWNER/NAME", help="Upload the checkpoint when it is trained.")
def command(
    tasks: tuple[str, ...], model: str | None, from_scratch: str | None, dry_run: bool, output: str | None, **values: Any
) -> None:
    """Train a model on a task's train split; interrupted, the same command goes on.

    Several tasks are learned by one model, with a head for each or as text to text; `plmtasks export` writes one of them.
    Batches are computed in pieces of like length, with an evaluation each epoch; the best is kept.
    """
    from ..evaluation import estimate, train
    from ..execution import speaks
    from ..hooks import load_registry
    from ..training import check_name, publish

    if (model is None) == (from_scratch is None):
        raise click.UsageError("give either --model or --from-scratch")
    if output is None and not dry_run:
        raise click.UsageError("--output DIR says where the checkpoint is written (--dry-run writes none)")
    push_to_hub = values.pop("push_to_hub")
    if push_to_hub is not None:
        check_name(push_to_hub)  # before hours of training
    name = model if model is not None else f"scratch:{from_scratch}"
    sources = {option: values.pop(option) for option in ("data", "train_data", "columns")}
    made = []
    for task in tasks:
        own = {option: _of(task, tasks, option, given) for option, given in sources.items()}
        made += configs((task,), (name,), {**values, **own, "columns": _columns(own["columns"])})
    if output is None or dry_run:
        if speaks():
            say(f"{estimate(made)}")
        return
    folder = train(made, output)
    if speaks():
        say(f"{folder}")
    if speaks() and push_to_hub is not None:
        say(publish(folder, push_to_hub, load_registry().model(str(folder)).training_record() or {}))


def _of(task: str, tasks: Sequence[str], option: str, given: Sequence[str]) -> str | None:
    """What an option says of one of the tasks: the value itself if there is one task, else what stands behind its name."""
    found = []
    for value in given:
        name, equals, rest = value.partition("=")
        if equals and name in tasks:
            found += [rest] if name == task else []
        elif len(tasks) == 1:
            found.append(value)
        else:
            flag = option.replace("_", "-")
            raise click.UsageError(f"--{flag} {value}: of which task? With several it is --{flag} TASK=…, as {tasks[0]}=…")
    if len(found) > 1:
        raise click.UsageError(f"--{option.replace('_', '-')} was given {len(found)} times for {task}")
    return found[0] if found else None


def _columns(value: str | None) -> Any:
    return Pairs().convert(value or "", None, None)
