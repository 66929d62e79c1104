"""A stored run is run again: what differs is said before, and the same bytes come out."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_chain
import warm
from click.testing import CliRunner
from trainings import KINDS

from plmtasks.cli.reproduce import command
from plmtasks.config import run_config
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import Moved, config_of, differences, run, train
from plmtasks.evaluation.reproduction import FILES
from plmtasks.execution import environment
from plmtasks.files import dump
from plmtasks.hooks import load_registry
from plmtasks.requests import ClassifyAnswer
from plmtasks.results import Result, read_result

TOYS: dict[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The toy plugin beside the installed ones, and temporary folders that the test sees."""
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy,toy_chain")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def stored(tmp_path: Path) -> Result:
    registry = load_registry([toy, toy_chain], installed=False)
    return run([run_config("toy/even", "toy-model", output=str(tmp_path / "store"), **TOYS)], registry)[0]


def called(*arguments: Any) -> Any:
    return CliRunner().invoke(command, [*map(str, arguments), "--quiet"])


def left(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "temporary").iterdir()]


SAME = "".join(f"{name}: the same bytes\n" for name in FILES)
NOTHING = "nothing differs: the same data, weights, settings, versions and class of machine\n"


def test_the_same_bytes_come_out(stored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("TOY_LOG", str(log))
    done = called(stored.folder / "result.json")
    assert done.exit_code == 0, done.exception
    assert done.output == f"toy/even on toy-model: {stored.folder}\n{NOTHING}{SAME}"
    assert log.read_text().count("\n") > 1, "it was computed again"
    assert left(tmp_path) == []


def test_the_new_run_is_kept_where_the_user_says(stored: Result, tmp_path: Path) -> None:
    done = called(stored.folder, "--output", tmp_path / "new")
    assert done.exit_code == 0, done.exception
    again = read_result(tmp_path / "new")
    assert done.output.endswith(f"the new run: {again.folder}\n")
    assert [(again.folder / name).read_bytes() for name in FILES] == [(stored.folder / name).read_bytes() for name in FILES]
    done = called(stored.folder, "--output", tmp_path / "new")
    assert "holds a run that is finished" in str(done.exception), "it would be taken for the new one"
    assert done.exception.exit_code == 2


def test_other_answers_are_told(stored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.LoadedToy, "answer", lambda self, rs: [ClassifyAnswer(scores=(0.0, 1.0)) for _ in rs])
    done = called(stored.folder)
    assert done.exit_code == 1
    assert NOTHING in done.output
    no = sum(row["prediction"] == "no" for row in stored.predictions())
    assert (
        f"result.json: other bytes\npredictions.jsonl: other bytes\nstatistics.npy: other bytes\npredictions: {no} of 23"
        in done.output
    )
    now = 100 * 12 / 23
    assert stored.score is not None
    said = f"scores: 1 differ\n  toy_accuracy/accuracy: {stored.score:.6g} then, {now:.6g} now, by {now - stored.score:+.6g}\n"
    assert said in done.output
    (kept,) = left(tmp_path)
    assert f"the new run: {tmp_path / 'temporary' / kept}" in done.output


def test_an_altered_file_is_not_the_same(stored: Result) -> None:
    path = stored.folder / "predictions.jsonl"
    path.write_text(path.read_text().replace('"prediction": "yes"', '"prediction": "no"', 1))
    done = called(stored.folder)
    assert done.exit_code == 1
    assert "result.json: the same bytes\npredictions.jsonl: other bytes\nstatistics.npy: the same bytes\n" in done.output
    assert "predictions: 1 of 23 are others\nscores: the same\n" in done.output


def test_files_that_are_not_there_are_known_by_their_hashes(stored: Result) -> None:
    (stored.folder / "predictions.jsonl").unlink()
    (stored.folder / "statistics.npy").unlink()
    assert called(stored.folder).exit_code == 0


# ── what differs ──────────────────────────────────────────────────────────────────────────────────────────────────


def said(stored: Result) -> list[str]:
    done = called(stored.folder, "--check")
    assert done.exit_code == 1, done.exception
    assert SAME not in done.output
    return list(done.output.splitlines()[2:])


def test_other_data_is_told_before_it_starts(stored: Result, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOY_EXAMPLES", "24")
    found = said(stored)
    assert "  the number of examples of the whole split: 23 then, 24 now" in found
    assert any(line.startswith("  the examples: ") for line in found)
    assert any(line.startswith("  what is asked: texts, prompts, shots or labels: ") for line in found)
    assert left(tmp_path) == []
    done = called(stored.folder)
    assert done.exit_code == 1
    assert done.output.index("differs from when it was run:") < done.output.index("other bytes")


def test_other_weights_are_told(stored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def weights(name: str, digits: str) -> None:
        monkeypatch.setattr(toy.ToyModel, "identity", lambda self, form, settings: {"files": {name: digits * 32}})

    registry = load_registry([toy], installed=False)
    weights("model.safetensors", "cd")
    made = run([run_config("toy/even", "toy-model", output=str(tmp_path / "store"), **TOYS)], registry)[0]
    weights("model.safetensors", "ab")
    assert said(made) == ["  of the model: the file model.safetensors: cdcdcdcd then, abababab now"]
    weights("model-00001.safetensors", "cd")
    assert said(made) == [
        "  of the model: the file model-00001.safetensors: none then, cdcdcdcd now",
        "  of the model: the file model.safetensors: cdcdcdcd then, none now",
    ]


@pytest.mark.parametrize(
    ("cls", "line"),
    [
        (toy.ToyTask, "  of the task: the version: 1 then, 2 now"),
        (toy.ToyModel, "  the version of how the model is asked: 1 then, 2 now"),
        (toy.ToyAccuracy, "  the metric toy accuracy: toy_accuracy v1 then, toy_accuracy v2 now"),
    ],
)
def test_other_versions_of_what_plugins_bring_are_told(
    stored: Result, monkeypatch: pytest.MonkeyPatch, cls: Any, line: str
) -> None:
    monkeypatch.setattr(cls, "version", 2)
    assert said(stored) == [line]


def test_another_machine_and_other_libraries_are_told(stored: Result) -> None:
    path = stored.folder / "environment.json"
    described = json.loads(path.read_text())
    now = environment.describe("cpu")
    described.update(processor="Zilog", cpu_capability="Z80", device="an abacus")
    described["versions"].update(torch="0.4.1", fasttext="1")
    path.write_text(dump(described))
    assert sorted(said(stored)) == sorted([
        f"  the maker of the processor: Zilog then, {now['processor']} now",
        f"  the processor's instructions: Z80 then, {now['cpu_capability']} now",
        "  the device: an abacus then, cpu now",
        f"  the version of torch: 0.4.1 then, {now['versions']['torch']} now",
        "  the version of fasttext: 1 then, none now",
    ])  # fmt: skip
    path.unlink()
    assert said(stored)[0].startswith("  the machine: not known: there is no environment.json then, ")


# ── what cannot be run ────────────────────────────────────────────────────────────────────────────────────────────


def refused(*arguments: Any) -> InputError:
    done = called(*arguments)
    assert isinstance(done.exception, InputError), done.output
    assert done.exception.exit_code == 2
    return done.exception


def test_a_result_without_its_settings(stored: Result) -> None:
    (stored.folder / "config.json").unlink()
    error = refused(stored.folder)
    assert isinstance(error, DataError)
    assert error.hints == ("a run is repeated from its whole folder",)


def test_settings_that_are_newer_than_this_plmtasks(stored: Result) -> None:
    path = stored.folder / "config.json"
    found = json.loads(path.read_text())
    found["config"]["settings"]["telepathy"] = True
    path.write_text(dump(found))
    error = refused(stored.folder)
    assert error.message == f"{stored.folder} was run with settings that are not known here: settings.telepathy"
    assert error.hints == ("it was run with plmtasks 0.1.0",)


def test_settings_that_are_older_have_their_defaults(stored: Result) -> None:
    path = stored.folder / "config.json"
    found = json.loads(path.read_text())
    del found["config"]["settings"]["stride"], found["config"]["retry_oom"]
    path.write_text(dump(found))
    assert called(stored.folder).exit_code == 0


def test_a_task_that_is_not_installed(stored: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "")
    assert "there is no task 'toy/even'" in refused(stored.folder).message


def test_more_runs_than_one(stored: Result) -> None:
    shutil.copytree(stored.folder, stored.folder.with_name("another"))
    assert "2 runs are there" in refused(stored.folder.parent).message


def test_a_run_that_fails_keeps_what_it_did(stored: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy.LoadedToy, "answer", lambda self, rs: [])
    done = called(stored.folder)
    assert done.exception.exit_code == 2
    assert left(tmp_path) != []
    assert f"what was done is in {tmp_path / 'temporary'}" in done.output


# ── where things lie ──────────────────────────────────────────────────────────────────────────────────────────────


def test_data_that_lies_elsewhere_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is meant from where the run was started."""
    begun, other = tmp_path / "begun", tmp_path / "other"
    (begun / "data").mkdir(parents=True)
    other.mkdir()
    (begun / "data" / "test.tsv").write_text("sentence\tlabel\n" + "".join(f"a fine film {i}\t{i % 2}\n" for i in range(8)))
    monkeypatch.chdir(begun)
    registry = load_registry()
    texts = [f"a fine film {i}" for i in range(8)]
    registry.model("tiny-bert").make(texts, 0, begun / "model")
    options: dict[str, Any] = {"data": "data", "output": "store", "train": "never", "allow_untrained": True}
    [made] = run([run_config("classification/sst2", "./model", **options, threads=1, quiet=True)])
    stored = made.folder.absolute()
    assert called(stored).exit_code == 0
    monkeypatch.chdir(other)
    assert refused(stored).hints[-2:] == (
        "the run was told --data data, from the folder where it was started: --data PATH says where that lies now",
        "the run was told --model ./model, from the folder where it was started: --model PATH says where that lies now",
    )
    assert called(stored, "--data", begun / "data", "--model", begun / "model").exit_code == 0
    (begun / "data" / "test.tsv").write_text((begun / "data" / "test.tsv").read_text().replace("film 3", "play 3"))
    done = called(stored, "--data", begun / "data", "--model", begun / "model")
    assert done.exit_code == 1
    assert "  the examples: " in done.output


def test_a_run_of_given_predictions(tmp_path: Path) -> None:
    registry = load_registry([toy, toy_chain], installed=False)
    first = run([run_config("toy/find", "toy-model", output=str(tmp_path / "s"), **TOYS)], registry)[0]
    config = run_config("toy/follow", "toy-model", output=str(tmp_path / "s"), predictions_of=str(first.folder), **TOYS)
    second = run([config], registry)[0]
    assert called(second.folder).exit_code == 0
    moved = shutil.move(first.folder, tmp_path / "moved")
    assert any("--predictions-of PATH says where that lies now" in hint for hint in refused(second.folder).hints)
    assert called(second.folder, "--predictions-of", moved).exit_code == 0


def test_a_run_at_an_address(stored: Result) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.put(str(stored.folder), "/reproduced/", recursive=True)
    try:
        done = called(f"memory://reproduced/{stored.folder.name}/result.json")
        assert (done.exit_code, done.output.count("the same bytes")) == (0, 3)
    finally:
        files.rm("/reproduced", recursive=True)


# ── with training on the way ──────────────────────────────────────────────────────────────────────────────────────


def trained(task: str, model: str, folder: Path, **options: Any) -> Result:
    common = {"num_train_epochs": 2, "max_train_samples": 48, "select_split": "none", "limit": 16, "threads": 1, "quiet": True}
    places = {"output": str(folder / "results"), "checkpoints": str(folder / "checkpoints")}
    return run([run_config(task, model, **{**common, **places, **options})])[0]


@pytest.mark.slow
def test_a_model_that_was_trained_on_the_way_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = trained("classification/sample", "tiny-bert", tmp_path, select_split="validation", max_train_samples=32)
    done = called(made.folder)
    assert done.exit_code == 0, done.exception
    assert done.output.endswith(NOTHING + SAME)
    done = called(made.folder, "--checkpoints", tmp_path / "checkpoints", "--output", tmp_path / "new")
    assert done.exit_code == 0, done.exception
    assert not (tmp_path / "new" / "checkpoints").exists()
    config = config_of(made, Moved(), "o", "c")
    assert (config.processes, config.training.num_train_epochs, config.limit) == (1, 2, 16)
    recipe = made.folder / "config.json"
    asked = json.loads(recipe.read_text())
    asked["config"]["training"]["learning_rate"] = 0.5
    recipe.write_text(dump(asked))
    lines = called(made.folder, "--check").output.splitlines()[2:]
    assert lines == ["  the training's setting learning rate: 0.002 then, 0.5 now"]


def test_a_model_that_was_trained_before(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "num_train_epochs": 1,
        "max_train_samples": 32,
        "select_split": "none",
        "threads": 1,
        "quiet": True,
    }
    folder = train(run_config("classification/sample", "tiny-bert", **options), str(tmp_path / "mine"))
    [made] = run([
        run_config("classification/sample", str(folder), output=str(tmp_path / "r"), limit=16, threads=1, quiet=True)
    ])  # fmt: skip
    assert called(made.folder).exit_code == 0
    moved = folder.rename(tmp_path / "elsewhere")
    assert any("--model PATH says where that lies now" in hint for hint in refused(made.folder).hints)
    done = called(made.folder, "--model", moved)
    assert done.exit_code == 1, "a folder's name is its model's"
    assert "  of the model: the name: mine then, elsewhere now" in done.output
    back = moved.rename(tmp_path / "temporary" / "mine")
    assert called(made.folder, "--model", back).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [k for k, (tasks, _) in KINDS.items() if len(tasks) == 1])
def test_every_kind_of_request_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    (task,), model = KINDS[kind]
    made = trained(task, model, tmp_path)
    done = called(made.folder)
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.output.endswith(NOTHING + SAME)


@pytest.mark.slow
def test_training_takes_the_same_number_of_processes(tmp_path: Path) -> None:
    common = ["--threads", "1", "--quiet", "--limit", "16"]
    common += ["--training", "num_train_epochs=1,max_train_samples=32,select_split=none"]
    asked = ["--task", "classification/sample", "--model", "tiny-bert", "--processes", "2"]
    places = ["--output", str(tmp_path / "r"), "--checkpoints", str(tmp_path / "c")]
    assert warm.plmtasks(["run", *asked, *common, *places], tmp_path, os.environ, processes=2).returncode == 0
    made = read_result(tmp_path / "r")
    config = config_of(made, Moved(), str(tmp_path / "new"), str(tmp_path / "c2"))
    assert config.processes == 2
    assert differences(made, config, load_registry()) == []
    done = warm.plmtasks(["reproduce", str(made.folder), "--quiet"], tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(NOTHING + SAME)
