"""A model that learns from solved answers."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks import RunConfig, TrainSettings, run_config
from plmtasks.batching import Cost, padded_tokens
from plmtasks.distributed import alone
from plmtasks.errors import InputError, OutputError
from plmtasks.learning import _pieces, _schedule, _updates
from plmtasks.registry import Registry, load_registry
from plmtasks.runner import run
from plmtasks.session import train
from plmtasks.training import RECORD

LITTLE = TrainSettings(epochs=2, limit=256, batch_size=16, learning_rate=2e-3)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def config(tmp_path: Path, **options: object) -> RunConfig:
    settings = {"threads": 1, "quiet": True, "output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    return run_config("classification/sample", "tiny-bert", **{**settings, "training": LITTLE, **options})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def curve(folder: Path) -> list[float]:
    return [entry["loss"] for entry in json.loads((folder / RECORD).read_text())["history"]]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    folder = tmp_path_factory.mktemp("once")
    return train(config(folder), str(folder / "model"), registry)


def test_the_checkpoint_is_an_ordinary_folder(once: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, info = AutoModelForSequenceClassification.from_pretrained(once, output_loading_info=True)
    assert not info["missing_keys"]
    assert set(model.config.label2id) == {"negative", "positive"}
    assert AutoTokenizer.from_pretrained(once)("a word")["input_ids"]


def test_the_same_seed_gives_the_same_weights(once: Path, tmp_path: Path, registry: Registry) -> None:
    again = train(config(tmp_path), str(tmp_path / "model"), registry)
    assert curve(again) == curve(once)
    assert weights(again) == weights(once)


def test_another_seed_gives_others(once: Path, tmp_path: Path, registry: Registry) -> None:
    again = train(config(tmp_path, training=replace(LITTLE, seed=1)), str(tmp_path / "model"), registry)
    assert weights(again) != weights(once)


def test_a_finished_training_is_not_done_again(once: Path, registry: Registry, tmp_path: Path) -> None:
    before = (once / "model.safetensors").stat().st_mtime_ns
    train(config(tmp_path), str(once), registry)
    assert (once / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(OutputError, match="holds another training"):
        train(config(tmp_path, training=replace(LITTLE, seed=5)), str(once), registry)


def test_the_record_tells_what_it_learned(once: Path) -> None:
    record = json.loads((once / RECORD).read_text())
    assert record["task"] == "classification/sample"
    assert record["data"]["examples"] == 256
    assert record["data"]["selected_on"] == "validation"
    assert [entry["epoch"] for entry in record["history"]] == [1, 2]
    assert record["history"][-1]["loss"] < record["history"][0]["loss"]
    assert not (once / "training").exists()


def test_the_trained_model_runs_as_fine_tuned(once: Path, tmp_path: Path, registry: Registry) -> None:
    result = run(replace(_settled(config(tmp_path, split="test")), model=str(once)), registry, alone())
    assert result.record["protocol"]["how"] == "fine-tuned"
    assert result.record["protocol"]["trained_on"]["selected_on"] == "validation"
    assert result.score is not None
    assert result.score > 80


def test_the_split_that_is_reported_does_not_choose(tmp_path: Path, registry: Registry) -> None:
    little = replace(LITTLE, epochs=1, limit=32)
    on_validation = run(_settled(config(tmp_path, split="validation", training=little)), registry, alone())
    assert on_validation.record["protocol"]["trained_on"]["selected_on"] is None
    on_test = run(_settled(config(tmp_path, split="test", training=little)), registry, alone())
    assert on_test.record["protocol"]["trained_on"]["selected_on"] == "validation"


def test_without_a_train_split_it_is_refused(tmp_path: Path, registry: Registry) -> None:
    data = tmp_path / "test.tsv"
    data.write_text("a good film\t1\na bad film\t0\n")
    with pytest.raises(InputError, match="has no train split") as error:
        run(
            _settled(run_config("classification/sst2", "tiny-bert", data=str(data), output=str(tmp_path), threads=1)),
            registry,
            alone(),
        )
    assert "--train-data PATH" in str(error.value)


def _settled(config: RunConfig) -> RunConfig:
    from plmtasks.environment import resolve

    return resolve(config, 1)


COMMAND = [
    sys.executable, "-m", "plmtasks", "train", "--task", "classification/sample", "--model", "tiny-bert", "--threads", "1",
    "--train-limit", "256", "--batch-size", "16", "--learning-rate", "0.002", "--quiet",
]  # fmt: skip


def test_killed_and_resumed_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    command = [*COMMAND, "--epochs", "12"]
    subprocess.run([*command, "--output", str(tmp_path / "whole")], check=True, timeout=120)
    process = subprocess.Popen([*command, "--output", str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    state = tmp_path / "killed" / "training" / "state.pt"
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists(), "it was over before it was killed"
    assert not (tmp_path / "killed" / RECORD).exists()
    subprocess.run([*command, "--output", str(tmp_path / "killed")], check=True, timeout=120)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_two_processes_learn_as_one(once: Path, tmp_path: Path) -> None:
    """The same batches, shared out: the losses are those of one process but for rounding."""
    output = tmp_path / "two"
    subprocess.run([*COMMAND, "--epochs", "2", "--processes", "2", "--output", str(output)], check=True, timeout=120)
    assert curve(output) == pytest.approx(curve(once), rel=1e-3)


def test_accumulated_batches_are_one_update(tmp_path: Path, registry: Registry) -> None:
    """4 batches of 8 are the update of one batch of 32, and so are pieces of few tokens."""
    plain = replace(LITTLE, batch_size=32, limit=32, epochs=1)
    forms = {
        "one": plain,
        "accumulated": replace(plain, batch_size=8, accumulation=4),
        "pieces": replace(plain, batch_tokens=16),
    }
    curves = {name: curve(train(config(tmp_path, training=t), str(tmp_path / name), registry)) for name, t in forms.items()}
    assert curves["accumulated"] == pytest.approx(curves["one"], rel=1e-5)
    assert curves["pieces"] == pytest.approx(curves["one"], rel=1e-5)


def test_the_learning_rate_climbs_and_falls() -> None:
    factors = [_schedule(update, 100, 0.1) for update in range(100)]
    assert factors[0] == 0
    assert factors[5] == pytest.approx(0.5)
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(1 / 90)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 4), st.integers(0, 3))
def test_an_epoch_sees_every_example_once(examples: int, size: int, accumulation: int, epoch: int) -> None:
    settings = TrainSettings(batch_size=size, accumulation=accumulation)
    updates = list(_updates(examples, settings, epoch))
    assert sorted(i for update in updates for i in update) == list(range(examples))
    assert updates == list(_updates(examples, settings, epoch))
    assert all(len(update) <= size * accumulation for update in updates)


@given(st.lists(st.tuples(st.integers(1, 50), st.sampled_from("ab")), min_size=1, max_size=40), st.integers(1, 200))
def test_pieces_cover_the_batch_within_the_budget(items: list[tuple[int, str]], budget: int) -> None:
    costs = [Cost(width=width, group=group) for width, group in items]
    pieces = list(_pieces(range(len(items)), costs, budget))
    assert sorted(i for piece in pieces for i in piece) == list(range(len(items)))
    for piece in pieces:
        assert len({costs[i].group for i in piece}) == 1
        assert len(piece) == 1 or padded_tokens([costs[i] for i in piece]) <= budget


def test_a_process_may_train_twice_with_other_precisions(tmp_path: Path, registry: Registry) -> None:
    little = replace(LITTLE, limit=32, epochs=1, select_split="none")
    for dtype in ("float32", "bfloat16"):
        folder = train(config(tmp_path, training=replace(little, dtype=dtype)), str(tmp_path / dtype), registry)
        assert json.loads((folder / RECORD).read_text())["parts"]["training"]["dtype"] == dtype


@pytest.mark.parametrize("kilobytes", [300, 1200])
def test_a_full_disk_loses_nothing(tmp_path: Path, kilobytes: int) -> None:
    """Weights, or the state of the training, that do not fit: by the limit on a file's size, lifted afterwards."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))

    command = [*COMMAND, "--epochs", "1", "--output", str(tmp_path / "model")]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model" / RECORD).exists()
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
    assert (tmp_path / "model" / RECORD).exists()


def test_a_folder_that_holds_something_else_is_left_alone(once: Path, tmp_path: Path, registry: Registry) -> None:
    import shutil

    other = tmp_path / "model"
    shutil.copytree(once, other)
    (other / RECORD).unlink()
    before = weights(other)
    with pytest.raises(OutputError, match="holds something else"):
        train(config(tmp_path), str(other), registry)
    assert weights(other) == before


def test_the_record_names_the_training_data(tmp_path: Path, registry: Registry) -> None:
    for name in ("mine.tsv", "theirs.tsv"):
        (tmp_path / name).write_text("a good film\t1\na bad film\t0\n" * 8)
    source = {"train_data": str(tmp_path / "mine.tsv"), "data": str(tmp_path / "theirs.tsv")}
    options = {**source, "training": replace(LITTLE, limit=None, epochs=1), "threads": 1, "quiet": True}
    folder = train(run_config("classification/sst2", "tiny-bert", **options), str(tmp_path / "model"), registry)
    assert json.loads((folder / RECORD).read_text())["data"]["name"] == "mine.tsv"


def test_what_is_generated_changes_no_training(once: Path, tmp_path: Path, registry: Registry) -> None:
    """Another way to generate is another run, not another training."""
    recipes = set()
    for beams in (1, 3):
        little = replace(LITTLE, limit=16, epochs=1, select_split="none")
        made = config(tmp_path, training=little, beams=beams, limit=4, split="test", ask="Generate")
        run(_settled(replace(made, model="tiny-t5")), registry, alone())
        recipes |= {p.parent.name for p in (tmp_path / "checkpoints").rglob(RECORD)}
    assert len(recipes) == 1
    assert len(list((tmp_path / "results").rglob("result.json"))) == 2
