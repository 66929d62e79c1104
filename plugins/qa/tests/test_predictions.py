import pytest

from plmtasks.errors import DataError
from plmtasks.examples import Example


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
    path = write("choices.jsonl", {"id": "a", "prediction": given}, {"id": "b", "prediction": "2"})
    found = registry.task("qa/race").read_predictions(path, examples)
    # a text goes before a position
    assert {id_: p.value for id_, p in found.items()} == {"a": "A", "b": "B"}


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
