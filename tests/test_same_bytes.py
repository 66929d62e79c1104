"""Real models of the three families give the same bytes on any number of processes, and after kill -9."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import warm

from plmtasks.config import Source, run_config
from plmtasks.execution import environment
from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow

MODELS = ("tiny-bert", "tiny-gpt", "tiny-t5")
TASKS = ("classification/sample", "qa/sample")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A matrix of both tasks on three models with weights from a seed: every kind of request that these tasks know."""
    registry = load_registry()
    folder = tmp_path_factory.mktemp("models")
    texts = [text for e in registry.task("qa/sample").load(Source())["train"] for text in e.inputs.values()]
    command = ["run", "--train", "never", "--allow-untrained", "--threads", "1", "--limit", "24"]
    command += ["--batch-tokens", "300", "--generation", "max_new_tokens=8"]
    for name in MODELS:
        registry.model(name).make(texts, 0, folder / name)
    models = ",".join(str(folder / name) for name in MODELS)
    return [*command, "--model", models, "--task", ",".join(TASKS)]


def run(command: list[str], folder: Path, processes: int = 0) -> None:
    done = warm.plmtasks([*command, "--output", str(folder)], folder, os.environ, processes=processes)
    assert done.returncode == 0, done.stderr


def results(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("result.json"))}


@pytest.fixture(scope="module")
def alone(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("alone")
    run(command, folder)
    found = results(folder)
    assert len(found) == len(MODELS) * len(TASKS)
    assert all(b'"how": "untrained"' in content for content in found.values())
    return found


@pytest.mark.parametrize("count", [2, 3, 5])
def test_any_number_of_processes(count: int, command: list[str], alone: dict[str, bytes], tmp_path: Path) -> None:
    run(command, tmp_path, count)
    assert results(tmp_path) == alone


def test_half_precision_and_any_number_of_processes(command: list[str], tmp_path: Path) -> None:
    """With heads of 32 numbers, by the kernels that are on by default: our own, where the processor multiplies bfloat16."""
    at = command.index("--model") + 1
    models = command[at].split(",")[:2]
    for folder, heads in zip(models, ("num_attention_heads", "n_head"), strict=True):
        shutil.copytree(folder, tmp_path / Path(folder).name)
        file = tmp_path / Path(folder).name / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), heads: 3}))
    of_both = ",".join(str(tmp_path / Path(folder).name) for folder in models)
    command = [*command[:at], of_both, *command[at + 1 :], "--dtype", "bfloat16"]
    found = []
    for count in (0, 2, 3, 5):
        (tmp_path / str(count)).mkdir()
        run(command, tmp_path / str(count), count)
        found.append(results(tmp_path / str(count)))
    assert len(found[0]) == len(TASKS) * 2
    assert all(other == found[0] for other in found[1:])
    kernels = {json.loads(content)["settings"]["kernels"] for content in found[0].values()}
    assert kernels == {environment.resolve(run_config("t", "m", dtype="bfloat16"), 1).settings.kernels}


def test_killed_and_resumed(command: list[str], alone: dict[str, bytes], tmp_path: Path) -> None:
    """Killed in the middle of the matrix, gone on with by another number of processes."""
    forks = warm.started([*command, "--output", str(tmp_path)], tmp_path, os.environ, processes=2)
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("journal/*.jsonl"))) < 3 and forks[0].is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    for fork in forks:
        fork.kill()
        fork.join()
    assert len(results(tmp_path)) < len(alone), "it was over before it was killed"
    run(command, tmp_path)
    assert results(tmp_path) == alone
