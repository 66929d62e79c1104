"""`plmtasks check`: the kit from the command line, and hints about data."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from test_broken_plugins import CLASHING, FAULTS, install

from plmtasks.cli import cli
from plmtasks.config import Source
from plmtasks.errors import InputError, PlmtasksError
from plmtasks.hooks import load_registry
from plmtasks.testing import DATA_CHECKS, CheckFailed, NotApplicable, TaskSubject

WORDS = ("a lamp", "the piano", "one glass", "my letter", "her basket", "his violin", "our bread", "their chair")


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command changes for the processes that it starts."""
    monkeypatch.setenv("PLMTASKS_PLUGINS", "")
    monkeypatch.setenv("HYPOTHESIS_STORAGE_DIRECTORY", "/nowhere")
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def check(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, ["check", *map(str, arguments)])


def found(*arguments: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """(name, check) → what was said, of those that were not passed"""
    said = json.loads(check(*arguments, "--format", "json").stdout)
    return {(f["name"], f["check"]): f for f in said if f["state"] != "passed"}


# ── what a name stands for ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classification/sample", "qa/sample", "accuracy", "tiny-bert"])
def test_ours_pass(name: str) -> None:
    done = check(name)
    assert done.exit_code == 0, done.output
    assert " passed" in done.output.splitlines()[0]
    assert "failed" not in done.output


@pytest.mark.slow
def test_a_distribution_is_all_that_it_brings() -> None:
    said = check("plmtasks-robustness", "plmtasks-srl").stdout
    assert "plugin robustness: 1 passed" in said
    assert "task srl/sample: 2" in said
    assert "task srl/propbank: not checked: srl/propbank has no data of its own" in said


def test_a_task_from_toml(tmp_path: Path) -> None:
    (tmp_path / "mood.toml").write_text(
        'name = "hotels/mood"\ndescription = "good or bad?"\nmetrics = ["accuracy"]\nlabels = ["bad", "good"]\n'
        '[columns]\nreference = "mood"\n[Classify]\ntext = "{text}"\n'
        '[data]\ntest = [{ text = "a lamp", mood = "good" }, { text = "a lamp", mood = "bad" }]\n'
    )
    said = found(tmp_path / "mood.toml")
    assert said["hotels/mood", "same_inputs_have_one_reference"]["said"].startswith("2 examples of 2 have the inputs of another")
    assert {f["state"] for f in said.values()} == {"hint", "skipped"}


@pytest.mark.slow
def test_a_plugin_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["new", "task", "check-me", "--output", "."]).exit_code == 0
    before = sorted(tmp_path.iterdir())
    for path in (tmp_path, tmp_path / "plmtasks_check_me"):
        done = check(path)
        assert done.exit_code == 0, done.output
        assert "plugin plmtasks_check_me: 1 passed\ntask check-me/first: 28 passed" in done.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_one_of_ours_from_its_folder_is_the_installed_one() -> None:
    done = check(Path(__file__).parents[1] / "plugins" / "robustness")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("plugin robustness: 1 passed")


def test_a_project_without_a_plugin(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    with pytest.raises(InputError, match=r"names no plugin\n  expected \[project.entry-points.plmtasks\]"):
        CliRunner().invoke(cli, ["check", str(tmp_path)], catch_exceptions=False)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = \n")
    with pytest.raises(InputError, match=r"pyproject\.toml:2: expected TOML, found Invalid value"):
        CliRunner().invoke(cli, ["check", str(tmp_path)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("clasification", "there is no task 'clasification'\n  nor a model"),
        ("bert-base", "is not on this machine"),
        ("classification/sst2", "not in the hub's cache"),
        ("cmrc", "there is nothing that metric 'cmrc' could score"),
    ],
)
def test_what_cannot_be_checked(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PlmtasksError, match=said):
        CliRunner().invoke(cli, ["check", name], catch_exceptions=False)


# ── what is wrong with it ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_faults_are_found_and_the_rest_is_checked(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTS)
    done = check(tmp_path / "faulty.py")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert any("task fault/asks" in line and " failed" in line for line in lines)
    assert "  ✗ is_at_hand: " in done.stdout
    assert "KeyError: 'no such file'" in done.stdout
    assert "  ✗ statistics_have_their_shape: a statistic is no finite number" in done.stdout
    assert "no weights today" in done.stdout
    assert not any(line.startswith("Traceback") for line in lines)


def test_a_plugin_that_fails_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "nothing", "import a_package_that_nobody_has\n")
    done = check("broken-nothing")
    assert done.exit_code == 1
    assert "✗ loads: ModuleNotFoundError: No module named 'a_package_that_nobody_has'" in done.stdout


def test_a_name_that_two_plugins_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one_plugin", "other_plugin"):
        (tmp_path / f"{name}.py").write_text(CLASHING)
    done = check(tmp_path / "one_plugin.py", tmp_path / "other_plugin.py")
    assert done.exit_code == 1
    assert "✗ has_its_name: it is claimed by one_plugin and other_plugin" in done.stdout


def test_the_example_that_shows_a_fault_is_shown_in_short(tmp_path: Path) -> None:
    rows = [{"text": "x " * 500, "label": "positive"}, {"text": "x " * 500, "label": "negative"}]
    done = check("classification/sst2", "--data", written(tmp_path, test=rows))
    assert done.exit_code == 0
    [line] = [line for line in done.stdout.splitlines() if "! texts_have_the_usual_length" in line]
    assert line.endswith("2 examples over 512 tokens or so, the longest of 500 words")
    assert max(map(len, done.stdout.splitlines())) < 300


# ── hints about data ──────────────────────────────────────────────────────────────────────────────────────────────


def written(folder: Path, **splits: list[dict[str, Any]]) -> Path:
    """A folder with a file a split."""
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


def rows(*labels: str, start: int = 0) -> list[dict[str, Any]]:
    return [{"text": f"{WORDS[i % 8]} number {start + i}", "label": label} for i, label in enumerate(labels)]


def hint(name: str, task: str, data: Path) -> str:
    """What a check of the data says; "" if it has nothing to say."""
    subject = TaskSubject(task=load_registry().task(task), source=Source(data=str(data)))
    try:
        DATA_CHECKS[name](subject)
    except CheckFailed as e:
        json.dumps(e.example)
        return e.message
    return ""


BOTH = ("positive", "negative")

PLANTED: dict[str, tuple[str, dict[str, list[dict[str, Any]]], str]] = {
    "rare": ("labels_are_balanced", {"test": rows(*["positive"] * 20, "negative")}, "far from equally frequent in test"),
    "never": ("labels_are_balanced", {"train": rows("positive"), "test": rows(*BOTH)}, "far from equally frequent in train"),
    "twice": (
        "no_example_stands_twice", {"test": [*rows(*BOTH), rows(*BOTH)[1]]},
        "inputs that stand more than once (test: 2 examples of 3)",
    ),
    "conflict": (
        "same_inputs_have_one_reference", {"train": rows("positive"), "test": rows("negative")},
        "2 examples of 2 have the inputs of another one and another reference",
    ),
    "leak": (
        "no_other_split_was_trained_on", {"train": rows(*BOTH), "test": [*rows(*BOTH, start=9), rows(*BOTH)[0]]},
        "examples that stand in the train split too (test: 1 whole, 0 by 8 words in a row, of 3)",
    ),
    "empty": (
        "texts_have_the_usual_length", {"test": [*rows(*BOTH), {"text": " ", "label": BOTH[0]}]}, "1 example with an empty text"
    ),
    "long": (
        "texts_have_the_usual_length", {"test": [{"text": "中" * 400, "label": "positive"}]},
        "1 example over 512 tokens or so, the longest of 400 words",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", PLANTED)
def test_what_is_wrong_with_data_is_said(fault: str, tmp_path: Path) -> None:
    name, splits, said = PLANTED[fault]
    assert said in hint(name, "classification/sst2", written(tmp_path, **splits))


def test_nothing_is_said_of_good_data(tmp_path: Path) -> None:
    data = written(tmp_path, train=rows(*BOTH * 3), test=rows(*BOTH * 3, start=10))
    assert {name: hint(name, "classification/sst2", data) for name in DATA_CHECKS} == dict.fromkeys(DATA_CHECKS, "")


@pytest.mark.slow
def test_references_that_nobody_can_reach(tmp_path: Path) -> None:
    texts = [{"document": "a long story", "summary": "short"}, {"document": "another", "summary": "many " * 2000}]
    said = hint("references_can_be_met", "summarization/xsum", written(tmp_path, test=texts))
    assert "1 example longer than the " in said


def test_references_that_the_metric_cannot_count(tmp_path: Path) -> None:
    (tmp_path / "answer.toml").write_text(
        'name = "answers/short"\ndescription = "?"\nmetrics = ["rouge"]\n[Generate]\ntext = "{question}"\n'
        '[columns]\nreference = "answer"\n'
        '[data]\ntest = [{ question = "who?", answer = "she" }, { question = "what?", answer = "…" }]\n'
    )
    task = load_registry().task(str(tmp_path / "answer.toml"))
    with pytest.raises(CheckFailed, match="test, Generate: 1 example cannot get rouge's 100") as failed:
        DATA_CHECKS["references_can_be_met"](TaskSubject(task=task))
    assert failed.value.example[0]["reference"] == ["…"]


def test_hints_wait_for_the_laws(tmp_path: Path) -> None:
    (tmp_path / "turned.py").write_text(
        "import toy\nfrom plmtasks import hookimpl\nfrom plmtasks.examples import Prediction\n"
        "class Turned(toy.ToyTask):\n    def read(self, *given):\n        return Prediction(value='no')\n"
        "@hookimpl\ndef register_tasks():\n    return [Turned(name='t/a', metrics=('accuracy',))]\n"
    )
    said = found(tmp_path / "turned.py")
    assert said["t/a", "solved_answers_are_best"]["state"] == "failed"
    assert not {check for _, check in said} & set(DATA_CHECKS)


def test_what_has_no_labels_or_no_train_split_is_not_asked_for_them(tmp_path: Path) -> None:
    subject = TaskSubject(
        task=load_registry().task("summarization/xsum"),
        source=Source(data=str(written(tmp_path, test=[{"document": "a", "summary": "b"}]))),
    )
    for name in ("labels_are_balanced", "no_other_split_was_trained_on"):
        with pytest.raises(NotApplicable):
            DATA_CHECKS[name](subject)


def test_the_environment_is_left_alone(tmp_path: Path) -> None:
    check("accuracy")
    assert os.environ["PLMTASKS_PLUGINS"] == ""
