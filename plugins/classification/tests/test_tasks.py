"""Asking, solving and reading; the registered tasks; somebody else's predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import plmtasks_classification
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_classification.catalog import TASKS
from plmtasks_classification.data import Format
from plmtasks_classification.metrics import METRICS
from plmtasks_classification.task import MULTI_LABEL

from plmtasks.config import Source, run_config
from plmtasks.data import Dataset
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.evaluation.job import prepare
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.requests import ChooseAnswer, Classify, ClassifyAnswer, Generate, GenerateAnswer, Likelihood, from_json, to_json
from plmtasks.scoring import Submission, score_file
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import loading_twice_gives_the_same, solved_answers_are_best

BY_NAME = {task.name.removeprefix("classification/"): task for task in TASKS}
METRIC = {metric.name: metric for metric in METRICS}
FOLDERS = {
    "sst2": ("sst2", {"train": 6920, "validation": 872, "test": 1821}),
    "mrpc": ("mrpc", {"train": 4076, "test": 1725}),
    "goemotions": ("goemotions", {"train": 43410, "validation": 5426, "test": 5427}),
    "chnsenticorp": ("chnsenticorp", {"train": 9600, "validation": 1200, "test": 1200}),
    "tnews": ("fewclue_tnews", {"train": 1185, "validation": 1098, "test": 2010}),
}


def whole(name: str, path: Path) -> TaskSubject:
    """All examples of real data."""
    registry = load_registry([plmtasks_classification], installed=False)
    return TaskSubject(task=BY_NAME[name], source=Source(data=str(path)), registry=registry, limit=10**9)


@pytest.mark.slow
@pytest.mark.parametrize("variant", FOLDERS)
def test_every_split_of_the_real_data(variant: str, real_data: Path) -> None:
    folder, counts = FOLDERS[variant]
    subject = whole(variant, real_data / folder)
    assert {split: len(examples) for split, examples in subject.whole.items()} == counts
    assert subject.bound is subject.task
    solved_answers_are_best(subject)
    loading_twice_gives_the_same(subject)


@pytest.mark.parametrize("fold", ["train_0", "train_1", "train_2", "train_3", "train_4", "dev_0"])
def test_every_fold_of_fewclue(fold: str, real_data: Path) -> None:
    subject = whole("tnews", real_data / "fewclue_tnews" / f"{fold}.json")
    [(split, examples)] = subject.whole.items()
    assert (split, len(examples)) == ("train" if "train" in fold else "validation", 240)
    solved_answers_are_best(subject)


def test_the_sample() -> None:
    data = BY_NAME["sample"].load(Source())
    assert {split: len(data[split]) for split in data.splits} == {"train": 600, "validation": 100, "test": 200}
    texts = [{e.inputs["text"] for e in data[split]} for split in data.splits]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    for split in data.splits:
        assert {e.reference for e in data[split]} == {"negative", "positive"}
    # the same on every machine, for ever: results are reused by it
    assert data.fingerprint("test")[:16] == "c2016d503ffd4a3d"


def test_what_is_registered() -> None:
    registry = load_registry([plmtasks_classification], installed=False)
    assert [p.error for p in registry.plugins] == [None]
    assert [*registry.items["task"]][: len(BY_NAME)] == [f"classification/{variant}" for variant in BY_NAME]
    assert registry.task("classification").name == "classification/sst2"
    for task in TASKS:
        assert all(name in registry.items["metric"] for name in task.metrics)
        assert task.description
        assert len(task.labels) == {"mrpc": 2, "goemotions": 28, "tnews": 15, "custom": 0}.get(task.name[15:], 2)


def test_a_pair_is_shown_as_two_sentences() -> None:
    example = Example(id="0", inputs={"text": "One.", "text_pair": "Two."}, reference="equivalent")
    task = BY_NAME["mrpc"]
    classify, choose, generate = (task.ask(example.hidden(), kind) for kind in task.asks)
    assert (classify.text, classify.text_pair) == ("One.", "Two.")
    assert choose.text == generate.text == "Sentence 1: One.\nSentence 2: Two."
    assert choose.choices == classify.labels == ("not_equivalent", "equivalent")
    # `glue` of preprocessors.py in google-research/text-to-text-transfer-transformer: the columns' names in their order
    assert choose.taught == generate.taught == "mrpc sentence1: One. sentence2: Two."
    assert task.solve(example, generate) == GenerateAnswer(text="equivalent")


def test_the_words_of_the_labels_are_in_the_instruction() -> None:
    for task in TASKS:
        if task.labels:
            request = task.ask(Example(id="0", inputs={"text": "x", "text_pair": "y"}), "Generate")
            assert all(label in request.instruction for label in task.labels)
            assert "{" not in request.instruction


def test_a_kind_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="task 'classification/goemotions' cannot be asked by Choose"):
        BY_NAME["goemotions"].ask(Example(id="0", inputs={"text": "x"}), "Choose")


def test_a_choice_is_read_plain_and_by_length() -> None:
    task = BY_NAME["mrpc"]
    example = Example(id="0", inputs={"text": "a", "text_pair": "b"})
    request = task.ask(example, "Choose")
    # "not_equivalent": -8 for 14 bytes and 4 tokens; "equivalent": -6 for 10 bytes and 2 tokens
    answer = ChooseAnswer(
        choices=(Likelihood(log_likelihood=-8, tokens=4, bytes=14), Likelihood(log_likelihood=-6, tokens=2, bytes=10))
    )
    prediction = task.read(example, request, answer)
    assert prediction.value == "equivalent"
    assert prediction.scores["confidence"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert prediction.scores["per_token[not_equivalent]"] == -2
    assert prediction.scores["per_byte[equivalent]"] == -0.6
    metric = METRIC["accuracy_norm"]
    rows = metric.statistics([prediction], [replace(example, reference="not_equivalent")])
    assert metric.reduce(rows.sum(0)) == {"accuracy_norm_bytes": 100, "accuracy_norm_tokens": 100}


def test_several_labels_hold_from_a_half() -> None:
    task = replace(BY_NAME["goemotions"], labels=("b", "a", "c"))
    request = Classify(text="x", labels=task.labels, multi_label=True)
    prediction = task.read(Example(id="0", inputs={}), request, ClassifyAnswer(scores=(0.5, 0.9, 0.49)))
    assert prediction.value == ["a", "b"]
    assert prediction.scores == {"probability[b]": 0.5, "probability[a]": 0.9, "probability[c]": 0.49}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("equivalent", "equivalent"),
        (" Not_Equivalent.\nBecause …", "not_equivalent"),
        ('"equivalent", since both say so', "equivalent"),
        ("equivalently", None),
        ("1", None),
        ("", None),
        ("I do not know", None),
    ],
)
def test_a_generated_label(text: str, label: str | None) -> None:
    task = BY_NAME["mrpc"]
    assert task.read(Example(id="0", inputs={}), Generate(text=""), GenerateAnswer(text=text)).value == label


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("joy, anger", ["anger", "joy"]),
        ("Joy,joy , bliss.", ["bliss.", "joy"]),
        ("None.", []),
        ("", None),
        (" \n", None),
    ],
)
def test_generated_labels(text: str, labels: list[str] | None) -> None:
    task = BY_NAME["goemotions"]
    assert task.read(Example(id="0", inputs={}), Generate(text=""), GenerateAnswer(text=text)).value == labels


WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)


@given(data=st.data(), labels=st.lists(WORDS, min_size=2, max_size=6, unique=True).map(tuple), several=st.booleans())
def test_any_labels_survive_solving_and_reading(data: st.DataObject, labels: tuple[str, ...], several: bool) -> None:
    task = replace(BY_NAME["custom"], labels=labels, **(MULTI_LABEL if several else {}))
    reference = sorted(data.draw(st.sets(st.sampled_from(labels)))) if several else data.draw(st.sampled_from(labels))
    example = Example(id="0", inputs={"text": "x"}, reference=reference)
    for kind in task.asks:
        request = task.ask(example.hidden(), kind)
        answer = task.solve(example, request)
        assert from_json(type(answer), to_json(answer)) == answer
        assert task.read(example.hidden(), request, answer).value == reference


# ── labels that the data tells ────────────────────────────────────────────────────────────────────────────────────────


def test_no_label_has_a_word_that_is_no_label() -> None:
    task = replace(BY_NAME["goemotions"], labels=("None.", "x"))
    for reference in ([], ["None."]):
        example = Example(id="0", inputs={"text": "x"}, reference=reference)
        request = task.ask(example.hidden(), "Generate")
        assert task.read(example.hidden(), request, task.solve(example, request)).value == reference


def dataset(**splits: list[object]) -> Dataset:
    made = {
        split: [Example(id=str(i), inputs={"text": "x"}, reference=r) for i, r in enumerate(references)]
        for split, references in splits.items()
    }
    return Dataset(name="mine", readers={split: (lambda examples=examples: examples) for split, examples in made.items()})


def test_labels_are_those_of_the_training_data_or_without_any_of_all_splits() -> None:
    assert BY_NAME["custom"].bind(dataset(train=["b", "c"], test=["a"])).labels == ("b", "c")
    assert BY_NAME["custom"].bind(dataset(validation=["10", "9"], test=["1"])).labels == ("1", "9", "10")
    several = BY_NAME["custom"].bind(dataset(validation=[["b", "a"]], test=[["c"], []]))
    assert (several.labels, several.multi_label, several.asks) == (("a", "b", "c"), True, ("Classify", "Generate"))


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": ["a"], "test": [["a"]]}, "mine: expected one label everywhere, or a list of labels everywhere, found both"),
        ({"test": ["a", "a"]}, "mine: expected at least two labels, found 'a'"),
        (
            {"test": [f"text {i}" for i in range(150)]},
            "mine: expected labels that recur, found 150 different ones in 150 examples",
        ),
    ],
)
def test_data_that_tells_no_labels(splits: dict[str, list[object]], message: str) -> None:
    with pytest.raises(DataError) as error:
        BY_NAME["custom"].bind(dataset(**splits))
    assert error.value.message == message
    assert not any("regression/custom" in hint for hint in error.value.hints)


def test_numbers_taken_for_labels_are_told_of_regressions() -> None:
    with pytest.raises(DataError, match="found 150 different ones") as error:
        BY_NAME["custom"].bind(dataset(test=[f"{i / 8}" for i in range(150)]))
    assert error.value.hints[-1] == "are they numbers to be predicted? --task regression/custom"


# ── somebody else's predictions ───────────────────────────────────────────────────────────────────────────────────────

EXAMPLES = [Example(id=f"e{i}", inputs={"text": "x"}, reference="positive") for i in range(3)]


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("SST-2.tsv", "index\tprediction\n0\t1\n2\t0\n1\t1\n", ["positive", "positive", "negative"]),
        ("p.txt", "positive\nNegative\n1\n", ["positive", "negative", "positive"]),
        ("p.jsonl", '{"id": "e0", "prediction": 1}\n{"id": "e2", "prediction": "negative"}\n', ["positive", None, "negative"]),
    ],
)
def test_formats_of_predictions(tmp_path: Path, name: str, content: str, values: list[str | None]) -> None:
    (tmp_path / name).write_text(content)
    read = BY_NAME["sst2"].read_predictions(tmp_path / name, EXAMPLES)
    assert [read[e.id].value if e.id in read else None for e in EXAMPLES] == values


def test_predicted_numbers_are_read_as_a_whole(tmp_path: Path) -> None:
    stars = BY_NAME["custom"].bind(dataset(test=["0", "1", "4", "1000"]))
    examples = [replace(EXAMPLES[0], id=str(i)) for i in range(5)]
    (tmp_path / "p.txt").write_text("0.93\n4.5\n1,000\n1.0\n-1\n")
    with pytest.warns(DataWarning, match="3 of 5 predictions name no label"):
        read = stars.read_predictions(tmp_path / "p.txt", examples)
    assert [read[e.id].value for e in examples] == ["0.93", "4.5", "1000", "1", "-1"]


def test_predicted_numbers_may_count_from_1(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("2\nno idea\n1\n")
    with pytest.warns(DataWarning, match="2 of 2 predictions count from 1 and not from 0; they are read so that 1 is 'negative'"):
        read = BY_NAME["sst2"].read_predictions(tmp_path / "p.txt", EXAMPLES)
    assert [read[e.id].value for e in EXAMPLES] == ["positive", "no idea", "negative"]


def test_labels_that_training_lacks_stop_scores(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\nx,1\ny,0\n")
    (tmp_path / "test.csv").write_text("text,label\nx,1.0\ny,0.0\n")
    (tmp_path / "p.txt").write_text("1\n0\n")
    given = Submission(path=tmp_path / "p.txt", split="test")
    with pytest.raises(
        DataError, match=r"others in 2 of 2 rows: '1\.0' in 1, '0\.0' in 1\n  is it '1\.0' for '1', '0\.0' for '0'"
    ):
        score_file(load_registry(), "classification/custom", Source(data=str(tmp_path)), given)
    config = run_config("classification/custom", "tiny-bert", data=str(tmp_path), split="test")
    with pytest.raises(DataError, match="expected labels of the training data: 0, 1, found others in 2 of 2 rows"):
        prepare(config, load_registry())


def test_predictions_of_several_labels(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    rows = ['{"id": "e0", "prediction": ["joy", 2]}', '{"id": "e1", "prediction": "0,27"}', '{"id": "e2", "prediction": []}']
    path.write_text("\n".join(rows))
    read = BY_NAME["goemotions"].read_predictions(path, EXAMPLES)
    assert [read[e.id].value for e in EXAMPLES] == [["anger", "joy"], ["admiration", "neutral"], []]


def test_predictions_outside_the_labels_are_counted(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("positive\nwho knows\nnegative\n")
    with pytest.warns(DataWarning, match=r"p\.txt: 1 of 3 predictions name no label of classification/sst2, and count as wrong"):
        read = BY_NAME["sst2"].read_predictions(tmp_path / "p.txt", EXAMPLES)
    assert read["e1"].value == "who knows"


def test_a_system_that_names_no_label_at_all_is_wrong_throughout(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n\n\n")
    with pytest.warns(DataWarning, match="3 of 3 predictions name no label"):
        read = BY_NAME["sst2"].read_predictions(tmp_path / "p.txt", EXAMPLES)
    assert [read[e.id].value for e in EXAMPLES] == [""] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("index\tprediction\n0\t1\n0\t1\n", "p.tsv:3: expected each index once, found 0 again"),
        ("index\tprediction\n3\t1\n", "p.tsv:2: expected an index from 0 to 2, found '3'"),
        ("index\tprediction\n0\n", "p.tsv:2: expected 2 cells (index, prediction), found 1"),
        ("great\nsuper\nbad\n", "p.tsv: expected labels of classification/sst2, found none, but 'great'"),
        ("positive\n", "p.tsv: expected 3 lines, one for each example, found 1"),
    ],
)
def test_predictions_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.tsv").write_text(content)
    with pytest.raises(DataError) as error:
        BY_NAME["sst2"].read_predictions(tmp_path / "p.tsv", EXAMPLES)
    assert error.value.message == f"{tmp_path}/{message}"


def test_the_form_of_custom_data_is_open() -> None:
    assert BY_NAME["custom"].form == Format(multi_label=None, pair=None)
    with pytest.raises(InputError, match="classification/custom has no data of its own here"):
        BY_NAME["custom"].load(Source())


def test_predictions_that_are_written_come_back(tmp_path: Path) -> None:
    predictions = {
        "e0": Prediction(value="positive", scores={"per_byte[positive]": -0.5}), "e1": Prediction(value=None),
        "e2": Prediction(value="negative"),
    }  # fmt: skip
    [(name, text)] = BY_NAME["sst2"].write_predictions("p.jsonl", EXAMPLES, predictions).items()
    (tmp_path / name).write_text(text)
    with pytest.warns(DataWarning, match="1 of 3 predictions name no label"):
        assert dict(BY_NAME["sst2"].read_predictions(tmp_path / name, EXAMPLES)) == predictions
