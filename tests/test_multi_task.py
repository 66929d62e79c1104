"""Several tasks learned together by one model."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from plmtasks import TrainSettings, run_config
from plmtasks.config import RunConfig
from plmtasks.distributed import alone
from plmtasks.environment import resolve
from plmtasks.errors import InputError
from plmtasks.registry import Registry, load_registry
from plmtasks.runner import run
from plmtasks.session import train
from plmtasks.training import RECORD

TASKS = ("classification/sample", "qa/sample")
COMMAND = [
    sys.executable, "-m", "plmtasks", "train", "--task", TASKS[0], "--task", TASKS[1], "--model", "tiny-bert", "--threads", "1",
    "--train-limit", "200", "--batch-size", "16", "--learning-rate", "0.002", "--epochs", "4", "--quiet",
]  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def configs(model: str, *tasks: str, **options: object) -> list[RunConfig]:
    settings = TrainSettings(epochs=4, limit=200, batch_size=16, learning_rate=2e-3)
    plain = {"threads": 1, "quiet": True, "training": settings, **options}
    return [run_config(task, model, **plain) for task in tasks]


def record(folder: Path) -> dict:
    return json.loads((folder / RECORD).read_text())


def losses(folder: Path) -> list[float]:
    return [loss for entry in record(folder)["history"] for loss in entry["losses"].values()]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    folder = tmp_path_factory.mktemp("both") / "model"
    return train(configs("tiny-bert", *TASKS), str(folder), registry)


def test_the_record_tells_of_both(both: Path) -> None:
    told = record(both)
    assert list(told["tasks"]) == list(TASKS)
    assert set(told["history"][-1]["scores"]) == set(TASKS)
    first, last = told["history"][0]["losses"], told["history"][-1]["losses"]
    assert all(last[task] < first[task] for task in TASKS)


def test_the_checkpoint_serves_every_task(both: Path, tmp_path: Path, registry: Registry) -> None:
    for task, other in (TASKS, TASKS[::-1]):
        [config] = configs(str(both), task, split="test", output=str(tmp_path))
        result = run(resolve(config, 1), registry, alone())
        assert result.record["protocol"]["how"] == f"fine-tuned with {other}"
        assert [t["task"] for t in result.record["protocol"]["trained_on"]] == list(TASKS)
        assert result.record["protocol"]["fresh_weights"] == []


def test_what_it_says_on_validation_is_what_it_answers_later(both: Path, tmp_path: Path, registry: Registry) -> None:
    best = max(entry["score"] for entry in record(both)["history"])
    [scores] = [entry["scores"] for entry in record(both)["history"] if entry["score"] == best][:1]
    for task in TASKS:
        [config] = configs(str(both), task, split="validation", output=str(tmp_path))
        assert run(resolve(config, 1), registry, alone()).score == pytest.approx(scores[task], abs=1e-9)


def test_killed_and_resumed_it_ends_with_the_same_weights(both: Path, tmp_path: Path) -> None:
    command = [*COMMAND, "--output", str(tmp_path / "killed")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    state = tmp_path / "killed" / "training" / "state.pt"
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / RECORD).exists()
    subprocess.run(command, check=True, timeout=120)
    assert files(tmp_path / "killed") == files(both)


def test_two_processes_learn_as_one(both: Path, tmp_path: Path) -> None:
    """The heads of the tasks that an update is not about have no gradient in any process."""
    subprocess.run([*COMMAND, "--processes", "2", "--output", str(tmp_path / "two")], check=True, timeout=120)
    assert losses(tmp_path / "two")[:4] == pytest.approx(losses(both)[:4], rel=1e-2)


@pytest.mark.parametrize("model", ["tiny-gpt", "tiny-t5"])
def test_text_to_text_models_learn_tasks_together(model: str, tmp_path: Path, registry: Registry) -> None:
    some = TrainSettings(epochs=1, limit=32, batch_size=16, learning_rate=2e-3, mixing="qa/sample=1,classification/sample=3")
    folder = train(configs(model, *TASKS, training=some), str(tmp_path / "model"), registry)
    assert set(record(folder)["history"][0]["losses"]) == set(TASKS)
    for task in TASKS:
        [config] = configs(str(folder), task, split="test", limit=4, output=str(tmp_path / "results"), train="never")
        assert run(resolve(config, 1), registry, alone()).record["protocol"]["fresh_weights"] == []


def test_a_task_is_learned_once(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(InputError, match="learned twice"):
        train(configs("tiny-bert", TASKS[0], TASKS[0]), str(tmp_path / "model"), registry)


def test_several_tasks_have_data_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "a good film\tyes\na bad film\tno\n" * 8)
    command = [sys.executable, "-m", "plmtasks", "train", "--task", "classification/custom", "--task", "qa/sample", "--dry-run"]
    command += ["--model", "tiny-bert", "--threads", "1", "--data"]
    done = subprocess.run(
        [*command, f"classification/custom={tmp_path}"], capture_output=True, text=True, timeout=120, check=True
    )
    assert "16 examples of classification/custom, 600 examples of qa/sample" in done.stdout
    wrong = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert wrong.returncode == 2
    assert "of which task?" in wrong.stderr


def test_a_trained_model_remembers_what_it_learned_before(both: Path, tmp_path: Path, registry: Registry) -> None:
    [config] = configs(str(both), "classification/sample")
    little = replace(config, training=replace(config.training, epochs=1, limit=16))
    folder = train(little, str(tmp_path / "model"), registry)
    assert [t["task"] for t in record(folder)["before"]] == list(TASKS)
