"""Several tasks learned together by one model."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plmtasks import TrainSettings, run_config
from plmtasks.cli import cli
from plmtasks.config import RunConfig
from plmtasks.errors import InputError
from plmtasks.evaluation import run, train
from plmtasks.execution.environment import resolve
from plmtasks.hooks import Registry, load_registry
from plmtasks.metric import ScoreInfo
from plmtasks.model import RECORD
from plmtasks.training.dataset import TrainingDataset, worth

pytestmark = pytest.mark.slow

TASKS = ("classification/sample", "qa/sample")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def configs(model: str, *tasks: str, **options: object) -> list[RunConfig]:
    settings = TrainSettings(num_train_epochs=4, max_train_samples=200, train_batch_size=16, learning_rate=2e-3)
    plain = {"threads": 1, "quiet": True, "training": settings, **options}
    return [run_config(task, model, **plain) for task in tasks]


def record(folder: Path) -> dict:
    return json.loads((folder / RECORD).read_text())


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
        result = run([resolve(config, 1)], registry)[0]
        assert result.record["protocol"]["how"] == f"fine-tuned with {other}"
        assert [t["task"] for t in result.record["protocol"]["trained_on"]] == list(TASKS)
        assert result.record["protocol"]["newly_initialized"] == []


def test_what_it_says_on_validation_is_what_it_answers_later(both: Path, tmp_path: Path, registry: Registry) -> None:
    best = max(entry["score"] for entry in record(both)["history"])
    [scores] = [entry["scores"] for entry in record(both)["history"] if entry["score"] == best][:1]
    for task in TASKS:
        [config] = configs(str(both), task, split="validation", output=str(tmp_path))
        assert run([resolve(config, 1)], registry)[0].score == pytest.approx(scores[task], abs=1e-9)


def test_the_epoch_is_chosen_by_distances_not_by_sums_of_units() -> None:
    """Perplexity 40 → 39 beside an error of 20 → 40: the sum of units would take the second epoch."""
    datasets = [
        TrainingDataset(task=task, requests=[], answers=[], facts={}, evaluate=lambda *_: 0.0, info=info)
        for task, info in {"lm": ScoreInfo(best=1.0, higher_is_better=False), "qa": ScoreInfo()}.items()
    ]
    epochs = [{"lm": 140.0, "qa": 80.0}, {"lm": 100.0, "qa": 60.0}, {"lm": 140.0, "qa": 81.0}, {"lm": math.nan, "qa": 99.0}]
    first, second, third, fourth = (worth(datasets, scores) for scores in epochs)
    assert first == pytest.approx(-(math.log(139) + math.log(20)) / 2)
    assert second < first < third
    assert math.isnan(fourth)
    assert worth(datasets, {"lm": 1.0, "qa": 100.0}) == pytest.approx(-(math.log(0.001) + math.log(0.1)) / 2)
    assert worth(datasets[:1], {"lm": 140.0}) == -140.0


def test_a_score_without_a_best_value_chooses_no_epoch_of_several_tasks(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "styles.toml").write_text(
        'name = "own/styles"\nmetrics = ["summary_style"]\n[columns]\nreference = "summary"\n[Generate]\ntext = "{text}"\n'
    )
    for split in ("train", "validation"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a red kite flew", "summary": "a kite"}\n')
    some = TrainSettings(num_train_epochs=1, max_train_samples=1)
    [styles] = configs("tiny-t5", str(tmp_path / "styles.toml"), training=some, data=str(tmp_path))
    [questions] = configs("tiny-t5", "qa/sample", training=some)
    said = "own/styles: length_ratio has no best value, so that no epoch can be chosen for several tasks"
    with pytest.raises(InputError, match=f"{said}\n  keep the last epoch with --training select_split=none"):
        train([styles, questions], str(tmp_path / "model"), registry)


def test_scores_are_said_by_name_with_their_direction(tmp_path: Path, registry: Registry, capsys: Any) -> None:
    names = ("language_modeling/text", "classification/sample")
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_text("the painter sold the lamp .\n" * 8)
    some = {"training": TrainSettings(num_train_epochs=2, max_train_samples=8, train_batch_size=8), "quiet": False}
    both = [*configs("tiny-gpt", names[0], data=str(tmp_path), **some), *configs("tiny-gpt", names[1], **some)]
    folder = train(both, str(tmp_path / "model"), registry)
    said = capsys.readouterr().err
    for entry in record(folder)["history"]:
        lm, accuracy = (entry["scores"][name] for name in names)
        assert lm > 0
        assert f"language_modeling/text validation bits_per_byte {lm:.2f} (lower is better)" in said
        assert f"classification/sample validation accuracy {accuracy:.2f} (higher is better)" in said
        assert entry["score"] == pytest.approx(-(math.log(lm) + math.log(100 - accuracy)) / 2)


@pytest.mark.parametrize("model", ["tiny-gpt", "tiny-t5"])
def test_text_to_text_models_learn_tasks_together(model: str, tmp_path: Path, registry: Registry) -> None:
    some = TrainSettings(
        num_train_epochs=1,
        max_train_samples=32,
        train_batch_size=16,
        learning_rate=2e-3,
        mixing="qa/sample=1,classification/sample=3",
    )
    folder = train(configs(model, *TASKS, training=some), str(tmp_path / "model"), registry)
    assert set(record(folder)["history"][0]["losses"]) == set(TASKS)
    for task in TASKS:
        [config] = configs(str(folder), task, split="test", limit=4, output=str(tmp_path / "results"), train="never")
        assert run([resolve(config, 1)], registry)[0].record["protocol"]["newly_initialized"] == []


def test_a_task_is_learned_once(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(InputError, match="learned twice"):
        train(configs("tiny-bert", TASKS[0], TASKS[0]), str(tmp_path / "model"), registry)


def test_several_tasks_have_data_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "a good film\tyes\na bad film\tno\n" * 8)
    (tmp_path / "two.toml").write_text(
        'model = "tiny-bert"\nthreads = 1\ndry_run = true\n[[tasks]]\nname = "classification/custom"\n'
        f'data = "{tmp_path}"\n[[tasks]]\nname = "qa/sample"\n'
    )
    cli(["train", "--config", str(tmp_path / "two.toml")], standalone_mode=False)
    assert "16 examples of classification/custom, 600 examples of qa/sample" in capsys.readouterr().out


def test_a_trained_model_remembers_what_it_learned_before(both: Path, tmp_path: Path, registry: Registry) -> None:
    [config] = configs(str(both), "classification/sample")
    little = replace(config, training=replace(config.training, num_train_epochs=1, max_train_samples=16))
    folder = train(little, str(tmp_path / "model"), registry)
    assert [t["task"] for t in record(folder)["before"]] == list(TASKS)
