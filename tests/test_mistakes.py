"""Which examples a run got wrong, what was taken for what, and what two runs get wrong together."""

import csv
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from plmtasks.cli import compare as compare_command
from plmtasks.cli.results import command
from plmtasks.config import Source, run_config
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import run
from plmtasks.hooks import Registry, load_registry
from plmtasks.requests import ClassifyAnswer
from plmtasks.results import Result
from plmtasks.store import Mistakes, compare, mistakes, together
from plmtasks.tables.mistaken import confusion_text, mistakes_text

SIZE = 12


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("TOY_EXAMPLES", str(SIZE))
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    return load_registry([toy], installed=False)


@pytest.fixture
def answering(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of the toy task in which the examples of these numbers are answered wrong."""

    def made(number: int, wrong: Sequence[int], **options: Any) -> Result:
        examples = registry.task("toy/even").load(Source())["test"]
        numbers = {e.inputs["text"]: i for i, e in enumerate(examples)}

        def answer(self: toy.LoadedToy, requests: Any) -> Any:
            said = [(examples[numbers[r.text]].reference == "yes") != (numbers[r.text] in wrong) for r in requests]
            return [ClassifyAnswer(scores=(1.0 - yes, float(yes))) for yes in said]

        with monkeypatch.context() as patched:
            patched.setattr(toy.LoadedToy, "answer", answer)
            common = {"dtype": "float32", "batch_tokens": 400 + number, "threads": 1, "kernels": "plain", "quiet": True}
            config = run_config("toy/even", "toy-model", output=str(tmp_path / "runs"), **{**common, **options})
            return run([config], registry)[0]

    return made


def told(result: Result, lines: Sequence[Mapping[str, Any]], labels: Sequence[str], values: Sequence[float] = ()) -> Result:
    """The result as if these were its predictions, and the labels those of its task.

    values: of the main score, a proportion; none: no metric can tell it
    """
    blank = {"scores": {}, "slices": [], "inputs": {}}
    text = "".join(json.dumps({"id": f"e{i}", **blank, **line}) + "\n" for i, line in enumerate(lines))
    (result.folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    array = np.zeros(len(lines), dtype=[("toy_accuracy:right", "<f8"), ("toy_accuracy:n", "<f8"), ("cluster", "<i8")])
    array["toy_accuracy:right"], array["toy_accuracy:n"], array["cluster"] = values or 0.0, 1, np.arange(len(lines))
    with (result.folder / "statistics.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=(3, 0))
    record = json.loads(json.dumps(result.record))
    record["task"]["labels"], record["data"]["examples"] = list(labels), len(lines)
    record["signatures"] = record["signatures"] if values else {"toy_accuracy": "of another version"}
    return replace(result, record=record)


def matrix(made: Mistakes) -> list[list[int]]:
    confusion = made.confusion
    assert confusion is not None
    return [[confusion.counts.get((row, column), 0) for column in confusion.columns] for row in confusion.rows]


# ── what is wrong ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_case_that_can_be_counted_by_hand(answering: Any, registry: Registry) -> None:
    made = mistakes(answering(1, [1, 4, 10]), registry)
    assert (made.kind, made.by, made.why, made.answered) == ("label", ("toy_accuracy", "accuracy"), "", SIZE)
    assert [(one.id, one.reference, one.prediction, one.score) for one in made.wrong] == [
        ("n1", "no", "yes", 0.0), ("n4", "yes", "no", 0.0), ("n10", "yes", "no", 0.0),
    ]  # fmt: skip
    assert matrix(made) == [[5, 1], [2, 4]]
    assert [one.id for one in made.with_label("yes")] == ["n1", "n4", "n10"]
    with pytest.raises(InputError, match="no reference and no prediction has the label 'yess'") as error:
        made.with_label("yess")
    assert error.value.hints == ("did you mean 'yes'?", "there are no, yes")


def test_the_most_confident_error_comes_first_and_then_the_worst(answering: Any, registry: Registry) -> None:
    sure = [0.4, None, 0.9, 0.99, None]
    lines = [
        {"reference": "a", "prediction": "a" if i == 3 else "b", "scores": {} if c is None else {"confidence": c}}
        for i, c in enumerate(sure)
    ]
    result = told(answering(1, []), lines, ["a", "b"], [0.5, 0.5, 0.5, 1.0, 0.0])
    assert [(one.id, one.confidence, one.score) for one in mistakes(result, registry).wrong] == [
        ("e2", 0.9, 50.0), ("e0", 0.4, 50.0), ("e4", None, 0.0), ("e1", None, 50.0),
    ]  # fmt: skip


def test_of_equal_scores_what_has_most_errors_comes_first(answering: Any, registry: Registry) -> None:
    lines = [{"reference": [["A", 0, 1]], "prediction": [["A", i, 9] for i in range(n)]} for n in (0, 3, 1)]
    made = mistakes(told(answering(1, []), lines, ["A"], [0.0, 0.0, 0.0]), registry)
    assert made.by is not None
    assert [(one.id, one.errors) for one in made.wrong] == [("e1", 4), ("e2", 2), ("e0", 1)]


def test_texts_are_wrong_by_their_score_and_right_if_they_are_a_reference(answering: Any, registry: Registry) -> None:
    lines = [
        {"reference": ["one", "two"], "prediction": "two"},
        {"reference": ["one"], "prediction": "almost"},
        {"reference": {"text": ["one"], "answer_start": [0]}, "prediction": "far"},
        {"reference": "one", "prediction": "One."},
        {"reference": "one", "prediction": None, "skipped": True},
    ]
    made = mistakes(told(answering(1, []), lines, [], [0.2, 0.7, 0.1, 1.0, 0.0]), registry)
    assert (made.kind, made.confusion, made.answered) == ("other", None, 4)
    assert [one.right for one in made.judged] == [True, False, False, True, None]
    assert [one.id for one in made.wrong] == ["e2", "e1"], "the worst first"
    with pytest.raises(InputError, match="predicts no labels"):
        made.with_label("one")


def test_without_the_metric_wrong_is_what_is_not_the_reference(answering: Any, registry: Registry) -> None:
    lines = [{"reference": "a", "prediction": "b"}, {"reference": "a", "prediction": "a"}]
    made = mistakes(told(answering(1, []), lines, ["a", "b"]), registry)
    assert made.by is None
    assert [one.id for one in made.wrong] == ["e0"]
    assert "wrong is what is not the reference: " in mistakes_text(made, None, 9)


# ── what was taken for what ───────────────────────────────────────────────────────────────────────────────────────

LABELS = ["x", "y", "z"]
SEVERAL = st.lists(st.sampled_from(LABELS), unique=True, max_size=3)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Registry]:
    found = load_registry([toy], installed=False)
    common = {"dtype": "float32", "batch_tokens": 400, "threads": 1, "kernels": "plain", "quiet": True}
    return run([run_config("toy/even", "toy-model", output=str(tmp_path_factory.mktemp("run")), **common)], found)[0], found


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=20))
def test_one_label_is_counted_as_scikit_learn_does(one_run: Any, pairs: list[tuple[str, str]]) -> None:
    from sklearn.metrics import confusion_matrix

    result, registry = one_run
    confusion = mistakes(told(result, [{"reference": a, "prediction": b} for a, b in pairs], LABELS), registry).confusion
    assert confusion is not None
    found = [[confusion.counts.get((row, column), 0) for column in LABELS] for row in LABELS]
    assert found == confusion_matrix(*zip(*pairs, strict=True), labels=LABELS).tolist()


@pytest.mark.slow
@given(st.lists(st.tuples(SEVERAL, SEVERAL), min_size=1, max_size=12).filter(lambda pairs: any(map(any, pairs))))
def test_several_labels_are_counted_as_scikit_learn_does(one_run: Any, pairs: list[tuple[list[str], list[str]]]) -> None:
    from sklearn.metrics import multilabel_confusion_matrix
    from sklearn.preprocessing import MultiLabelBinarizer

    result, registry = one_run
    confusion = mistakes(told(result, [{"reference": a, "prediction": b} for a, b in pairs], LABELS), registry).confusion
    assert confusion is not None
    binary = MultiLabelBinarizer(classes=LABELS).fit([])
    expected = multilabel_confusion_matrix(*(binary.transform(side) for side in zip(*pairs, strict=True)))
    for label, ((_, invented), (missed, right)) in zip(LABELS, expected.tolist(), strict=True):
        found = [confusion.counts.get(pair, 0) for pair in ((label, label), (label, None), (None, label))]
        assert found == [right, missed, invented]


def test_spans_with_the_same_ends_are_held_against_each_other(answering: Any, registry: Registry) -> None:
    lines: list[dict[str, Any]] = [
        # the first right, the second another's label, the third too long, the fourth out of nothing
        {
            "reference": [["PER", 0, 1], ["LOC", 2, 4], ["ORG", 5, 6]],
            "prediction": [["PER", 0, 1], ["ORG", 2, 4], ["ORG", 5, 7], ["PER", 8, 9]],
            "inputs": {"words": list("abcdefghij")},
        },
        {"reference": [], "prediction": []},
    ]
    made = mistakes(told(answering(1, []), lines, ["PER", "LOC"], [0.3, 0.0]), registry)
    assert made.confusion is not None
    assert (made.kind, list(made.confusion.labels)) == ("spans", ["PER", "LOC", "ORG"])
    assert list(made.confusion.rows) == list(made.confusion.columns) == ["PER", "LOC", "ORG", None]
    assert matrix(made) == [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    [wrong] = made.wrong
    assert wrong.missed == [("LOC", 2, 4), ("ORG", 5, 6)]
    assert [one.id for one in made.with_label("LOC")] == ["e0"]
    shown = mistakes_text(made, None, 9)
    assert "  missed     LOC “c d”; ORG “f”\n  invented   ORG “c d”; ORG “f g”; PER “i”\n" in shown


def test_what_does_not_fit_is_the_pairs_that_were_confused_most(
    answering: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    labels = [f"label-{i:02d}" for i in range(20)]
    lines = [{"reference": labels[i], "prediction": labels[max(0, i - 1)]} for i in range(20) for _ in range(1 + (i == 7))]
    confusion = mistakes(told(answering(1, []), lines, labels), registry).confusion
    assert confusion is not None
    shown = confusion_text(confusion, 3).splitlines()
    assert shown[0] == "20 labels: 3 of 19 pairs that were confused"
    assert shown[4].split() == ["label-07", "label-06", "2", "2"]
    assert len(shown) == 7
    monkeypatch.setenv("COLUMNS", "400")
    assert len(confusion_text(confusion, 3).splitlines()) == 4 + 20
    monkeypatch.setenv("COLUMNS", "40")
    lines = [{"reference": label, "prediction": "label-02"} for label in labels[:5]]
    confusion = mistakes(told(answering(1, []), lines, labels), registry).confusion
    assert confusion is not None
    shown = confusion_text(confusion, 3).splitlines()
    head = shown.index("")
    assert " ".join(shown[:head]) == "a row a reference, a column a prediction; the other labels were never predicted"
    assert shown[head + 1].split() == ["reference", "label-02", "right"]
    assert shown[head + 5].split() == ["label-02", "1", "100", "%"]


# ── the commands ──────────────────────────────────────────────────────────────────────────────────────────────────


def called(*arguments: str, columns: int = 80) -> Any:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(command, arguments)


def test_errors_are_read_at_80_columns(answering: Any) -> None:
    result = answering(1, [1, 4, 10])
    done = called("errors", str(result.folder), "--limit", "2")
    assert done.exit_code == 0, done.exception
    assert done.output.splitlines()[:8] == [
        "toy/even on toy-model, split test",
        f"3 of {SIZE} wrong by toy_accuracy/accuracy, in the order of the data",
        "",
        "n1",
        f"  text       {'x ' * 8}1",
        "  expected   no",
        "  predicted  yes",
        "",
    ]
    assert done.output.endswith("\n1 more: --limit 3\n")
    assert max(map(cell_len, done.output.splitlines())) <= 80
    done = called("errors", str(result.folder / "result.json"), "--confusion")
    assert done.output.splitlines()[2:] == [
        "reference  no  yes  right", "─────────────────────────", "no          5    1   83 %", "yes         2    4   67 %",
    ]  # fmt: skip
    shown = called("errors", str(result.folder), "--label", "no").output
    assert "3 of 3 wrong examples have to do with no: missed in 1, predicted in place of what is right in 2" in " ".join(
        shown.split()
    )


def test_errors_for_programs_hold_all_of_them(answering: Any) -> None:
    result = answering(1, [1, 4, 10])
    found = json.loads(called("errors", str(result.folder), "--format", "json").output)
    assert (found["answered"], found["wrong"], [e["id"] for e in found["examples"]]) == (SIZE, 3, ["n1", "n4", "n10"])
    assert found["confusion"]["counts"] == [["no", "no", 5], ["no", "yes", 1], ["yes", "no", 2], ["yes", "yes", 4]]
    rows = list(csv.DictReader(called("errors", str(result.folder), "--format", "csv").output.splitlines()))
    assert [(row["id"], row["expected"], row["predicted"]) for row in rows] == [
        ("n1", "no", "yes"), ("n4", "yes", "no"), ("n10", "yes", "no"),
    ]  # fmt: skip
    assert rows[0]["inputs.text"] == f"{'x ' * 8}1"


def test_a_run_without_errors_says_so(answering: Any) -> None:
    assert f"0 of {SIZE} wrong by toy_accuracy/accuracy\n" in called("errors", str(answering(1, []).folder)).output


def test_texts_that_are_not_at_hand_leave_the_ids(answering: Any, registry: Registry) -> None:
    lines = [{"reference": "a", "prediction": "b"}]
    shown = mistakes_text(mistakes(told(answering(1, []), lines, ["a", "b"]), registry), None, 9)
    assert "The texts are not in this run's predictions.jsonl" in shown
    assert "\ne0\n  expected   a\n  predicted  b\n" in shown


def test_a_long_text_is_shown_where_the_answer_stands(answering: Any, registry: Registry) -> None:
    context = f"{'before ' * 99}the answer {'after ' * 99}"
    lines = [{"reference": ["the answer"], "prediction": "before", "inputs": {"context": context, "none": None}}]
    lines += [{**lines[0], "prediction": "nowhere"}, {**lines[0], "prediction": "\x1b[2J"}]
    shown = mistakes_text(mistakes(told(answering(1, []), lines, [], [0.0, 0.1, 0.2]), registry), None, 9)
    assert "\x1b" not in shown
    second = shown.split("\ne1")[1].split("\ne2")[0]
    assert "the answer" in second.split("expected")[0]
    assert "…" in second


@pytest.mark.parametrize("name", ["predictions.jsonl", "statistics.npy"])
def test_an_altered_run_is_told_first(answering: Any, name: str) -> None:
    result = answering(1, [1])
    (result.folder / name).unlink()
    done = called("errors", str(result.folder))
    assert isinstance(done.exception, DataError)
    assert done.exception.hints == ("plmtasks results verify",)


def test_options_that_do_not_fit_together(answering: Any) -> None:
    folder = str(answering(1, [1]).folder)
    for options in (["--format", "csv"], ["--label", "yes"]):
        assert "--confusion is of all labels" in called("errors", folder, "--confusion", *options).output


def test_a_run_is_shown_on_one_screen_with_commands_that_work(answering: Any) -> None:
    result, other = answering(1, [1, 4, 10]), answering(2, [1])
    lines = called("show", str(result.folder)).output.splitlines()
    assert len(lines) <= 25
    said = dict(line.split(maxsplit=1) for line in lines if "  " in line.strip() and not line.startswith(" "))
    assert said["accuracy"].startswith("75.00 [")
    assert said["wrong"] == f"3 of {SIZE} examples"
    assert said["confused"] == "yes as no 2; no as yes 1"
    place = lines.index("next")
    assert lines[place - 1].strip() == str(result.folder)
    typed = shlex.split("\n".join(lines[place + 1 : -1]).replace("\\\n", ""))
    assert typed == [
        "plmtasks", "results", "errors", str(result.folder), "plmtasks", "compare", str(result.folder), str(other.folder),
        "plmtasks", "reproduce", str(result.folder),
    ]  # fmt: skip


# ── two runs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_both_get_wrong_and_what_one_does(answering: Any, registry: Registry) -> None:
    first, second = answering(1, [1, 2, 3, 10]), answering(2, [0, 3, 10])
    found = together(compare(first, second, registry), registry)
    assert [c.id for c in found.both] == ["n3", "n10"]
    assert [c.id for c in found.first] == ["n1", "n2"]
    assert [c.id for c in found.second] == ["n0"]
    assert found.right == SIZE - 5
    assert found.second[0].predictions == ("yes", "no")

    def compared(*options: str) -> str:
        done = CliRunner().invoke(compare_command.command, [str(first.folder), str(second.folder), *options])
        assert done.exit_code == 0, done.exception
        return done.output

    counts = "both are wrong on 2, A alone is wrong on 2, B alone is wrong on 1, neither on 7 examples\n"
    assert counts in compared()
    assert compared("--wrong", "both", "--examples", "1").endswith(
        f"{counts}both are wrong:\nn3\n  text: {'x ' * 11}3\n  reference: no\n  A: yes   [0.00]\n  B: yes   [0.00]\n"
    )
    made = json.loads(compared("--wrong", "b", "--format", "json"))
    assert made["wrong"] == {"both": 2, "a": 2, "b": 1, "neither": 7}
    assert [c["id"] for c in made["wrong_examples"]] == ["n0"]
