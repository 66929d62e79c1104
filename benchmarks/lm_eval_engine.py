"""`lm_eval --model plmtasks` beside `lm_eval --model hf`: the same tasks, weights and figures, alternating in one process.

    python benchmarks/lm_eval_engine.py [--questions 200] [--pairs 3] [--threads 2] [--only WORDS]

Each side is lm-eval's own `simple_evaluate` with its model in memory; the seconds are those that the model takes for its list of
requests, tokenization and planning too. `hf` has the batch size that was best for it, and of long prompts a part of the
questions, by which its seconds are divided. Writes benchmarks/results/lm_eval_engine.json and prints its table.
"""

import json
import logging
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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


class Row(NamedTuple):
    task: str
    shots: int
    goal: float
    """How many times as fast."""
    part: float = 1.0
    """Of the questions, what `hf` is given."""
    batches: Sequence[int] = (1, 4, 16, 64)
    """Batch sizes of which it gets the best."""


ROWS = {
    "4-way multiple choice, zero-shot": Row("choice", 0, 5),
    "the same, 5 shots, the same for all": Row("choice", choose.SHOTS, 20, part=0.1, batches=(1, 4, 16)),
    "greedy generation, 64 new tokens": Row("writing", 0, 3),
}
TIES = 0.02
"""The share of texts that may differ: of two tokens that are as likely as float32 can tell, either may come."""


@click.command()
@click.option("--questions", default=200)
@click.option("--pairs", default=3)
@click.option("--threads", default=2)
@click.option("--only", default="", help="Rows that have these words; the others stay as they were written.")
def main(questions: int, pairs: int, threads: int, only: str) -> None:
    import torch

    logging.disable(logging.WARNING)
    torch.set_num_threads(threads)
    ours, theirs = map(Side, _models(threads))
    path = HERE / "results" / "lm_eval_engine.json"
    found = json.loads(path.read_text())["rows"] if only else {}
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), questions)
        for what, row in ((what, row) for what, row in ROWS.items() if only in what):
            some = max(4, round(questions * row.part))
            batch = _best_batch(theirs, folder, row, some)
            sides = {"ours": partial(ours, folder, row), "theirs": partial(theirs, folder, row, some if row.part < 1 else None)}
            found[what] = {
                "questions": questions,
                "threads": threads,
                "goal": row.goal,
                "batch": batch,
                **_compared(sides, pairs, some / questions if row.part < 1 else 1.0),
            }
            say(f"{what}: {json.dumps(found[what])}")
    path.write_text(json.dumps({"machine": machine(), "rows": found}, indent=1) + "\n")
    print(table(found))


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| work | goal | reached | seconds, ours and hf's | batch of hf | what differs, at most |", "| --- " * 6 + "|"]
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


class Side:
    """One of lm-eval's models, and the seconds that it took for its last list of requests."""

    def __init__(self, lm: Any) -> None:
        self.lm, self.seconds = lm, 0.0
        for name in ("loglikelihood", "generate_until"):
            setattr(lm, name, partial(self._timed, getattr(lm, name)))

    def _timed(self, work: Callable[[Any], Any], requests: Any) -> Any:
        start = time.perf_counter()
        found = work(requests)
        self.seconds = time.perf_counter() - start
        return found

    def __call__(self, folder: str, row: Row, limit: int | None = None) -> tuple[float, Any]:
        """The seconds, and lm-eval's result."""
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        manager = TaskManager(include_path=folder, include_defaults=False)
        result = simple_evaluate(
            model=self.lm, tasks=[row.task], task_manager=manager, num_fewshot=row.shots, bootstrap_iters=0, limit=limit
        )  # fmt: skip
        return self.seconds, result


def _best_batch(side: Side, folder: str, row: Row, limit: int) -> int:
    """For `hf`, which keeps it."""
    seconds = {}
    for size in row.batches:
        side.lm.batch_size_per_gpu = size
        seconds[size], _ = side(folder, row, min(limit, 16))
    side.lm.batch_size_per_gpu = min(seconds, key=seconds.__getitem__)
    return int(side.lm.batch_size_per_gpu)


def _compared(sides: Mapping[str, Callable[[], tuple[float, Any]]], pairs: int, part: float) -> dict[str, Any]:
    """Both in turn: once to warm up and to hold the answers together, then so many times.

    part: of the work, what the other side does
    """
    differ = _differ(*(_said(side()[1]) for side in sides.values()))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(pairs):
        for name in sides if turn % 2 == 0 else reversed(list(sides)):
            seconds[name].append(sides[name]()[0] / (part if name == "theirs" else 1.0))
    ratios = [theirs / ours for ours, theirs in zip(seconds["ours"], seconds["theirs"], strict=True)]
    return {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "differ": differ, **seconds}


def _said(result: Any) -> tuple[Any, list[Any]]:
    """The figures, and what the model said for each request."""
    [samples], [figures] = result["samples"].values(), result["results"].values()
    ordered = sorted(samples, key=lambda sample: sample["doc_id"])
    return figures, [said for sample in ordered for [said] in sample["resps"]]


def _differ(ours: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> str:
    """In words, for the table. raises: AssertionError if it is more than it may be"""
    pairs: Sequence[tuple[Any, Any]] = list(zip(ours[1], theirs[1], strict=False))
    whole = len(ours[1]) == len(theirs[1])
    assert ours[0] == theirs[0] or not whole, (ours[0], theirs[0])
    if isinstance(pairs[0][0], str):
        unlike = sum(a != b for a, b in pairs)
        assert unlike <= TIES * len(pairs), f"{unlike} of {len(pairs)} texts differ"
        return f"{unlike} of {len(pairs)} texts"
    assert all(math.isclose(a[0], b[0], rel_tol=1e-5) and a[1] == b[1] for a, b in pairs)
    worst = max(abs(a[0] - b[0]) for a, b in pairs)
    return f"{worst:.0e} of {len(pairs)} log-likelihoods, no greedy flag{', no figure' if whole else ''}"


if __name__ == "__main__":
    main()
