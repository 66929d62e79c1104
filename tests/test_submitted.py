"""Somebody else's predictions as a run among others."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import toy
from click.testing import CliRunner

from plmtasks.cli.score import command
from plmtasks.config import Source, run_config
from plmtasks.data import Dataset, read_predictions
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import run
from plmtasks.evaluation.reproduction import Moved, config_of
from plmtasks.examples import Example, Prediction
from plmtasks.files import sealed
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import Result
from plmtasks.scoring import Card, Submission, judge, read_card, write_run
from plmtasks.store import compare, find, verify
from plmtasks.tables import make_boards, render

SCHEMA = json.loads((Path(__file__).parents[1] / "plmtasks" / "result.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy], installed=False)


def answers(wrong: int = 0) -> dict[str, str]:
    """Predictions of toy/even, so many of them wrong."""
    examples = toy.ToyTask().load(Source())["test"]
    other = dict(zip(toy.LABELS, reversed(toy.LABELS), strict=True))
    return {e.id: other[e.reference] if i < wrong else e.reference for i, e in enumerate(examples)}


def file(path: Path, predictions: Mapping[str, str]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": k, "prediction": v}) + "\n" for k, v in predictions.items()))
    else:
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([("prediction", "length", "id"), *((v, len(v), k) for k, v in predictions.items())])
    return path


def submitted(path: Path, registry: Registry, name: str, output: Path, card: Card | None = None) -> Result:
    return write_run(judge(registry, "toy/even", Source(), Submission(path=path)), name, output, card).result


def altered(folder: Path, registry: Registry) -> set[str]:
    (one,) = find(folder)
    return {finding.what for finding in verify(one, registry, deep=True) if finding.state != "as written"}


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("result.json", "predictions.jsonl", "statistics.npy")}


def test_it_is_a_run_like_any_other(registry: Registry, tmp_path: Path) -> None:
    ours = run([run_config("toy/even", "toy-model", output=str(tmp_path / "r"), quiet=True)], registry)[0]
    theirs = submitted(
        file(tmp_path / "p.jsonl", answers(5)), registry, "theirs", tmp_path / "r", Card(fields={"family": "rules"})
    )
    jsonschema.Draft202012Validator(SCHEMA).validate(theirs.record)
    assert altered(theirs.folder, registry) == set()
    (board,) = make_boards([ours, theirs], registry)
    (row,) = (row for row in board.rows if row.result is theirs)
    assert (row.protocol, row.record["model"]["family"], row.marks) == ("submitted", "rules", [])
    assert row.tier is not None, "pairs are tested"
    found = compare(ours, theirs, registry)
    assert found.n == 23
    assert found.differences["toy_accuracy"]["accuracy"].value == pytest.approx(theirs.score - (ours.score or 0.0))  # type: ignore[operator]
    assert "theirs" in render([ours, theirs], "markdown", registry)


def test_the_same_submission_is_the_same_run_whatever_its_form(registry: Registry, tmp_path: Path) -> None:
    first = submitted(file(tmp_path / "p.jsonl", answers(5)), registry, "a", tmp_path / "one")
    for name in ("q.csv", "q.tsv", "p.jsonl"):
        again = submitted(file(tmp_path / name, answers(5)), registry, "a", tmp_path / "two", Card(text=name))
        assert content(again.folder) == content(first.folder)
        assert again.config()["config"]["submission"]["card"]["text"] == name, "the last words hold"
        assert altered(again.folder, registry) == set()
    assert len(list((tmp_path / "two").rglob("result.json"))) == 1


def test_another_name_or_other_predictions_are_another_run(registry: Registry, tmp_path: Path) -> None:
    paths = [file(tmp_path / f"{n}.jsonl", answers(n)) for n in (5, 6)]
    made = [submitted(path, registry, name, tmp_path / "r") for path in paths for name in ("a", "b")]
    made.append(submitted(paths[0], registry, "a", tmp_path / "r", Card(fields={"family": "rules"})))
    assert len({result.identity for result in made}) == len({result.folder for result in made}) == 5


@pytest.mark.parametrize(
    ("name", "old", "new", "what"),
    [
        ("predictions.jsonl", '"prediction": "yes"', '"prediction": "no"', "predictions of the identity"),
        ("config.json", '"name": "a"', '"name": "b"', "the identity in config.json"),
        ("result.json", '"how": "submitted"', '"how": "zero-shot"', "how the model came to the task"),
        ("result.json", '"family": "submitted"', '"family": "rules"', "model"),
    ],
)
def test_what_is_altered_is_found(registry: Registry, tmp_path: Path, name: str, old: str, new: str, what: str) -> None:
    result = submitted(file(tmp_path / "p.jsonl", answers(5)), registry, "a", tmp_path / "r")
    path = result.folder / name
    text = path.read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    path.write_text(changed if name.endswith(".jsonl") else sealed(json.loads(changed)))
    assert what in altered(result.folder, registry)


class Wrong(toy.ToyAccuracy):
    """Comes before the metric that ranks, by its name."""

    name = "a_wrong"

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Any:
        rows = super().statistics(predictions, examples)
        rows[::3, 0] = 1
        return rows


def test_slices_are_verified_by_the_metric_that_ranks(registry: Registry, tmp_path: Path, monkeypatch: Any) -> None:
    examples = [
        Example(id=f"n{i}", inputs={"text": f"x {i}"}, reference=toy.LABELS[i % 2], slices=(f"half={i % 2}",)) for i in range(40)
    ]
    data = Dataset(name="toy", published=True, readers={"test": lambda: examples})
    monkeypatch.setattr(toy.ToyTask, "load", lambda self, source: data)
    more = replace(registry, items={**registry.items, "metric": {**registry.items["metric"], "a_wrong": Wrong()}})
    path = file(tmp_path / "p.jsonl", {e.id: toy.LABELS[i % 4 == 1] for i, e in enumerate(examples)})
    judged = judge(more, "toy/even", Source(), Submission(path=path, metrics=("a_wrong",)))
    result = write_run(judged, "a", tmp_path / "r").result
    assert result.record["primary_metric"][0] == "toy_accuracy"
    assert result.record["groups"]["half"]["gap"] == 50.0
    assert altered(result.folder, more) == set()


def test_a_missing_prediction_is_refused_and_nothing_is_written(registry: Registry, tmp_path: Path) -> None:
    few = file(tmp_path / "p.csv", dict(list(answers().items())[1:]))
    with pytest.raises(DataError, match="expected a prediction for every example, found none for 1 of 23, 'n0' first"):
        submitted(few, registry, "a", tmp_path / "r")
    with pytest.raises(InputError, match="is no name for a system"):
        submitted(file(tmp_path / "q.csv", answers()), registry, " \n", tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_nobody_ran_it_so_it_cannot_be_run_again(registry: Registry, tmp_path: Path) -> None:
    result = submitted(file(tmp_path / "p.csv", answers()), registry, "a", tmp_path / "r")
    with pytest.raises(InputError, match="somebody else's predictions: there is no run to repeat"):
        config_of(result, Moved(), "o", "c")


# ── cards ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("# A system\n\nOf ours.\n", {}, "# A system\n\nOf ours."),
        ("---\nfamily: rules\ndate: 2024-05-06\nsize: .nan\ntags: [a, 1]\n---\nWords.\n",
         {"family": "rules", "date": "2024-05-06", "size": "nan", "tags": ["a", 1]}, "Words."),
        ("\ufeff---\nfamily: rules\n---\n", {"family": "rules"}, ""),
    ],
)  # fmt: skip
def test_a_card_s_fields_and_words(tmp_path: Path, text: str, fields: Mapping[str, Any], words: str) -> None:
    (tmp_path / "card.md").write_text(text, encoding="utf-8")
    assert read_card(tmp_path / "card.md") == Card(fields=fields, text=words)


@pytest.mark.parametrize(
    "text", ["---\na: [\n---\n", "---\n!!python/object/apply:os.getcwd []\n---\n", "---\n- a\n---\n", "---\na: b\n"]
)
def test_a_card_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.md").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"card\.md: expected front matter of YAML between two lines of ---"):
        read_card(tmp_path / "card.md")


def test_no_card(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"card\.md: no such file\n  a card is a Markdown file"):
        read_card(tmp_path / "card.md")


@pytest.mark.parametrize("option", ["--output", "--card"])
def test_a_run_needs_a_name(option: str, tmp_path: Path) -> None:
    said = CliRunner().invoke(command, ["--task", "qa/sample", "--predictions", "p", option, str(tmp_path)])
    assert said.exit_code == 2
    assert f"{option} is for a run: say with --name what made the predictions" in said.output


# ── tables of predictions ─────────────────────────────────────────────────────────────────────────────────────────

EXAMPLES = [Example(id=id_, inputs={}) for id_ in ("a", "b")]


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("p.csv", 'id,prediction\nb,"x, y"\na,\n', {"b": "x, y", "a": ""}),
        ("p.csv", '\ufeff"id";"prediction";"text"\na;x;t\nb;y;t\n', {"a": "x", "b": "y"}),
        ("p.tsv", 'id\tprediction\na\t"x\nb\ty\n', {"a": '"x', "b": "y"}),
        ("p.csv", 'id,prediction\na,"[""x"", 1]"\nb,[]\n', {"a": ["x", 1], "b": []}),
        ("p.csv", "id,prediction\na,[x]\nb,[]\n", {"a": "[x]", "b": "[]"}),
        ("p.csv", "yes\nno\n", {"a": "yes", "b": "no"}),
        ("p.txt", "id,prediction\na,x\n", {"a": "id,prediction", "b": "a,x"}),
    ],
)  # fmt: skip
def test_a_table_of_predictions(tmp_path: Path, name: str, text: str, values: Mapping[str, Any]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert {id_: p.value for id_, p in read_predictions(tmp_path / name, EXAMPLES).items()} == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,prediction\na,x\na,y\n", r"p\.csv:3: expected each id once, found 'a' again"),
        ("name,label\na,x\nb,y\n", "expected 2 lines, one for each example, found 3\n  or a table whose first line names the"),
        ("id,prediction\na\n", r"p\.csv:2: expected 2 cells \(id, prediction\), found 1"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_predictions(tmp_path / "p.csv", EXAMPLES)


# ── the same run of several people ────────────────────────────────────────────────────────────────────────────────


def test_the_same_run_of_two_people_is_one_row_that_tells_both(registry: Registry, tmp_path: Path) -> None:
    path = file(tmp_path / "p.csv", answers(5))
    runs = [submitted(path, registry, "a", tmp_path / who) for who in ("ada", "bob")]
    other = submitted(path, registry, "b", tmp_path / "bob")
    (board,) = make_boards([*runs, other], registry)
    assert [row.result for row in board.rows] == [runs[0], other]
    assert board.rows[0].marks == [f"the same run in {tmp_path / 'ada'} and in {tmp_path / 'bob'}"]
    assert board.rows[1].marks == []
    (board,) = make_boards([runs[0], runs[0]], registry)
    assert board.rows[0].marks == [], "one folder that is named twice is one source"


def test_an_altered_copy_is_told_and_another_score_is_another_row(registry: Registry, tmp_path: Path) -> None:
    path = file(tmp_path / "p.csv", answers(5))
    first = submitted(path, registry, "a", tmp_path / "ada")
    shutil.copytree(tmp_path / "ada", tmp_path / "bob")
    forged = Result(record=first.record, folder=tmp_path / "bob" / first.folder.relative_to(tmp_path / "ada"), altered=True)
    (board,) = make_boards([first, forged], registry)
    assert "altered since it was written" in board.rows[0].marks
    better = json.loads(json.dumps(first.record))
    better["scores"]["toy_accuracy"]["accuracy"]["value"] += 1.0
    (board,) = make_boards([first, Result(record=better, folder=forged.folder)], registry)
    assert len(board.rows) == 2
    assert all("same identity, another machine" in row.marks for row in board.rows)
