"""The table of comparisons, or some of its rows: `python benchmarks/run.py [ROW…] [--quick]`.

Each row runs in a process of its own, writes results/ROW.json and prints its line.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parent))

from frame import RESULTS, Options, say, write  # the folder is no package


class Row(NamedTuple):
    """A line of the table."""

    place: str
    """module:function under rows/"""
    work: str
    goal: float
    """The ratio that is to be reached."""
    quick: bool = False
    """Whether `--quick` without names runs it."""


ROWS = {
    "choose-zero-shot": Row("choose:zero_shot", "4-way multiple choice, zero-shot", 6, quick=True),
    "choose-five-shot": Row("choose:five_shot", "the same, 5 shots, the same for all", 25, quick=True),
    "choose-one-token": Row("choose:one_token", "choices of one token, 5 shots", 10, quick=True),
    "perplexity": Row("perplexity:rolling", "rolling perplexity of WikiText-2", 2, quick=True),
}


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--quick", is_flag=True, help="Part of the work, of a cheap half of the rows unless they are named.")
@click.option("--pairs", default=3, help="Measured pairs after the warm-up.")
@click.option("--threads", default=2)
@click.option("--table", is_flag=True, help="Only prints the table of what was measured before.")
@click.option("--here", is_flag=True, hidden=True, help="Measure the one row in this process.")
def main(rows: tuple[str, ...], quick: bool, pairs: int, threads: int, table: bool, here: bool) -> None:
    options = Options(pairs=pairs, threads=threads, quick=quick)
    chosen = list(rows or (name for name, row in ROWS.items() if row.quick or not quick))
    if here:
        measure(chosen[0], options)
        return
    failed = [name for name in chosen if not (table or _measured_apart(name, options))]
    print(lines(chosen, quick=quick))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def measure(name: str, options: Options) -> None:
    import torch

    torch.set_num_threads(options.threads)
    module, function = ROWS[name].place.split(":")
    found = getattr(importlib.import_module(f"rows.{module}"), function)(options)
    write(name, options, found.record())


def _measured_apart(name: str, options: Options) -> bool:
    """Each row has a process of its own: its memory, its threads, its caches."""
    say(f"── {name}")
    arguments = [name, "--here", "--pairs", str(options.pairs), "--threads", str(options.threads)]
    environment = {
        **os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    command = [sys.executable, __file__, *arguments, *(["--quick"] if options.quick else [])]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def lines(names: list[str], *, quick: bool) -> str:
    """The table in Markdown."""
    made = ["| work | peer | goal | reached | seconds, ours and peer's |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        path = RESULTS / f"{name}{'.quick' if quick else ''}.json"
        if path.exists():
            r: dict[str, Any] = json.loads(path.read_text())
            ours, peer = (sorted(r[f"{side}_seconds"])[len(r[f"{side}_seconds"]) // 2] for side in ("ours", "peer"))
            reached = f"{r['ratio']:.2f} × ({r['low']:.2f} to {r['high']:.2f})"
            made.append(f"| {ROWS[name].work} | {r['peer']} | {ROWS[name].goal:g} × | {reached} | {ours:.1f}, {peer:.1f} |")
    return "\n".join(made)


if __name__ == "__main__":
    main()
