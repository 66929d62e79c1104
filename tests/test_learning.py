"""Whether a model learns from little data, and what is said when it has not."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from plmtasks import run_config
from plmtasks.errors import LearningWarning
from plmtasks.evaluation import estimate, run, train
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import RECORD
from plmtasks.training.recipe import LEAST_UPDATES


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> str:
    """A checkpoint that recommends nothing, as those of the hub."""
    folder = tmp_path_factory.mktemp("encoder") / "model"
    start = run_config("srl/sample", "tiny-bert", training={"num_train_epochs": 1, "max_train_samples": 8}, threads=1, quiet=True)
    return str(train(start, str(folder), registry))


def config(model: str, **settings: Any) -> Any:
    output = str(settings.pop("folder", "results"))
    return run_config("classification/sample", model, **{"threads": 1, "quiet": True, "output": output, **settings})


@pytest.mark.parametrize(
    ("training", "epochs", "updates"),
    [
        ({"max_train_samples": 64}, 50, 100),
        ({"max_train_samples": 200}, 15, 105),
        ({"max_train_samples": 40, "train_batch_size": 1}, 3, 120),
        ({"max_train_samples": 64, "gradient_accumulation_steps": 2}, 100, 100),
        ({"max_train_samples": 64, "num_train_epochs": 3}, 3, 6),
    ],
)
def test_few_examples_are_gone_through_more_often(
    training: dict[str, Any], epochs: int, updates: int, encoder: str, registry: Registry
) -> None:
    found = estimate(config(encoder, training=training), registry)
    assert (found.epochs, found.updates) == (epochs, updates)


def test_what_a_model_recommends_stays(registry: Registry) -> None:
    recommended = registry.model("tiny-bert").recommended["num_train_epochs"]
    assert estimate(config("tiny-bert", training={"max_train_samples": 16}), registry).epochs == recommended


def test_the_help_says_the_floor() -> None:
    from plmtasks.config import TrainSettings
    from plmtasks.files.values import documented

    assert f"as many more as make {LEAST_UPDATES} updates" in documented(TrainSettings)["num_train_epochs"]


@pytest.mark.slow
def test_the_floor_is_said_and_recorded(
    encoder: str, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    little = config(encoder, training={"max_train_samples": 8, "learning_rate": 2e-3, "select_split": "none"}, quiet=False)
    record = json.loads((train(little, str(tmp_path / "a"), registry) / RECORD).read_text())
    said = "100 epochs of 1 update (100 in all; not 3 epochs, for at least 100 updates)"
    assert said in capsys.readouterr().err
    assert (record["least_updates"], record["parts"]["training"]["num_train_epochs"]) == (LEAST_UPDATES, 100)
    named = config(encoder, training={"max_train_samples": 8, "num_train_epochs": 1}, quiet=False)
    assert "least_updates" not in json.loads((train(named, str(tmp_path / "b"), registry) / RECORD).read_text())
    assert "at least" not in capsys.readouterr().err


def test_a_loss_that_does_not_fall_is_told(registry: Registry, tmp_path: Path) -> None:
    how: dict[str, Any] = {
        "max_train_samples": 64,
        "num_train_epochs": 5,
        "train_batch_size": 16,
        "select_split": "none",
        "dtype": "float32",
    }
    with pytest.warns(
        LearningWarning, match=r"classification/sample: the loss did not fall: \d\.\d+ in the first tenth of the 20"
    ):
        train(config("tiny-bert", training={**how, "learning_rate": 3.0}, quiet=False), str(tmp_path / "wild"), registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LearningWarning)
        train(config("tiny-bert", training={**how, "learning_rate": 2e-3}, quiet=False), str(tmp_path / "tame"), registry)


def told(model: str, registry: Registry, folder: Path, **settings: Any) -> list[str]:
    """The warnings of a run whose model hardly learns."""
    little = {"max_train_samples": 16, "num_train_epochs": 1, "learning_rate": 1e-9, "select_split": "none"}
    asked = run_config(
        "classification/sample", model, threads=1, limit=40, training=little, output=str(folder / "results"),
        checkpoints=str(folder / "checkpoints"), **settings,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run([asked], registry)
    return [str(one.message) for one in caught if issubclass(one.category, LearningWarning)]


def test_one_answer_to_all_is_told_of_what_was_to_learn(encoder: str, registry: Registry, tmp_path: Path) -> None:
    [said] = told("tiny-bert", registry, tmp_path)
    assert said.startswith('classification/sample on tiny-bert: all 40 predictions are "')
    assert "the model has hardly learned. Look at the labels; more num_train_epochs" in said
    assert told("majority", registry, tmp_path) == []
    assert told("tiny-bert", registry, tmp_path / "quiet", quiet=True) == []
    assert told(encoder, registry, tmp_path / "untrained", train="never", allow_untrained=True) == []
