import json
from dataclasses import replace

import pytest

from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction


@pytest.fixture
def examples():
    inputs = {"question": "?", "context": "Anna", "choices": ["red kite", "2", "boat"]}
    return [Example(id=id_, inputs=inputs, reference=None) for id_ in ("a", "b")]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("squad.json", [{"a": "Anna", "b": "", "more": "x"}]),
        ("squad_over_lines.json", ['{\n "a": "Anna",\n "b": "",\n "more": "x"\n}']),
        ("rows.jsonl", [{"id": "a", "prediction": "Anna"}, {"id": "b", "prediction": ""}, {"id": "more", "prediction": "x"}]),
        (
            "quac.jsonl",
            [{"qid": ["a", "b"], "best_span_str": ["Anna", "CANNOTANSWER"]}, {"qid": ["more"], "best_span_str": ["x"]}],
        ),
    ],
)
def test_answers_are_read_in_every_form_of_the_field(name, values, registry, write, examples):
    found = registry.task("qa/squad_v2").read_predictions(write(name, *values), examples)
    assert {id_: p.value for id_, p in found.items()} == {"a": "Anna", "b": "", "more": "x"}


def test_coqa_s_answers_are_known_by_dialogue_and_turn(registry, write, examples):
    path = write("coqa.json", [{"id": "kite", "turn_id": 1, "answer": "red"}, {"id": "kite", "turn_id": 2, "answer": "no"}])
    found = registry.task("qa/coqa").read_predictions(path, examples)
    assert {id_: p.value for id_, p in found.items()} == {"kite_1": "red", "kite_2": "no"}


def test_an_answer_a_line_follows_the_examples(registry, write, examples):
    found = registry.task("qa/squad").read_predictions(write("answers.txt", "Anna\nBert\n"), examples)
    assert {id_: p.value for id_, p in found.items()} == {"a": "Anna", "b": "Bert"}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("bad.json", [{"a": 3}], r"bad\.json: a: expected a text, found 3"),
        ("bad.json", ['{"a": "x",\n "b" "y"}'], r"bad\.json:2:6: expected JSON"),
        ("bad.json", [[{"id": "kite", "turn_id": "1"}]], r"bad\.json: \[0\]\.turn_id: expected a whole number, found '1'"),
        ("bad.jsonl", [{"qid": ["a"], "best_span_str": []}], r"bad\.jsonl:1: expected lists of one length"),
        ("bad.jsonl", [{"id": "a", "prediction": "x"}, {"id": "a", "prediction": "y"}], r"bad\.jsonl:2: expected each id once"),
        ("bad.txt", ["one\ntwo\nthree\n"], r"bad\.txt: expected 2 lines, one for each example, found 3"),
    ],
)
def test_bad_predictions_are_named_exactly(name, values, message, registry, write, examples):
    with pytest.raises(DataError, match=message):
        registry.task("qa/squad").read_predictions(write(name, *values), examples)


@pytest.mark.parametrize("given", ["A", "a", 0, "0", "red kite"])
def test_a_choice_may_be_a_letter_a_position_or_a_text(given, registry, write, examples):
    path = write("choices.jsonl", {"id": "a", "prediction": given}, {"id": "b", "prediction": "boat"})
    found = registry.task("qa/race").read_predictions(path, examples)
    assert {id_: p.value for id_, p in found.items()} == {"a": "A", "b": "C"}


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ("red kite", "2", {"a": "A", "b": "B"}),  # a text that is a choice is that choice
        ("B", "C", {"a": "B", "b": "C"}),
        (0, "2", {"a": "A", "b": "C"}),  # numbers from 0 alone fit all rows
        (1, 3, {"a": "A", "b": "C"}),
    ],
)
def test_predicted_choices_are_read_together(first, second, read, registry, write, examples):
    path = write("choices.jsonl", {"id": "a", "prediction": first}, {"id": "b", "prediction": second})
    assert {id_: p.value for id_, p in registry.task("qa/race").read_predictions(path, examples).items()} == read


@pytest.mark.parametrize("first", ["A", "1", 1])
def test_predicted_choices_that_mean_more_than_one_thing_are_refused(first, registry, write, examples):
    path = write("choices.jsonl", {"id": "a", "prediction": first}, {"id": "b", "prediction": "2"})
    with pytest.raises(DataError) as error:
        registry.task("qa/race").read_predictions(path, examples)
    assert str(error.value).startswith(
        f"{path}: b: expected predictions that can be read in one way alone, found '2', which is '2' by texts, 'boat' by numbers "
        "from 0, '2' by numbers from 1\n  of 2 rows, 1 as texts"
    )
    assert error.value.hints[-1] == "write what is meant by its text, in JSON between quotes"


def test_a_choice_that_there_is_not_is_refused(registry, write, examples):
    with pytest.raises(DataError, match=r"choices\.json: a: expected a letter from A to C, a position from 0, .* found 'D'"):
        registry.task("qa/race").read_predictions(write("choices.json", {"a": "D"}), examples)


def test_no_answer_probabilities(registry, write):
    task = registry.task("qa/squad_v2")
    assert task.read_no_answer_probabilities(write("na.json", {"a": 0.5, "b": 1})) == {"a": 0.5, "b": 1.0}
    with pytest.raises(DataError, match=r"na\.json: b: expected a number, found '1'"):
        task.read_no_answer_probabilities(write("na.json", {"a": 0.5, "b": "1"}))
    with pytest.raises(DataError, match=r"na\.json: expected an object, found \[0\.5\]"):
        task.read_no_answer_probabilities(write("na.json", [0.5]))


# ── written ───────────────────────────────────────────────────────────────────────────────────────────────────────


def saved(write, files):
    """The first of the files that were written."""
    first, *_ = [write(name, text) for name, text in files.items()]
    return first


@pytest.mark.parametrize(
    ("name", "start"), [("out.json", '{\n "a": "Anna",\n'), ("out.jsonl", '{"id": "a", "prediction": "Anna", ')]
)
def test_answers_and_their_doubts_are_written_as_squad_has_them(name, start, registry, write, examples):
    task = registry.task("qa/squad_v2")
    predictions = {
        "a": Prediction(value="Anna", scores={"no_answer": 0.25}),
        "b": Prediction(value="", scores={"no_answer": 0.75}),
    }
    files = task.write_predictions(name, examples, predictions)
    path = saved(write, files)
    assert path.read_text().startswith(start)
    assert {id_: p.value for id_, p in task.read_predictions(path, examples).items()} == {"a": "Anna", "b": ""}
    if name == "out.json":
        assert list(files) == ["out.json", "out.na_prob.json"]
        assert task.read_no_answer_probabilities(path.with_name("out.na_prob.json")) == {"a": 0.25, "b": 0.75}


@pytest.mark.parametrize("name", ["qa/squad", "qa/squad_v2"])
def test_no_doubts_are_written_where_none_are_known(name, registry, examples):
    files = registry.task(name).write_predictions("out.json", examples, {id_: Prediction(value="x") for id_ in ("a", "b")})
    assert list(files) == ["out.json"]


def test_coqa_s_answers_are_written_by_dialogue_and_turn(registry, write, examples):
    task, turns = registry.task("qa/coqa"), [replace(examples[0], id=f"red_kite_{i}") for i in (1, 2)]
    path = saved(write, task.write_predictions("out.json", turns, {e.id: Prediction(value=e.id[-1]) for e in turns}))
    assert json.loads(path.read_text()) == [{"id": "red_kite", "turn_id": i, "answer": str(i)} for i in (1, 2)]
    assert {id_: p.value for id_, p in task.read_predictions(path, turns).items()} == {"red_kite_1": "1", "red_kite_2": "2"}


def test_a_published_system_keeps_its_official_figures(registry, read, score, write, real_data):
    task, examples = registry.task("qa/squad"), read("qa/squad", real_data / "xquad" / "xquad.en.json")
    system = task.read_predictions(
        real_data / "squad_system_predictions" / "1.1__BERT_ensemble_Google_AI_Language.json", examples
    )
    again = task.read_predictions(saved(write, task.write_predictions("out.json", examples, system)), examples)
    scores = score(task, "squad", [again[e.id] for e in examples], examples)
    assert (f"{scores['exact_match']:.3f}", f"{scores['f1']:.3f}") == ("74.874", "86.325")
