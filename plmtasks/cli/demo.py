"""`plmtasks demo`: tiny models, trained and evaluated on every task's sample."""

import os
import shutil
import sys
from pathlib import Path

import click

from ..config import run_config
from ..errors import PlmtasksError
from .texts import say

THRESHOLDS = {"classification/sample": 70.0}
THRESHOLD = 40.0
"""Points that every pair must reach; chance is 50 for classification and next to nothing for the others."""

MODELS = ("tiny-bert", "tiny-gpt", "tiny-t5")


@click.command("demo")
@click.option("--output", default="demo", metavar="DIR", help="Results and checkpoints; default: demo.")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Default 1.")
def command(output: str, processes: int | None) -> None:
    """Train the built-in models on the sample data of every task, evaluate every pair that fits, and print the table.

    Needs no network. The test examples do not occur in training; every pair must reach the threshold of its task.
    """
    from ..evaluation import run
    from ..files import local
    from ..hooks import load_registry
    from ..tables import render

    registry = load_registry()
    tasks = [name for name in registry.items["task"] if name.endswith("/sample")]
    values = {
        "split": "test", "output": str(local(output) / "results"), "checkpoints": str(local(output) / "checkpoints"),
        "processes": processes or 0, "yes": True, "early_stopping_patience": 2,
        "threads": 1,  # more threads slow so small models down
    }  # fmt: skip
    results = run([run_config(task, model, **values) for task in tasks for model in MODELS], registry)
    say(render(results, "table", registry), nl=False)
    low = [f"{r.task} on {r.model}: {r.score}" for r in results if r.score is None or r.score < THRESHOLDS.get(r.task, THRESHOLD)]
    if low:
        raise PlmtasksError("too near to chance", *low)
    say(f"all {len(results)} pairs are far above chance on test examples that do not occur in training")
    say("\n".join(["", "Three commands to type next:", *(f"  {line}" for line in next_commands(output))]))


def next_commands(output: str) -> list[str]:
    """What somebody can type where the demo ran: the environment first, unless the shell knows its command already."""
    at_hand = Path("examples", "reviews.csv").exists()
    own = "sentiment --data examples/reviews.csv --holdout 0.2 --model minilm"
    lines = [
        f"plmtasks run --task {own if at_hand else 'classification/sample --model tiny-bert --split test'}",
        f"plmtasks leaderboard {Path(output, 'results')} --site site --open",
    ]
    activate = Path(sys.prefix, "bin", "activate")
    found = shutil.which("plmtasks")
    if activate.exists() and (found is None or Path(found).parent != activate.parent):
        return [f". {os.path.relpath(activate)}", *lines]
    return [*lines, "plmtasks list tasks"]
