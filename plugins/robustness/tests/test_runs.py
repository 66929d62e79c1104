"""Real models answer perturbed examples with the same bytes on two processes and after an interruption."""

import os
from pathlib import Path

import pytest
import warm

from plmtasks.config import Source
from plmtasks.hooks import load_registry
from plmtasks.results import read_results

TASKS = ("qa/sample", "srl/sample")
KEPT = ("result.json", "predictions.jsonl", "perturbed.jsonl", "statistics.npy")
NAMES = "typos,case"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    registry = load_registry()
    folder = tmp_path_factory.mktemp("model")
    texts = [text for e in registry.task("qa/sample").load(Source())["train"] for text in e.inputs.values()]
    registry.model("tiny-bert").make(texts, 0, folder / "bert")
    command = ["run", "--train", "never", "--allow-untrained", "--threads", "1", "--limit", "12"]
    command += ["--batch-tokens", "300", "--model", str(folder / "bert"), "--quiet"]
    return [*command, "--task", ",".join(TASKS)]


def run(command: list[str], folder: Path, *more: str, processes: int = 0) -> dict[str, bytes]:
    done = warm.plmtasks([*command, *more, "--output", str(folder)], folder.parent, os.environ, processes=processes)
    assert done.returncode == 0, done.stderr
    return {f"{p.relative_to(folder).parts[0]}/{p.name}": p.read_bytes() for p in sorted(folder.rglob("*")) if p.name in KEPT}


@pytest.mark.slow
def test_the_same_bytes_and_the_unperturbed_as_without(command: list[str], tmp_path: Path) -> None:
    perturbed = run(command, tmp_path / "one", "--perturb", NAMES)
    plain = run(command, tmp_path / "plain")
    for name, content in plain.items():
        assert name.endswith("result.json") or perturbed[name] == content
    assert run(command, tmp_path / "two", "--perturb", NAMES, processes=2) == perturbed
    # all but the first batch of each journal is lost, and the result
    for path in (tmp_path / "one").rglob("*"):
        if path.name in KEPT:
            path.unlink()
        elif path.suffix == ".jsonl":
            path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert run(command, tmp_path / "one", "--perturb", NAMES) == perturbed
    for result in read_results(tmp_path / "one"):
        assert set(result.record["perturbations"]) == set(NAMES.split(","))
        assert result.record["perturbations"]["case"]["examples"] == 12
