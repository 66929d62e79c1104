"""`plmtasks run`."""

from typing import Any

import click

from .options import DATA, GENERATION, METRICS, MODEL, PROCESSES, TRAINING, Names, configs, item
from .texts import say


@click.command("run")
@item("task", "--task", "tasks", multiple=True, required=True, help="A task; several make a matrix.")
@item("model", "--model", "models", multiple=True, required=True, help="A name, hub id or folder; several make a matrix.")
@DATA
@click.option("--split", metavar="S", help="Default: validation, else test.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="So many examples, drawn by the hash of their ids.")
@click.option("--shots", type=click.IntRange(min=0), metavar="K", help="Solved examples before a question, never it; default 0.")
@click.option(
    "--shots-from", type=click.Choice(["fixed", "per-example"]), default="fixed", help="The same for all, or drawn for each."
)
@click.option("--ask", metavar="KIND", help="The kind of request; default: the first of the task's that the model answers.")
@METRICS
@click.option(
    "--given", metavar="RUN", help="A run's folder: its predictions take the place of what the data gives (predicates for srl)."
)
@click.option(
    "--perturb",
    type=Names(),
    default=(),
    metavar="NAME,…",
    help="Ask the examples again in another way: typos, case, …; see `plmtasks list perturbations`.",
)
@click.option("--groups", metavar="FILE", help="TOML: words of groups of people, whose slices are compared; default: women, men.")
@click.option("--overlap", is_flag=True, help="Look for the examples in the train split, even if nothing is learned from it.")
@click.option("--slices", is_flag=True, help="Print the worst slice of each kind.")
@click.option(
    "--train",
    type=click.Choice(["auto", "never", "always"]),
    default="auto",
    help="auto: where the head would be newly initialized.",
)
@click.option("--allow-untrained", is_flag=True, help="Evaluate newly initialized weights; the result says so.")
@MODEL
@GENERATION
@TRAINING
@PROCESSES
@click.option(
    "--seeds", type=click.IntRange(min=1), metavar="N", help="So many runs, with --seed, --seed + 1, …: shots, samples, training."
)
@click.option("--retry-oom", is_flag=True, help="Where a batch does not fit into memory, run again with half --batch-tokens.")
@click.option("--output", metavar="DIR", help="Results; default: results.")
@click.option("--checkpoints", metavar="DIR", help="Models that were trained on the way; default: checkpoints.")
def command(tasks: tuple[str, ...], models: tuple[str, ...], slices: bool, seeds: int | None, **values: Any) -> None:
    """Evaluate models on tasks, and print the table.

    A model whose head would be newly initialized is trained on the task's train split first. The same run is never computed
    twice.
    """
    from ..config import of_seeds
    from ..evaluation import fitting, run
    from ..execution import speaks
    from ..hooks import load_registry
    from ..leaderboard import render, summary

    registry = load_registry(trusting=values["trust_remote_code"])
    made = configs(tasks, models, values)
    fit = fitting(made, registry)
    for config in made:
        if config not in fit and not config.quiet:
            say(f"{config.task} cannot be asked of {config.model}: left out", err=True)
    count = seeds or 1
    results = run([one for config in fit for one in of_seeds(config, range(config.seed, config.seed + count))], registry)
    if speaks():
        say(render(results, "table", registry), nl=False)
        for i in range(0, len(results), count):
            distinct = {result.identity: result for result in results[i : i + count]}
            for result in distinct.values():
                say(f"{result.task} on {result.model}: {result.folder}")
                if slices or values["perturb"]:
                    say(summary(result), nl=False)
            if len(distinct) < count:
                say(f"  no answer depends on the seed: {len(distinct)} run stands for all {count}")
