"""Whole processes from start to end: help, the list of tasks, one example of a tiny model; beside lm-eval's."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import models
from frame import Figures, Options, say, seconds_of

BIN = Path(sys.executable).parent
TASK = """
task: one_example
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: text
doc_to_target: label
doc_to_choice: [negative, positive]
"""
LIMITS = {"help": 0.1, "list": 0.2, "example": 3.5}
"""Seconds."""
QUICK = 7
"""Times that a short process of ours is measured for each of lm-eval's."""


def processes(options: Options) -> Figures:
    """One example: plmtasks asks tiny-bert, trained before; lm-eval, which asks no encoders, a decoder of 2 × 128."""
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        peer = _peer(Path(place))
        for turn in range(options.pairs + 1):
            # a run of its own each time: what was computed would be found there
            ours = _ours(Path(place, f"results-{turn}"))
            for kind in LIMITS:
                for _ in range(1 if kind == "example" else QUICK):
                    _time(f"plmtasks {kind}", ours[kind], seconds, warm=turn > 0)
                _time(f"lm-eval {kind}", peer[kind], seconds, warm=turn > 0)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    reached = "; ".join(f"{medians[f'plmtasks {kind}']:.2f} s" for kind in LIMITS)
    beside = "; ".join(f"{medians[f'lm-eval {kind}']:.2f} s" for kind in LIMITS)
    return Figures(reached=reached, peer=f"lm-eval: {beside}", facts={"seconds": seconds, "medians": medians, "limits": LIMITS})


def _time(name: str, command: Sequence[str], seconds: dict[str, list[float]], *, warm: bool) -> None:
    """warm: files were read before, so it counts"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every module would be compiled each time
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    taken = seconds_of(lambda: subprocess.run(command, check=True, env=environment, **quiet))
    if warm:
        seconds.setdefault(name, []).append(taken)
        say(f"{name}: {taken:.2f} s")


def _ours(output: Path) -> dict[str, list[str]]:
    plmtasks = str(BIN / "plmtasks")
    return {
        "help": [plmtasks, "--help"],
        "list": [plmtasks, "list", "tasks"],
        "example": [
            plmtasks, "run", "--task", "classification/sample", "--model", "tiny-bert", "--limit", "1", "--threads", "1",
            "--checkpoints", str(models.folder_of("startup")), "--output", str(output),
        ],
    }  # fmt: skip


def _peer(place: Path) -> dict[str, list[str]]:
    harness = str(BIN / "lm-eval")
    file = place / "one.json"
    file.write_text(json.dumps({"text": "a stirring and funny film", "label": 1}))
    (place / "one_example.yaml").write_text(TASK.format(file=file))
    return {
        "help": [harness, "--help"],
        "list": [harness, "ls", "tasks"],
        "example": [
            harness, "run", "--model", "hf", "--model_args", f"pretrained={models.decoder('gpt2-2x128')}", "--tasks",
            "one_example", "--include_path", str(place), "--limit", "1", "--device", "cpu",
        ],
    }  # fmt: skip
