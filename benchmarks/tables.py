"""What intervals and tables cost: `python benchmarks/tables.py`; a part of it with `--tasks` and `--models`."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

from frame import place, say  # the folder is no package
from made_runs import make

ROWS, COLUMNS, RESAMPLES = 10_000, 20, 10_000


def resampling() -> dict[str, float]:
    """Seconds of 10,000 resamples of 10,000 examples with 20 statistics on one thread, the best of three."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from plmtasks.statistics import bootstrap

    random = np.random.default_rng(0)
    kinds = {"counts": random.poisson(3, (ROWS, COLUMNS)) + 1.0, "fractions": random.random((ROWS, COLUMNS)) + 0.1}
    with threadpool_limits(1):
        return {
            kind: min(
                _seconds(lambda r=rows: bootstrap(r, lambda t: {"x": t[..., 0] / t[..., -1]}, resamples=RESAMPLES))
                for _ in range(3)
            )
            for kind, rows in kinds.items()
        }


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table(folder: Path) -> dict[str, float]:
    """Seconds and bytes of the whole command, the quicker of two: the first finds the files on the disk."""
    command = [sys.executable, "-m", "plmtasks", "leaderboard", str(folder)]
    seconds = min(_seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(2))
    return {"seconds": seconds, "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}


@click.command()
@click.option("--tasks", default=50)
@click.option("--models", default=200)
@click.option("--examples", default=1000)
def main(tasks: int, models: int, examples: int) -> None:
    found: dict[str, Any] = {"resampling": resampling()}
    for kind, seconds in found["resampling"].items():
        say(f"{RESAMPLES} resamples of {ROWS} examples, {COLUMNS} statistics, {kind}: {seconds:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        runs = make(Path(folder), tasks=tasks, models=models, examples=examples, predictions=False)
        found["table"] = {"runs": runs, "tasks": tasks, "examples": examples, **table(Path(folder))}
    say(
        f"a table of {runs} runs of {tasks} tasks: {found['table']['seconds']:.1f} s, {found['table']['peak_bytes'] / 1e6:.0f} MB"
    )
    (place() / "tables.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
