"""How a run's cost grows with its requests, where the model costs nothing.

    python benchmarks/scale.py [SIZE…] [--processes 1] [--f1]

A task of short sentences, a model that answers by a hash, `plmtasks run` on them, and a table of the result: seconds, seconds of
the processor and peak memory of each step, at 30,000, 100,000, 300,000 and 1,000,000 requests, with the exponent of growth. This
file is the plugin that brings task and model too, and watches the steps from within. Writes scale.json under results/.
"""

import atexit
import functools
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from plmtasks import declared, hookimpl
from plmtasks.config import ModelSettings
from plmtasks.model import Cost, LoadedModel, Model
from plmtasks.requests import Answer, ClassifyAnswer, Request
from plmtasks.task import Task

SIZES = (30_000, 100_000, 300_000, 1_000_000)
LABELS = ("bad", "good")
WATCHED = "PLMTASKS_SCALE_FIGURES"
"""The folder into which each process writes its figures; without it nothing is watched."""

STEPS = {
    "reading": "data:Dataset.__getitem__", "telling": "evaluation.runner:tell_data", "asking": "evaluation.shots:Asker.ask",
    "identity": "evaluation.job:EvaluationJob.parts", "planning": "execution.answering:plan",
    "answering": "execution.answering:answer_all", "journalling": "execution.journal:Journal.write",
    "collecting": "execution.answering:_collect", "predictions": "scoring.asked:Asked.read", "scoring": "scoring.scores:score",
    "slices": "scoring.breakdown:record", "calibration": "scoring.calibration:record",
    "predictions.jsonl": "results:prediction_lines", "statistics.npy": "results:statistics_bytes",
    "writing": "evaluation.record:write",
}  # fmt: skip
"""Step → the function in which it is done; what one of them calls of another counts for that one alone."""


# ── the plugin ────────────────────────────────────────────────────────────────────────────────────────────────────

TASK = declared.Labels(
    "scale/sentences", text="{text}", reference="label", labels=LABELS, metrics=("accuracy",), data=None,
    description="sentences of no meaning, for measuring what a run costs",
)  # fmt: skip


class Hashed(Model):
    """Answers by a hash of what is asked."""

    name = "scale-hash"
    family = "encoder"
    answers: Sequence[str] = ("Classify",)
    description = "answers by a hash, for measuring what a run costs"

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {}

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedHashed()


@functools.cache
def _cost(width: int) -> Cost:
    return Cost(width=width)


class LoadedHashed(LoadedModel):
    parameters = 0

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [_cost(2 + request.text.count(" ")) for request in requests]  # type: ignore[attr-defined]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        shares = [int(request.key()[:8], 16) / 2**32 for request in requests]
        return [ClassifyAnswer(scores=(1 - share, share)) for share in shares]


@hookimpl
def register_tasks() -> Iterable[Task]:
    return [TASK]


@hookimpl
def register_models() -> Iterable[Model]:
    _watch()
    return [Hashed()]


# ── what is watched ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Watch:
    """Seconds and peak memory of the steps of this process, each without those within it."""

    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    within: list[str] = field(default_factory=lambda: ["everything else"])
    last: tuple[float, float] = (0.0, 0.0)

    def turn(self) -> None:
        """What passed since the last call is the present step's."""
        now = time.perf_counter(), time.process_time()
        step = self.steps.setdefault(self.within[-1], {"seconds": 0.0, "cpu_seconds": 0.0, "peak_bytes": 0})
        step["seconds"] += now[0] - self.last[0]
        step["cpu_seconds"] += now[1] - self.last[1]
        step["peak_bytes"] = max(step["peak_bytes"], _peak())
        self.last = now

    def watched(self, name: str, function: Any) -> Any:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.turn()
            self.within.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self.turn()
                self.within.pop()

        return timed


def _peak() -> int:
    """The most bytes that this process has held since it was asked before. Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    Path("/proc/self/clear_refs").write_text("5")
    return peak


def _watch() -> None:
    """Watches the steps in this process, and writes them down as it ends."""
    folder = os.environ.get(WATCHED)
    if folder is None or getattr(_watch, "on", False):
        return
    _watch.on = True  # type: ignore[attr-defined]
    import importlib

    began = time.perf_counter()
    watch = Watch(last=(began, 0.0))
    for name, place in STEPS.items():
        module, _, path = place.partition(":")
        *owners, last = path.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(f"plmtasks.{module}"))
        found = owner.__dict__[last]
        if isinstance(found, functools.cached_property):
            made = functools.cached_property(watch.watched(name, found.func))
            made.__set_name__(owner, last)
        else:
            made = watch.watched(name, found)
        _put(owner, last, found, made)

    def write() -> None:
        watch.turn()
        Path(folder, f"{os.environ.get('RANK', '0')}-{os.getpid()}.json").write_text(json.dumps(watch.steps))

    atexit.register(write)


def _put(owner: Any, name: str, found: Any, made: Any) -> None:
    """In the place of what was there, wherever it was imported."""
    setattr(owner, name, made)
    for module in list(sys.modules.values()) if not isinstance(owner, type) else ():
        if getattr(module, "__name__", "").startswith("plmtasks") and module.__dict__.get(name) is found:
            setattr(module, name, made)


# ── the measurement ───────────────────────────────────────────────────────────────────────────────────────────────


def write_data(path: Path, size: int) -> None:
    """So many sentences of 5 to 15 words, all different."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(5000)]
    with path.open("w") as file:
        for i in range(size):
            text = " ".join(draw.choices(words, k=draw.randint(4, 14)))
            file.write(json.dumps({"id": f"s{i}", "text": f"{text} {i}", "label": LABELS[draw.random() < 0.5]}) + "\n")


def measure(size: int, processes: int, metrics: Sequence[str]) -> dict[str, Any]:
    """A run on so many requests, and a table of it: of each process its steps, and what all of it took."""
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        write_data(folder / "test.jsonl", size)
        figures = folder / "figures"
        figures.mkdir()
        plugin = {"PLMTASKS_PLUGINS": "scale", "PYTHONPATH": str(Path(__file__).parent)}
        environment = {**os.environ, **plugin, WATCHED: str(figures)}
        results = str(folder / "results")
        run = [
            "run", "--task", TASK.name, "--model", Hashed.name, "--data", str(folder / "test.jsonl"), "--output", results,
            "--processes", str(processes), "--threads", "1", "--batch-tokens", "1024",
            *(f"--metrics={name}" for name in metrics),
        ]  # fmt: skip
        found: dict[str, Any] = {"requests": size, "processes": processes, "metrics": list(metrics)}
        for name, arguments in (("run", run), ("table", ["leaderboard", results])):
            began = time.perf_counter()
            command = [sys.executable, "-m", "plmtasks", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            found[name] = time.perf_counter() - began
            if name == "run":
                del environment[WATCHED]
                found["steps"] = {path.stem: json.loads(path.read_text()) for path in sorted(figures.glob("*.json"))}
        found["files"] = {path.name: path.stat().st_size for path in Path(results).rglob("*") if path.is_file()}
    return found


def exponent(sizes: Sequence[int], amounts: Sequence[float]) -> float:
    """By which power of the size an amount grows: the slope of the line through the logarithms, by least squares."""
    if len(sizes) < 2 or not all(amounts):
        return math.nan
    x, y = [math.log(size) for size in sizes], [math.log(amount) for amount in amounts]
    mean = sum(x) / len(x)
    return sum((a - mean) * b for a, b in zip(x, y, strict=True)) / sum((a - mean) ** 2 for a in x)


def shown(found: Sequence[Mapping[str, Any]]) -> str:
    """A table in Markdown: a line a step, of the process that answers to the user; seconds and of them the processor's, peak."""
    mains = [next(iter(one["steps"].values())) for one in found]
    sizes = [one["requests"] for one in found]
    lines = [["step", *(f"{size:,}" for size in sizes), "exponent"], ["---"] * (len(sizes) + 2)]
    for step in dict.fromkeys(step for main in mains for step in main):
        of = [main.get(step, {"seconds": 0.0, "cpu_seconds": 0.0, "peak_bytes": 0}) for main in mains]
        cells = [f"{s['seconds']:.1f} ({s['cpu_seconds']:.1f}), {s['peak_bytes'] / 1e6:.0f} MB" for s in of]
        lines.append([step, *cells, f"{exponent(sizes, [s['cpu_seconds'] for s in of]):.2f}"])
    for name in ("run", "table"):
        seconds = [one[name] for one in found]
        lines.append([f"the whole command: {name}", *(f"{s:.1f}" for s in seconds), f"{exponent(sizes, seconds):.2f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@click.command()
@click.argument("sizes", nargs=-1, type=int)
@click.option("--processes", default=1, help="That answer together.")
@click.option("--f1", is_flag=True, help="With F1 and its intervals beside the accuracy.")
def main(sizes: Sequence[int], processes: int, f1: bool) -> None:
    from frame import machine, place, say  # the folder is no package

    found = []
    for size in sizes or SIZES:
        found.append(measure(size, processes, ["f1"] if f1 else []))
        say(f"{size:,}: run {found[-1]['run']:.1f} s, table {found[-1]['table']:.1f} s")
    print(shown(found))
    if not sizes:
        name = f"scale{'.f1' if f1 else ''}{f'.{processes}' if processes > 1 else ''}.json"
        (place() / name).write_text(json.dumps({"runs": found, "machine": machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
