"""`plmtasks run`: models evaluated on tasks."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import counted
from ..files import terminal
from . import options
from .options import CHAT, CONFIG, HOLDOUT, LIST, METRICS, TRUST, Several, item, section, setting, settings, suite
from .texts import say

if TYPE_CHECKING:
    from ..evaluation import Suite
    from ..hooks import Registry
    from ..results import Result


@options.command("run", example="plmtasks run --task classification/sample --model tiny-bert")
@section(
    "Task, model and data",
    item("task", "--task", "tasks", lists=True, help="Several make a matrix."),
    item("model", "--model", "models", lists=True, help="Names, hub ids or folders; several make a matrix."),
    setting("data"),
    HOLDOUT,
    settings("folds", "columns", "train_data", "skip_bad_rows", "split", "limit"),
    METRICS,
    settings("perturb", "predictions_of"),
)
@section("Model", settings("model_args", "dtype", "truncation"), TRUST)
@section("Prompt and generation", settings("ask", "shots"), CHAT, settings("system", "reasoning", "generation", "repeats"))
@section("Training", settings("train", "allow_untrained", "training"))
@section(
    "Processes",
    settings("processes", "on", "threads", "batch_tokens"),
    setting(
        "seed", **LIST, type=Several(click.INT, "0,1,2"), metavar="N,…", help="Draws shots, samples and training; a run for each."
    ),
)
@section(
    "Output",
    CONFIG,
    settings("output", "checkpoints"),
    click.option("--slices", is_flag=True, help="Print the worst slice of each kind."),
    setting("quiet"),
)
def command(
    tasks: tuple[str, ...] | None, models: tuple[str, ...] | None, config: "Suite | None", slices: bool, **values: Any
) -> None:
    """Evaluate models on tasks, and print the table.

    A model whose head would be newly initialized is trained on the task's train split first. The same run is never computed
    twice.
    """
    from ..evaluation import run
    from ..execution import speaks
    from ..hooks import load_registry
    from ..tables import summary

    registry = load_registry(trusting=bool(values["trust_remote_code"]))
    asked = suite(tasks, models, config, values).expanded(registry)
    runs = [asked.configs(*pair) for pair in asked.pairs() if not asked.excludes(*pair)]
    results = run([one for seeds in runs for one in seeds], registry)
    if not speaks():
        return
    in_groups = {task.name for task in asked.tasks if task.groups}
    _say_tables(asked, results, registry)
    count = len(runs[0]) if runs else 1
    for i in range(0, len(results), count):
        distinct = {result.identity: result for result in results[i : i + count]}
        for result in distinct.values():
            if result.task not in in_groups:
                say(terminal.place(f"{result.task} on {result.model}", str(result.folder)))
            if slices or result.record.get("perturbations"):
                say(summary(result), nl=False)
        if len(distinct) < count:
            say(f"  no answer depends on the seed: {len(distinct)} run stands for all {count}")
    if many := sum(result.task in in_groups for result in results):
        say(terminal.place(f"the {counted(many, 'run')} of groups", runs[0][0].output))
    if results and not any(one.quiet for seeds in runs for one in seeds):
        say(terminal.place("next", f"plmtasks results show {shlex.quote(str(results[0].folder))}"), err=True)


def _say_tables(asked: "Suite", results: Sequence["Result"], registry: "Registry") -> None:
    """The ranked tables of tasks that were named themselves, and a table for each name that stands for several."""
    from ..tables import grouped_text, render

    groups = dict.fromkeys(group for task in asked.tasks for group in task.groups)
    alone = {task.name for task in asked.tasks if not task.groups}
    told = [result for result in results if not groups or result.task in alone]
    tables = [render(told, "table", registry)] if told or not groups else []
    say("\n".join([*tables, *(grouped_text(group, results, registry) for group in groups)]), nl=False)
