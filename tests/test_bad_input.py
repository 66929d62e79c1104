"""What bad input gets: one message, exit code 2, no traceback, nothing written."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import warm

SST2 = ["run", "--task", "classification/sst2", "--model", "tiny-bert", "--data"]
CUSTOM = ["run", "--task", "classification/custom", "--model", "tiny-bert", "--data"]
SQUAD = ["run", "--task", "qa/squad", "--model", "tiny-bert", "--data"]
GOOD = "a good film\t1\na bad film\t0\n"


def plmtasks(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.plmtasks(arguments, folder, os.environ)


def squad(answer: str = "Paris", start: int = 8, **changes: object) -> str:
    question = {"id": "q1", "question": "Where?", "answers": [{"text": answer, "answer_start": start}], **changes}
    return json.dumps(
        {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "He is in Paris.", "qas": [question]}]}]}
    )


def text(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    return write


def latin(path: Path) -> None:
    path.write_bytes(GOOD.encode() + b"caf\xe9\t1\n")


def nothing(folder: Path) -> None:
    pass


CASES: dict[str, tuple[Callable[[Path], None], list[str], list[str]]] = {
    "missing file": (nothing, [*SST2, "nowhere.tsv"], ["nowhere.tsv: no such file or folder"]),
    "empty folder": (lambda f: (f / "d").mkdir(), [*SST2, "d"], ["d: no file of any split", "looked for: train.*"]),
    "empty file": (text("dev.tsv", ""), [*SST2, "dev.tsv"], ["at least one example", "none"]),
    "broken JSON line": (
        text("a.jsonl", '{"text": "x", "label": "a"}\n{"text": \n'),
        [*CUSTOM, "a.jsonl"],
        ["a.jsonl:2:", "a JSON object a line"],
    ),
    "wrong encoding": (
        lambda f: latin(f / "dev.tsv"),
        [*SST2, "dev.tsv"],
        ["dev.tsv:3", "expected UTF-8 text", "0xe9"],
    ),
    "a missing column": (
        text("a.csv", "words,label\nx,a\ny,b\n"),
        [*CUSTOM, "a.csv"],
        ["a.csv:2", "a column with the text", "'words', 'label'", "--columns text=COLUMN"],
    ),
    "an unknown label": (text("dev.tsv", GOOD + "a film\t7\n"), [*SST2, "dev.tsv"], ["dev.tsv:3", "'7'", "negative"]),
    "mixed format": (text("dev.tsv", GOOD + '{"sentence": "a film", "label": 1}\n'), [*SST2, "dev.tsv"], ["dev.tsv:3"]),
    "a pair where one text is wanted": (
        text("dev.tsv", "sentence1\tsentence2\tlabel\na film\ta movie\t1\n"),
        [*SST2, "dev.tsv"],
        ["dev.tsv:2", "a pair", "sentence2"],
    ),
    "wrong format": (text("a.json", "[1, 2]"), [*SQUAD, "a.json"], ["a.json"]),
    "broken JSON": (text("a.json", '{"data": [\n'), [*SQUAD, "a.json"], ["a.json:1:11", "JSON"]),
    "missing key": (text("a.json", '{"data": [{"title": "t"}]}'), [*SQUAD, "a.json"], ["a.json", "data[0]", "paragraphs"]),
    "duplicate ids": (
        text("a.jsonl", '{"id": 1, "text": "x", "label": "a"}\n{"id": 1, "text": "y", "label": "b"}\n'),
        [*CUSTOM, "a.jsonl"],
        ["a.jsonl:2: expected each id once, found '1' again"],
    ),
    "an answer that is not in its context": (text("a.json", squad("London")), [*SQUAD, "a.json"], ["a.json", "q1", "London"]),
    "an unknown task": (
        nothing,
        ["run", "--task", "clasification/sst2", "--model", "tiny-bert"],
        ["did you mean 'classification/sst2'"],
    ),
    "an unknown model": (nothing, ["run", "--task", "qa/sample", "--model", "tiny-brt"], ["did you mean 'tiny-bert'"]),
    "a pair that does not fit": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-gpt", "--ask", "ExtractSpan"],
        ["model 'tiny-gpt' cannot be asked task 'qa/sample' by ExtractSpan", "models that fit: bert-base"],
    ),
    "a kind that the task has not": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-gpt", "--ask", "Tag"],
        ["cannot be asked by 'Tag'", "ExtractSpan"],
    ),
    "no network and nothing cached": (nothing, ["run", "--task", "qa/sample", "--model", "nobody/nothing"], ["nobody/nothing"]),
    "no data at hand": (nothing, ["run", "--task", "classification/custom", "--model", "tiny-bert"], ["--data PATH"]),
    "a folder that is no checkpoint": (
        lambda f: (f / "model").mkdir(),
        ["run", "--task", "qa/sample", "--model", "./model"],
        ["model", "config.json"],
    ),
    "a missing folder": (nothing, ["run", "--task", "qa/sample", "--model", "./model"], ["there is no folder './model'"]),
    "an output that cannot be written": (
        text("out", ""),
        ["train", "--task", "qa/sample", "--model", "tiny-bert", "--output", "out"],
        ["out", "cannot be written"],
    ),
    "an unknown split": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-bert", "--split", "dev"],
        ["no split 'dev'", "validation"],
    ),
    "no train split": (text("dev.tsv", GOOD), [*SST2, "dev.tsv"], ["has no train split", "--holdout 0.2", "--train-data FILE"]),
    "training forbidden": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-bert", "--train", "never"],
        ["--train never forbids it"],
    ),
    "shots where none fit": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-bert", "--shots", "2"],
        ["a ExtractSpan request takes no shots"],
    ),
    "predictions of other examples": (
        text("p.json", '{"other": "x"}'),
        ["score", "--task", "qa/sample", "--predictions", "p.json"],
        ["p.json", "a prediction for every example", "none for 100 of 100"],
    ),
    "too few lines of predictions": (
        text("p.txt", "positive\n"),
        ["score", "--task", "classification/sample", "--predictions", "p.txt"],
        ["p.txt", "expected 100 lines", "found 1"],
    ),
    "no results": (lambda f: (f / "r").mkdir(), ["leaderboard", "r"], ["r: no result.json at or below it"]),
    "a result of another version": (
        text("result.json", '{"schema_version": 99}'),
        ["leaderboard", "result.json"],
        ["a result of schema version 1", "version 99"],
    ),
    "columns that are no pairs": (nothing, [*CUSTOM, "a.csv", "--columns", "text"], ["expected KEY=VALUE"]),
    "model arguments that are no JSON": (
        nothing,
        ["run", "--task", "qa/sample", "--model", "tiny-bert", "--model-args", "{"],
        ["expected KEY=VALUE"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda name: name.replace(" ", "-"))
def test_bad_input(case: str, tmp_path: Path) -> None:
    prepare, command, said = CASES[case]
    prepare(tmp_path)
    before = {p for p in tmp_path.rglob("*") if "hub" not in p.parts}
    done = plmtasks(tmp_path, *command)
    assert done.returncode == 2, done.stderr
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 12
    assert {p for p in tmp_path.rglob("*") if "hub" not in p.parts} == before, "something was written"


@pytest.mark.slow
def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = plmtasks(tmp_path, *SST2, "nowhere.tsv", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_a_text_longer_than_the_model_takes(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(GOOD * 8)
    (tmp_path / "dev.tsv").write_text(GOOD + "a very " * 300 + "long film\t1\n")
    common = [*SST2, ".", "--threads", "1", "--split", "validation", "--training", "num_train_epochs=1"]
    done = plmtasks(tmp_path, *common, "--truncation", "error")
    assert done.returncode == 2, done.stderr
    assert "a text has 6" in done.stderr
    assert "'tiny-bert' takes 256" in done.stderr
    assert "--truncation" in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_a_matrix_is_checked_before_its_first_run(tmp_path: Path) -> None:
    (tmp_path / "dev.tsv").write_text(GOOD)
    common = ["--task", "classification/sample,classification/sst2", "--threads", "1"]
    done = plmtasks(tmp_path, "run", *common, "--model", "tiny-bert", "--data", "dev.tsv")
    assert done.returncode == 2
    assert "has no train split" in done.stderr
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_found_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = plmtasks(tmp_path, "run", "--task", "qa/sample", "--model", "tiny-bert", "--output", "file", "--threads", "1")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert not (tmp_path / "checkpoints").exists()
