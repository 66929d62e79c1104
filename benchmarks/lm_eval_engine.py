"""`lm_eval --model plmtasks` beside `lm_eval --model hf`: the same tasks, weights and figures, alternating in one process.

    python benchmarks/lm_eval_engine.py [--questions 200] [--pairs 3] [--threads 2]

Each side is lm-eval's own `simple_evaluate` with its model in memory, contexts and figures and all; `hf` with the batch size that was
best for it. Writes benchmarks/results/lm_eval_engine.json and prints its table.
"""

import json
import logging
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))

import models
from frame import HERE, Options, machine, say
from rows import choose, generate

HEAD = """
dataset_path: json
dataset_kwargs: {{data_files: {{validation: "{rows}", train: "{shots}"}}}}
validation_split: validation
fewshot_split: train
fewshot_config: {{sampler: first_n}}
"""
CHOICE = """
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITING = """
output_type: generate_until
doc_to_text: "{{text}}"
doc_to_target: ""
generation_kwargs: {until: ["\\n", "er"], max_gen_toks: 64}
metric_list: [{metric: exact_match}]
"""
ROWS: Mapping[str, tuple[str, int, float]] = {
    "4-way multiple choice, zero-shot": ("choice", 0, 5),
    "the same, 5 shots, the same for all": ("choice", choose.SHOTS, 20),
    "greedy generation, 64 new tokens": ("writing", 0, 3),
}
"""What is measured → task, shots and the goal, how many times as fast."""
BATCHES = (1, 4, 16, 64)
"""Batch sizes of which `hf` gets the best."""
TIES = 0.02
"""The share of texts that may differ: of two tokens that are as likely as float32 can tell, either may come."""


@click.command()
@click.option("--questions", default=200)
@click.option("--pairs", default=3)
@click.option("--threads", default=2)
def main(questions: int, pairs: int, threads: int) -> None:
    import torch

    logging.disable(logging.WARNING)
    torch.set_num_threads(threads)
    ours, theirs = _models(threads)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), questions)
        for what, (task, shots, goal) in ROWS.items():
            sides: dict[str, Callable[[], Any]] = {
                "ours": lambda task=task, shots=shots: _evaluated(ours, folder, task, shots),
                "theirs": lambda task=task, shots=shots: _evaluated(theirs, folder, task, shots),
            }  # fmt: skip
            batch = _best_batch(theirs, folder, task, shots)
            found[what] = {"goal": goal, "batch": batch, **_compared(sides, pairs)}
            say(f"{what}: {json.dumps(found[what])}")
    record = {"questions": questions, "threads": threads, "machine": machine(), "rows": found}
    (HERE / "results" / "lm_eval_engine.json").write_text(json.dumps(record, indent=1) + "\n")
    print(table(found))


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| work | goal | reached | seconds, ours and hf's | batch of hf | largest difference |", "| --- | --- | --- | --- | --- | --- |"]
    for what, row in found.items():
        reached = f"{row['ratio']:.2f} × ({row['low']:.2f} to {row['high']:.2f})"
        seconds = f"{statistics.median(row['ours']):.1f}, {statistics.median(row['theirs']):.1f}"
        lines.append(f"| {what} | {row['goal']:g} × | {reached} | {seconds} | {row['batch']} | {row['differ']} |")
    return "\n".join(lines)


def _models(threads: int) -> tuple[Any, Any]:
    from lm_eval.models.huggingface import HFLM
    from plmtasks_lm_eval import LM

    model = models.decoder()
    return LM(pretrained=model, dtype="float32", threads=threads), HFLM(pretrained=model, dtype="float32", device="cpu")


def _write(folder: Path, count: int) -> None:
    """Tasks and their rows: RACE's questions on short texts, the first of them as shots, and the beginnings of articles."""
    asked = choose.questions(count + choose.SHOTS)
    rows = [{"text": r.text, "choices": list(r.choices)} for r in asked]
    texts = [{"text": r.text} for r in generate.prompts(Options(work=count / 2 / generate.PROMPTS))[0]]
    parts = {"choice": (rows[choose.SHOTS :], rows[: choose.SHOTS], CHOICE), "writing": (texts, texts[:1], WRITING)}
    for name, (asked_rows, shots, body) in parts.items():
        files = {"rows": folder / f"{name}.jsonl", "shots": folder / f"{name}-shots.jsonl"}
        for file, content in zip(files.values(), (asked_rows, shots), strict=True):
            file.write_text("".join(json.dumps(row) + "\n" for row in content))
        (folder / f"{name}.yaml").write_text(f"task: {name}{HEAD.format(**files)}{body}")


def _evaluated(lm: Any, folder: str, task: str, shots: int, limit: int | None = None) -> Any:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=folder, include_defaults=False)
    return simple_evaluate(model=lm, tasks=[task], task_manager=manager, num_fewshot=shots, bootstrap_iters=0, limit=limit)


def _best_batch(lm: Any, folder: str, task: str, shots: int) -> int:
    """For `hf`, which keeps it."""
    seconds = {}
    for size in BATCHES:
        lm.batch_size_per_gpu = size
        start = time.perf_counter()
        _evaluated(lm, folder, task, shots, limit=16)
        seconds[size] = time.perf_counter() - start
    lm.batch_size_per_gpu = min(seconds, key=seconds.__getitem__)
    return int(lm.batch_size_per_gpu)


def _compared(sides: Mapping[str, Callable[[], Any]], pairs: int) -> dict[str, Any]:
    """Both in turn: once to warm up and to hold the answers together, then so many times."""
    said = {name: _said(side()) for name, side in sides.items()}
    differ = _differ(said["ours"], said["theirs"])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(pairs):
        for name in sides if turn % 2 == 0 else reversed(list(sides)):
            start = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - start)
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["theirs"], strict=True)]
    return {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "differ": differ, **seconds}


def _said(result: Any) -> tuple[Any, list[Any]]:
    """The figures, and what the model said for each request."""
    [samples], [figures] = result["samples"].values(), result["results"].values()
    ordered = sorted(samples, key=lambda sample: sample["doc_id"])
    return figures, [said for sample in ordered for [said] in sample["resps"]]


def _differ(ours: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> str:
    """In words, for the table. raises: AssertionError if it is more than it may be"""
    assert ours[0] == theirs[0], (ours[0], theirs[0])
    pairs: Sequence[tuple[Any, Any]] = list(zip(ours[1], theirs[1], strict=True))
    if isinstance(pairs[0][0], str):
        unlike = sum(a != b for a, b in pairs)
        assert unlike <= TIES * len(pairs), f"{unlike} of {len(pairs)} texts differ"
        return f"{unlike} of {len(pairs)} texts"
    worst = max(abs(a[0] - b[0]) for a, b in pairs)
    assert math.isfinite(worst) and all(math.isclose(a[0], b[0], rel_tol=1e-5) for a, b in pairs), worst
    assert all(a[1] == b[1] for a, b in pairs)
    return f"{worst:.1e} of a log-likelihood; figures and greedy flags are the same"


if __name__ == "__main__":
    main()
