"""Every kind of request is learned alike: the same again, over two processes, and after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plmtasks.training import RECORD

KINDS = {
    "Tag": ("srl/sample", "tiny-bert"),
    "ExtractSpan": ("qa/sample", "tiny-bert"),
    "Generate, decoder": ("summarization/sample", "tiny-gpt"),
    "Generate, sequence-to-sequence": ("translation/sample", "tiny-t5"),
    "Choose": ("classification/sample", "tiny-gpt"),
    "Score, masks": ("language_modeling/sample", "tiny-bert"),
    "Score, spans": ("language_modeling/sample", "tiny-t5"),
}
"""request → a task and a model that learns it; plain Classify is in test_training"""


def train(kind: str, folder: Path, *options: str) -> list[float]:
    """The losses of the epochs."""
    subprocess.run(command(kind, folder, *options), check=True, timeout=200)
    return [entry["loss"] for entry in json.loads((folder / RECORD).read_text())["history"]]


def command(kind: str, folder: Path, *options: str) -> list[str]:
    task, model = KINDS[kind]
    return [
        sys.executable, "-m", "plmtasks", "train", "--task", task, "--model", model, "--train-limit", "48", "--batch-size", "16",
        "--epochs", "3", "--select-split", "none", "--threads", "1", "--quiet", "--output", str(folder), *options,
    ]  # fmt: skip


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", list(KINDS))
def test_it_is_learned_alike(kind: str, tmp_path: Path) -> None:
    once = train(kind, tmp_path / "once")
    killed = subprocess.Popen(command(kind, tmp_path / "killed"), stderr=subprocess.DEVNULL)
    state = tmp_path / "killed" / "training" / "state.pt"
    deadline = time.monotonic() + 100
    while not state.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / RECORD).exists(), "it was over before it was killed"
    # the same seed on the same machine: the same curve and weights, whatever happened on the way
    assert train(kind, tmp_path / "killed") == once
    assert weights(tmp_path / "killed") == weights(tmp_path / "once")
    # masks are drawn by each process for its share, so that two processes hide other tokens than one
    several = train(kind, tmp_path / "two", "--processes", "2")
    assert several == pytest.approx(once, rel=0.1 if "Score" in kind else 0.01)
