"""The table of comparisons, or some of its rows: `python benchmarks/run.py [ROW…] [--quick]`.

Each row runs in a process of its own, writes results/ROW.json and prints its line.
"""

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

sys.path.insert(0, str(Path(__file__).parent))

from frame import (
    DEVICE,
    DRY,
    DRY_FOR_GPU,
    RESULTS,
    Figures,
    Options,
    Unfit,
    cores_of_others,
    place,
    say,
    share_of_work,
    take_ways_of_gpu,
    write,
)  # the folder is no package

QUIET = 0.1
"""Cores that others may keep busy before a figure is doubtful."""


class Row(NamedTuple):
    """A line of the table."""

    place: str
    """module:function under rows/"""
    work: str
    goal: float | str
    """The ratio that is to be reached, or what else in words."""
    quick: bool = False
    """Whether `--quick` without names runs it."""
    gpu: bool = True
    """Whether it says something of a GPU."""


ROWS = {
    "choose-zero-shot": Row("choose:zero_shot", "4-way multiple choice, zero-shot", 6, quick=True),
    "choose-five-shot": Row("choose:five_shot", "the same, 5 shots, the same for all", 25, quick=True),
    "choose-one-token": Row("choose:one_token", "choices of one token, 5 shots", 10, quick=True),
    "perplexity": Row("perplexity:rolling", "rolling perplexity of WikiText-2", 2, quick=True),
    "generate-lm-eval": Row("generate:beside_lm_eval", "greedy generation, 200 prompts of mixed length and stops", 3, quick=True),
    "generate-library": Row("generate:beside_the_library", "the same", 1.5),
    "translate-greedy": Row("translate:greedy", "translation of Multi30k, T5-small's shape, greedy", 3),
    "translate-beams": Row("translate:beams", "the same, 4 beams", 3),
    "classify-float32": Row("classify:float32", "classification of SST-2, MiniLM, float32", 3.5, quick=True),
    "classify-bfloat16": Row("classify:bfloat16", "the same, bfloat16 beside the peer's float32", 6.5, quick=True),
    "onnx-classify": Row("onnx:classify", "classification of SST-2, MiniLM, onnxruntime, float32", 1, gpu=False),
    "extract-span": Row("extract_span:float32", "extractive QA of SQuAD 2.0, windows of 384, float32", "3 ×; memory 10 ×"),
    "finetune-sst2-float32": Row("finetune:sst2_float32", "fine-tuning MiniLM on SST-2, float32", 1.7),
    "finetune-sst2-bfloat16": Row("finetune:sst2_bfloat16", "the same, bfloat16 beside the peer's float32", 3),
    "finetune-srl-float32": Row("finetune:srl_float32", "fine-tuning MiniLM on PropBank's roles, float32", 1.7),
    "finetune-srl-bfloat16": Row("finetune:srl_bfloat16", "the same, bfloat16 beside the peer's float32", 3),
    "startup": Row("startup:processes", "processes: --help; list tasks; one example", "0.1; 0.2; 3.5 s", gpu=False),
    "intervals": Row("intervals:bleu", "10,000 resamples of BLEU over 2,000 sentences", "under 2 s", gpu=False),
    "limit-float32": Row("limit:float32", "of the fastest matrix product's rate, float32", "0.75"),
    "limit-bfloat16": Row("limit:bfloat16", "the same, bfloat16", "0.6"),
    "processes": Row("processes:two", "two processes of one thread, uneven lengths", 1.85, quick=True, gpu=False),
    "devices": Row("processes:devices", "four simulated devices, one three times slower", "under 8 %", gpu=False),
    "memory": Row("memory:requests", "growth in memory while 10,000, 30,000 and 100,000 texts are classified", "flat", gpu=False),
}


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--quick", is_flag=True, help="Part of the work, of a cheap half of the rows unless they are named.")
@click.option("--pairs", default=3, help="Measured pairs after the warm-up.")
@click.option("--threads", default=2)
@click.option("--work", type=float, help="The share of the work that is done; by default what suits the processor.")
@click.option("--table", is_flag=True, help="Only prints the tables of what was measured before, one a kind of machine.")
@click.option(
    "--dry-run", is_flag=True, help="Only runs each row's code on the processor: small models, few requests, no figures."
)
@click.option("--here", is_flag=True, hidden=True, help="Measure the one row in this process.")
def main(rows: tuple[str, ...], quick: bool, table: bool, dry_run: bool, here: bool, **given: Any) -> None:
    fit = [name for name, row in ROWS.items() if (row.quick or not quick) and (row.gpu or DEVICE == "cpu")]
    chosen = list(rows or fit)
    if table:
        for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
            print(f"{folder.name}:\n\n{lines(rows or list(ROWS), folder, quick=quick)}\n")
        return
    given["work"] = given["work"] or (1.0 if dry_run else share_of_work(given["threads"]))
    options = Options(quick=quick, **(given | ({"pairs": 1} if dry_run else {})))
    if here:
        measure(chosen[0], options)
        return
    failed = [name for name in chosen if not _measured_apart(name, options, dry=dry_run)]
    if not dry_run:
        print(lines(chosen, place(), quick=quick))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def measure(name: str, options: Options) -> None:
    import torch

    torch.set_num_threads(options.threads)
    module, function = ROWS[name].place.split(":")
    row = getattr(importlib.import_module(f"rows.{module}"), function)
    if DRY_FOR_GPU:
        take_ways_of_gpu()
    if DRY:
        print(f"{name}: {_ran(row, options)}", flush=True)
        return
    try:
        found, others = cores_of_others(lambda: row(options))
    except Unfit as e:
        found, others = Figures(reached=str(e)), None
    if others is not None and others > QUIET:
        say(f"{name}: others kept {others:.2f} cores busy meanwhile; measure it again on a quiet machine")
    write(name, options, {**found.record(), "cores_of_others": others})


def _ran(row: Callable[[Options], Any], options: Options) -> str:
    """What a row did that ran dry, in words."""
    start = time.perf_counter()
    record = row(options).record()
    agreement = record.get("agreement", {})
    said = agreement.get("disagreement", "the answers are the same" if agreement else "no answers to compare")
    return f"ran in {time.perf_counter() - start:.1f} s beside {record['peer']}; {said}"


def _measured_apart(name: str, options: Options, *, dry: bool) -> bool:
    """Each row has a process of its own: its memory, its threads, its caches."""
    say(f"── {name}")
    arguments = [name, "--here", "--pairs", str(options.pairs), "--threads", str(options.threads), "--work", str(options.work)]
    environment = {
        **os.environ, "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
        **({"CUDA_VISIBLE_DEVICES": ""} if DEVICE == "cpu" or dry else {}),
        **({"PLMTASKS_BENCHMARK_DEVICE": "cpu", "PLMTASKS_BENCHMARK_DRY": DEVICE} if dry else {}),
    }  # fmt: skip
    command = [sys.executable, __file__, *arguments, *(["--quick"] if options.quick else [])]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def lines(names: Sequence[str], folder: Path, *, quick: bool) -> str:
    """The table in Markdown of what was measured on machines of one kind."""
    made = ["| work | peer | goal | reached | seconds, ours and peer's |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        path = folder / f"{name}{'.quick' if quick else ''}.json"
        if path.exists():
            r: dict[str, Any] = json.loads(path.read_text())
            work, goal = ROWS[name].work, ROWS[name].goal
            aim = goal if isinstance(goal, str) else f"{goal:g} ×"
            made.append(f"| {work} | {r['peer']} | {aim} | {_reached(r)} | {_seconds(r)} |")
    return "\n".join(made)


def _reached(record: Mapping[str, Any]) -> str:
    if "reached" in record:
        return str(record["reached"])
    ratio = f"{record['ratio']:.2f} × ({record['low']:.2f} to {record['high']:.2f})"
    return "; ".join([ratio, *(f"{name}: {value:.2f} ×" for name, value in record.get("beside", {}).items())])


def _seconds(record: Mapping[str, Any]) -> str:
    """The medians of both sides."""
    found = [record[f"{side}_seconds"] for side in ("ours", "peer") if f"{side}_seconds" in record]
    return ", ".join(f"{statistics.median(seconds):.1f}" for seconds in found) or "–"


if __name__ == "__main__":
    main()
