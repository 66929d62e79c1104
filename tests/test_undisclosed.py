"""Splits whose references are not public: told where they are to be scored or learned, and predicted all the same."""

import json
import os
from pathlib import Path

import pytest
import toy
import warm

from plmtasks import declared
from plmtasks.config import Source, run_config
from plmtasks.data import refuse_undisclosed
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.evaluation import PredictConfig, predict, run, train
from plmtasks.hooks import load_registry
from plmtasks.scoring import Submission, score_file

FILE = """
name = "hotels/mood"
metrics = ["accuracy"]
labels = ["bad", "good"]

[columns]
reference = "mood"
hidden = -1

[Classify]
text = "{review}"

[data]
train = [{review = "a fine room", mood = 1}, {review = "a dirty room", mood = 0}, {review = "a room", mood = -1}]
test = [{review = "a fine view", mood = -1}, {review = "a dirty view", mood = "-1"}]
"""

SAID = r"split test: expected references, found none in all 2 rows: they are not public"
SETTINGS = {"threads": 1, "quiet": True}


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "mood.toml").write_text(FILE)
    return str(tmp_path / "mood.toml")


@pytest.fixture(scope="module")
def registry():
    return load_registry([toy])


def test_its_examples_have_no_reference(file):
    data = declared.task(file).load(Source())
    assert [(e.id, e.reference, e.undisclosed) for e in data["test"]] == [("test-0", None, True), ("test-1", None, True)]
    with pytest.raises(DataError, match=SAID + r"\n  evaluate another .*: train\n  plmtasks predict .* --split test"):
        refuse_undisclosed(data, "test")
    refuse_undisclosed(data, "train")
    alone = Path(file).with_name("alone.toml")
    alone.write_text("\n".join(line for line in FILE.splitlines() if not line.startswith("train")))
    with pytest.raises(DataError, match=SAID + r"\n  plmtasks predict"):  # there is no other split to evaluate
        refuse_undisclosed(declared.task(alone).load(Source()), "test")


def test_a_few_rows_without_an_answer_are_left_out_and_counted(file):
    data = declared.task(file).load(Source())
    with pytest.warns(DataWarning, match="split train: 1 example has no reference: left out"):
        assert [e.reference for e in data["train"]] == ["good", "bad"]
    assert (data.left_out("train"), data.left_out("test")) == (1, 0)


def test_it_is_neither_run_nor_scored(file, registry, tmp_path):
    with pytest.raises(DataError, match=SAID):
        run([run_config(file, "majority", split="test", output=str(tmp_path), **SETTINGS)], registry)
    (tmp_path / "p.jsonl").write_text('{"id": "test-0", "prediction": "bad"}\n{"id": "test-1", "prediction": "bad"}\n')
    with pytest.raises(DataError, match=SAID):
        score_file(registry, file, Source(), Submission(path=tmp_path / "p.jsonl", split="test"))
    (tmp_path / "hidden.toml").write_text(FILE.replace("mood = 1", "mood = -1").replace("mood = 0", "mood = -1"))
    with pytest.raises(DataError, match="split train: expected references, found none in all 3 rows"):
        train(run_config(str(tmp_path / "hidden.toml"), "tiny-bert", **SETTINGS), str(tmp_path / "model"), registry)


def test_it_is_predicted(file, registry, tmp_path):
    with pytest.warns(DataWarning, match="left out"):
        train(run_config(file, "majority", **SETTINGS), str(tmp_path / "model"), registry)
    config = PredictConfig(
        run=run_config(file, str(tmp_path / "model"), **SETTINGS), split="test", output=str(tmp_path / "test.jsonl")
    )
    predict(config, registry)
    lines = [json.loads(line) for line in (tmp_path / "test.jsonl").read_text().splitlines()]
    assert [(line["task"], line["split"], line["id"]) for line in lines] == [
        ("hotels/mood", "test", "test-0"), ("hotels/mood", "test", "test-1"),
    ]  # fmt: skip
    assert {line["prediction"] for line in lines} <= {"bad", "good"}
    before = (tmp_path / "test.jsonl").read_bytes()
    predict(config, registry)  # goes on where it ended
    assert (tmp_path / "test.jsonl").read_bytes() == before


def test_it_is_shown(tmp_path):
    (tmp_path / "mood.toml").write_text(FILE.partition("train = ")[0] + FILE[FILE.index("test = ") :])
    done = warm.plmtasks(["show", "mood.toml"], tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    assert "solved:\nits answer is not public\n" in done.stdout


@pytest.mark.parametrize("more", [{"input": "questions.txt"}, {"form": "text"}])
def test_a_split_is_asked_alone(file, registry, more):
    config = PredictConfig(run=run_config(file, "majority", **SETTINGS), split="test", **more)
    with pytest.raises(InputError, match="--split asks what the task's data has, in JSON lines"):
        predict(config, registry)


@pytest.mark.parametrize("label", ["-1", "-"])
def test_ones_own_rows_without_a_label_are_told(file, tmp_path, label):
    (tmp_path / "bare.toml").write_text(FILE.replace("hidden = -1\n", "").partition("[data]")[0])
    (tmp_path / "own.csv").write_text(f"review,mood\na fine view,1\na dirty view,{label}\n")
    data = declared.task(str(tmp_path / "bare.toml")).load(Source(data=str(tmp_path / "own.csv")))
    with pytest.raises(DataError, match=rf"own\.csv:3: expected a known label, found '{label}'") as error:
        data["test"]
    assert list(error.value.hints)[1:] == [
        f"{label} mostly stands for a label that is missing",
        f"hidden = {label!r} under [columns] of a task's file leaves such rows out",
    ]
