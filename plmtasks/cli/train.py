"""`plmtasks train`: a model that learns one task or several."""

from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import CHAT, CONFIG, DATA, HOLDOUT, TRUST, item, section, settings, suite
from .texts import say

if TYPE_CHECKING:
    from ..evaluation import Suite


@options.command("train", example="plmtasks train --task classification/sample --model tiny-bert --output sentiment")
@section("Task and data", item("task", "--task", "tasks", lists=True, help="Several are learned together."), DATA, HOLDOUT)
@section(
    "Model",
    item("model", "--model", help="A name, hub id or folder."),
    click.option(
        "--from-scratch", metavar="CONFIG",
        help="Instead of a model: a transformers config.json, or a folder with one and perhaps a tokenizer's files.",
    ),
    settings("model_args", "dtype", "truncation", "ask"),
    CHAT,
    TRUST,
)  # fmt: skip
@section("Training", settings("num_train_epochs", "learning_rate", "train_batch_size", "max_train_samples", "training"))
@section("Processes", settings("processes", "threads", "batch_tokens", "seed"))
@section(
    "Output",
    CONFIG,
    click.option("--output", metavar="DIR", help="The checkpoint: an ordinary folder of the model's library."),
    click.option("--push-to-hub", metavar="OWNER/NAME", help="Upload the checkpoint when it is trained."),
    click.option("--dry-run", is_flag=True, help="Tell data, steps, parameters, memory and time, and do not train."),
    settings("quiet"),
)
def command(
    tasks: tuple[str, ...] | None, model: str | None, config: "Suite | None", output: str | None, dry_run: bool, **values: Any
) -> None:
    """Train a model on a task's train split; interrupted, the same command goes on.

    Several tasks are learned by one model, with a head for each or as text to text; `plmtasks export` writes one of them. A file
    gives each of them data of its own. Micro-batches hold texts of like length, with an evaluation each epoch; the best is kept.
    """
    from ..evaluation import estimate, train
    from ..execution import speaks
    from ..hooks import load_registry
    from ..training import check_name, publish

    from_scratch, push_to_hub = values.pop("from_scratch"), values.pop("push_to_hub")
    if model is not None and from_scratch is not None:
        raise click.UsageError("give either --model or --from-scratch")
    if output is None and not dry_run:
        raise click.UsageError("--output DIR says where the checkpoint is written (--dry-run writes none)")
    if push_to_hub is not None:
        check_name(push_to_hub)  # before hours of training
    name = f"scratch:{from_scratch}" if from_scratch is not None else model
    asked = suite(tasks, name and (name,), config, values)
    configs = [one for pair in asked.pairs() for one in asked.configs(*pair)]
    if len({(one.model, one.seed) for one in configs}) > 1:
        raise click.UsageError("one model learns, with one seed: --model and --seed say which")
    if output is None or dry_run:
        if speaks():
            say(f"{estimate(configs)}")
        return
    folder = train(configs, output)
    if speaks():
        say(f"{folder}")
    if speaks() and push_to_hub is not None:
        say(publish(folder, push_to_hub, load_registry().model(str(folder)).training_record() or {}))
