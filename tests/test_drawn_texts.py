"""Drawn texts are the same from any number of processes and whatever is computed together."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import warm

from plmtasks.config import Source
from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    registry, folder = load_registry(), tmp_path_factory.mktemp("model")
    texts = [text for e in registry.task("qa/sample").load(Source())["train"] for text in e.inputs.values()]
    registry.model("tiny-gpt").make(texts, 0, folder)
    return folder


def texts(model: Path, folder: Path, *options: str, processes: int = 0) -> tuple[list[Any], bytes]:
    """What a run of three repeats drew for each example, and its result."""
    command = ["run", "--task", "qa/sample", "--ask", "Generate", "--model", str(model), "--limit", "12", "--repeats", "3"]
    command += ["--train", "never", "--allow-untrained", "--threads", "1", "--quiet", "--output", str(folder)]
    command += ["--generation", "temperature=0.9,max_new_tokens=8"]
    done = warm.plmtasks([*command, *options], folder, os.environ, processes=processes)
    assert done.returncode == 0, done.stderr
    [result], [lines] = folder.rglob("result.json"), folder.rglob("predictions.jsonl")
    drawn = [json.loads(line)["repeats"] for line in lines.read_text(encoding="utf-8").splitlines()]
    return [[one["prediction"] for one in repeats] for repeats in drawn], result.read_bytes()


def test_texts_hang_on_no_process_and_no_batch(model: Path, tmp_path: Path) -> None:
    for name in ("one", "three", "small"):
        (tmp_path / name).mkdir()
    one, result = texts(model, tmp_path / "one")
    assert all(len(set(repeats)) == 3 for repeats in one)
    assert texts(model, tmp_path / "three", processes=3) == (one, result)
    assert texts(model, tmp_path / "small", "--batch-tokens", "60")[0] == one
