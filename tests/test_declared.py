"""Tasks without Python: what a TOML file declares, and what it cannot."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import warm

import plmtasks
from plmtasks.config import Source
from plmtasks.declared import (
    Choices,
    DeclaredTask,
    Labels,
    Likelihoods,
    Numbers,
    Spans,
    Tags,
    Texts,
    task,
    task_of_config,
    tasks,
)
from plmtasks.declared.file import Data, Declaration
from plmtasks.errors import DataError, DataWarning, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, Classify, ExtractSpan, ExtractSpanAnswer, GenerateAnswer, Request, Shot, Span
from plmtasks.results import read_results
from plmtasks.scoring import bound_metrics, main_score
from plmtasks.store import task_of
from plmtasks.testing import TASK_CHECKS, NotApplicable, TaskSubject

MOOD = """
name = "hotels/mood"
description = "Is a review good or bad?"
metrics = ["accuracy", "f1"]
labels = {neg = "bad", pos = "good"}

[data]
train = [
    {review = "a fine room", mood = "pos", city = "Rome"},
    {review = "a dirty room", mood = 0, city = "Rome"},
    {review = "a fine bed", mood = "good", city = "Oslo"},
    {review = "a dirty bed", mood = "neg", city = "Oslo"},
]
test = [
    {review = "a fine view", mood = "1", city = "Rome"},
    {review = "a dirty view", mood = "bad", city = "Oslo"},
]

[columns]
reference = "mood"
slices = ["city"]
cluster = "city"

[Classify]
text = "{review}"

[Choose]
instruction = "Is the review {labels}?"
text = "{review}\\nIt is"

[Generate]
instruction = "Is the review {labels}?"
text = "{review}\\nIt is"
max_new_tokens = 4
"""

LED = MOOD.replace("labels =", 'main = "f1_micro"\nlabels =', 1)

OPTIONS = """
name = "capitals/choice"
metrics = ["accuracy", "accuracy_norm"]
[columns]
reference = "answer"
[Choose]
text = "The capital of {country} is"
choices = ["{a}", "{b}", "{c}"]
[Generate]
text = "The capital of {country} is"
[[data.test]]
country = "Norway"
a = "Oslo"
b = "Rome"
c = "Bonn"
answer = "A"
[[data.test]]
country = "Italy"
a = "Oslo"
b = "Rome"
c = "Bonn"
answer = 1
[[data.test]]
country = "Germany"
a = "Oslo"
b = "Rome"
c = "Berlin"
answer = "Berlin"
"""

SUMMARIES = """
name = "news/short"
metrics = ["rouge", "bleu"]
[columns]
inputs = {text = "story"}
reference = "summaries"
id = "key"
[Generate]
instruction = "Shorten."
text = "{text}"
max_new_tokens = 16
stop = ["\\n\\n"]
purpose = "summarize"
[[data.test]]
key = "n1"
story = "A man bit a dog in the park today."
summaries = ["a man bites a dog", "dog bitten by a man"]
[[data.test]]
key = "n2"
story = "It rained all day, and then the sun came out."
summaries = "the sun after the rain"
"""

QUESTIONS = """
name = "facts/spans"
metrics = ["squad"]
[columns]
reference = "answer"
[ExtractSpan]
question = "{question}"
context = "text"
may_abstain = true
[Generate]
text = "{text}\\nQuestion: {question}\\nAnswer:"
[[data.test]]
question = "Who came?"
text = "The nurse came on Monday, the nurse left on Friday."
answer = "The nurse"
[[data.test]]
question = "When did she leave?"
text = "The nurse came on Monday, the nurse left on Friday."
answer = {text = ["Friday"], answer_start = [44]}
[[data.test]]
question = "Who sang?"
text = "The nurse came on Monday."
answer = []
"""

TAGS = """
name = "places/tags"
metrics = ["conlleval", "seqeval"]
labels = ["O", "B-PLACE", "I-PLACE", "B-PERSON", "I-PERSON"]
[columns]
inputs = {words = "tokens"}
reference = "tags"
[Tag]
words = "words"
[[data.train]]
tokens = ["Ann", "left", "New", "York"]
tags = [3, 0, 1, 2]
[[data.train]]
tokens = "Bob Lee slept"
tags = "B-PERSON I-PERSON O"
[[data.test]]
tokens = ["Oslo", "Oslo"]
tags = ["B-PLACE", "B-PLACE"]
[[data.test]]
tokens = ["I", "saw", "Bob"]
tags = ["O", "O", "I-PERSON"]
"""

STARS = """
name = "hotels/stars"
metrics = ["correlation", "regression_error"]
[columns]
optional = ["answer"]
reference = "stars"
[Regress]
text = "{review}"
text_pair = "{answer}"
low = 0
high = 5
[Generate]
instruction = "How many stars?"
text = "{review}\\n{answer}"
max_new_tokens = 8
[[data.test]]
review = "a fine room"
answer = "thank you"
stars = 4.5
[[data.test]]
review = "a dirty room"
stars = "0.5"
[[data.test]]
review = "a bed"
answer = ""
stars = 3
"""

TEXTS = """
name = "verses/likelihood"
metrics = ["perplexity"]
[LogLikelihood]
text = "{verse}"
[[data.test]]
verse = "the rain in Spain"
[[data.test]]
verse = "stays mainly in the plain"
"""

ALL = {
    "mood": MOOD,
    "options": OPTIONS,
    "summaries": SUMMARIES,
    "questions": QUESTIONS,
    "tags": TAGS,
    "stars": STARS,
    "texts": TEXTS,
}


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def subjects(tmp_path_factory, registry):
    made = {}
    for name, text in ALL.items():
        path = written(tmp_path_factory.mktemp(name), text)
        made[name] = TaskSubject(task=registry.task(str(path)), registry=registry)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("check", TASK_CHECKS)
@pytest.mark.parametrize("name", ALL)
def test_it_keeps_every_law_of_tasks(subjects, name, check):
    try:
        TASK_CHECKS[check](subjects[name])
    except NotApplicable as e:
        pytest.skip(str(e))


# ── what it says ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_become_examples(tmp_path):
    mood = task(written(tmp_path, MOOD))
    data = mood.load(Source())
    assert [(e.id, e.reference) for e in data["train"]] == [
        ("train-0", "pos"), ("train-1", "neg"), ("train-2", "pos"), ("train-3", "neg"),
    ]  # fmt: skip
    [first, _] = data["test"]
    assert first.inputs == {"review": "a fine view"}
    assert (first.cluster, first.slices) == ("Rome", ("words=0-10", "city=Rome", "label=pos"))
    assert (mood.asks, mood.fields, mood.labels) == (("Classify", "Choose", "Generate"), ("review",), ("neg", "pos"))
    choose = mood.ask(first.hidden(), "Choose")
    assert choose == Choose(instruction="Is the review bad, good?", text="a fine view\nIt is", choices=("bad", "good"))
    said = GenerateAnswer(text=' "Good." It is clean.')
    assert mood.read(first.hidden(), mood.ask(first.hidden(), "Generate"), said).value == "pos"


def test_choices_are_named_by_text_number_or_letter(tmp_path):
    options = task(written(tmp_path, OPTIONS))
    assert [e.reference for e in options.load(Source())["test"]] == ["Oslo", "Rome", "Berlin"]


CHOOSE = """
name = "x/y"
metrics = ["accuracy"]
[columns]
reference = "answer"
[Choose]
text = "{question}"
choices = "choices"
"""


ANSWERS = [
    ["3", "blue"], ["3", "1"], ["2", "0"], ["3", "C"], ["A", "c"], ["1", "3"], [3, "1"], [0, 2], ["x", "1"], ["4", -1],
    [1.0, 2.0],
]  # fmt: skip


@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("said", ["", "text", "index", "number", "letter"])
def test_choices_are_read_as_the_built_in_task_reads_them(tmp_path, registry, answers, said):
    of = [["1", "2", "3", "4"], ["red", "blue", "red"]]
    rows = [{"id": i, "question": "?", "choices": its, "answer": a} for i, (its, a) in enumerate(zip(of, answers, strict=True))]
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def read(one, field):
        try:
            return one.load(Source(data=str(path), columns={f"{field}_is": said} if said else {}))["test"]
        except DataError as e:
            return e.where, e.found

    declared, built_in = read(task(written(tmp_path, CHOOSE)), "reference"), read(registry.task("qa/multiple-choice"), "answer")
    if isinstance(built_in[0], Example):
        built_in = [(e.id, e.inputs["choices"]["ABCD".index(e.reference)]) for e in built_in]
        declared = [(e.id, e.reference) for e in declared]
    assert declared == built_in


def test_how_a_column_tells_choices_may_stand_in_the_file(tmp_path):
    own = '[data]\ntest = [{question = "?", choices = ["1", "3", "2"], answer = "3"}]\n'
    text = CHOOSE.replace('"answer"\n', '"answer"\nreference_is = "number"\n') + own
    assert [e.reference for e in task(written(tmp_path, text)).load(Source())["test"]] == ["2"]
    with pytest.raises(DataError, match=r"mine\.toml:6: expected one of text, letter, index, number for 'reference_is'"):
        task(written(tmp_path, text.replace('"number"', '"digit"')))
    with pytest.raises(DataError, match="expected labels or choices where reference_is tells how they are told, found Extr"):
        task(written(tmp_path, QUESTIONS.replace("[columns]", '[columns]\nreference_is = "text"')))


def test_predictions_are_read_as_references(tmp_path):
    mood = task(written(tmp_path, MOOD))
    examples = [*mood.load(Source())["train"], *mood.load(Source())["test"]]
    (tmp_path / "p.txt").write_text("neg\nGood!\n1\n0.0\n0.93\npos\n")
    with pytest.warns(DataWarning, match="1 of 6 predictions name no candidate of hotels/mood; they count as wrong"):
        read = mood.read_predictions(tmp_path / "p.txt", examples)
    assert [p.value for p in read.values()] == ["neg", "pos", "pos", "neg", "0.93", "pos"]
    (tmp_path / "p.txt").write_text("a\nb\nc\nd\ne\nf\n")
    with pytest.raises(DataError, match="expected predictions of hotels/mood, found none that is a candidate, but 'a'"):
        mood.read_predictions(tmp_path / "p.txt", examples)


def test_labels_beside_the_users_data_and_numbers_from_1(tmp_path):
    open_ = task(written(tmp_path, MOOD.replace('labels = {neg = "bad", pos = "good"}\n', "")))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "labels.txt").write_text("sad\nglad\n")
    (tmp_path / "own" / "test.csv").write_text("review,mood,city\na,1,X\nb,2,X\n")
    data = open_.load(Source(data=str(tmp_path / "own")))
    with pytest.warns(DataWarning, match="split test: 2 of 2 references count from 1 and not from 0; .* so that 1 is 'sad'"):
        assert [e.reference for e in data["test"]] == ["sad", "glad"]
    assert open_.bind(data).labels == ("glad", "sad")


def test_choices_may_be_a_column(tmp_path):
    text = """
name = "x/y"
metrics = ["accuracy"]
[columns]
reference = "right"
[Choose]
text = "{question}"
choices = "options"
[[data.test]]
question = "What is blue?"
options = ["the sea", "a rose"]
right = 0
"""
    one = task(written(tmp_path, text))
    [example] = one.load(Source())["test"]
    assert example.reference == "the sea"
    assert one.ask(example.hidden(), "Choose").choices == ("the sea", "a rose")
    assert (one.fields, one.more_fields) == (("question",), ("options",))
    posed = one.pose({"question": "What is red?", "options": ["a rose", "grass"]}, "1")
    assert one.ask(posed, "Choose").choices == ("a rose", "grass")
    with pytest.raises(InputError, match="x/y is asked with question, options; the question has no 'options'"):
        one.pose({"question": "What is red?"}, "1")


def test_spans_are_found_in_the_context(tmp_path):
    facts = task(written(tmp_path, QUESTIONS))
    assert facts.texts == ("question",)  # nobody rewrites a text whose characters are counted
    first, second, third = facts.load(Source())["test"]
    assert first.reference == {"text": ["The nurse"], "answer_start": [0]}
    assert third.reference == {"text": [], "answer_start": []}
    request = facts.ask(second.hidden(), "ExtractSpan")
    unsure = ExtractSpanAnswer(spans=(Span(start=4, end=9, score=0.3),), no_answer=0.5)
    read = facts.read(second.hidden(), request, unsure)
    assert (read.value, read.scores) == ("", {"confidence": 0.625, "no_answer": 0.625})


MARKED = """
name = "verbs/roles"
metrics = ["conlleval"]
[columns]
reference = "roles"
[Tag]
words = "words"
marked = "verb"
[[data.test]]
words = "Ann saw Bob"
verb = [1]
roles = "B-WHO O B-WHOM"
"""


@pytest.mark.parametrize(
    "answer", ["Anna", ["Anna"], [{"text": "Anna", "answer_start": 5}], {"text": ["Anna"]}, {"text": "Anna"}]
)
def test_answers_come_in_the_shapes_that_the_built_in_task_takes(tmp_path, registry, answer):
    (tmp_path / "test.jsonl").write_text(json.dumps({"id": "q", "text": "Then Anna sang.", "question": "Who?", "answer": answer}))
    facts = task(written(tmp_path, QUESTIONS))
    [one] = facts.load(Source(data=str(tmp_path / "test.jsonl"), columns={"reference": "answer"}))["test"]
    [other] = registry.task("qa/squad_v2").load(Source(data=str(tmp_path / "test.jsonl"), columns={"context": "text"}))["test"]
    assert one.reference == {"text": ["Anna"], "answer_start": [5]}
    assert (one.id, one.reference["text"]) == (other.id, other.reference["text"])


def test_words_of_interest_are_marked(tmp_path):
    roles = task(written(tmp_path, MARKED))
    bound = roles.bind(roles.load(Source()))
    request = bound.ask(bound.load(Source())["test"][0].hidden(), "Tag")
    assert (request.words, request.marked) == (("Ann", "saw", "Bob"), (1,))
    assert request.labels == ("O", "B-WHO", "I-WHO", "B-WHOM", "I-WHOM")
    with pytest.raises(DataError, match=r"mine\.toml:9: expected places of 3 words, from 0, as 'verb', found \[3\]"):
        task(written(tmp_path, MARKED.replace("[1]", "[3]"))).load(Source())["test"]


def test_shots_stand_solved_before_each_question(tmp_path, registry):
    shots = '\n[[shots]]\nreview = "a fine desk"\nmood = "pos"\n'
    mood = task(written(tmp_path, MOOD + shots))
    example = mood.load(Source())["test"][0]
    for kind in ("Choose", "Generate"):
        assert mood.ask(example.hidden(), kind).shots == (Shot(text="a fine desk\nIt is", answer="good"),)
    # the user's own take their place, and what a result tells counts both
    run = {"train": "never", "ask": "Choose", "threads": 1, "quiet": True, "allow_untrained": True}
    made = plmtasks.train(
        str(tmp_path / "mine.toml"), "tiny-gpt", str(tmp_path / "gpt"), ask="Choose", num_train_epochs=0.5, threads=1, quiet=True
    )
    for count in (0, 2):
        output = str(tmp_path / "results")
        result = plmtasks.run(str(tmp_path / "mine.toml"), str(made), shots=count, output=output, **run)
        assert result.record["protocol"]["shots"] == (count or 1)


def test_another_score_may_rank(tmp_path, registry):
    mood = registry.task(str(written(tmp_path, LED)))
    [first, second] = bound_metrics(mood, (), registry)
    assert (first.name, main_score(first), second.name, main_score(second)) == ("f1", "f1_micro", "accuracy", "accuracy")


def predictions(folder: Path) -> Path:
    (folder / "p.txt").write_text("pos\npos\n")
    return folder / "p.txt"


# ── lists, nested fields, and files without a header ──────────────────────────────────────────────────────────────────────

TALKS = """
name = "talks/choice"
metrics = ["accuracy"]
[columns]
reference = "answer"
id = ""
cluster = "talk.number"
inputs = {lines = "talk.lines", question = "question", options = "options[].text"}
[Choose]
text = "{lines}\\n{question}"
choices = "options"
pair_text = "{lines}"
pair_choice = "{question} {choice}"
"""


def test_nested_fields_and_lists_need_no_python(tmp_path):
    talk = {"lines": ["Ann: It rains.", "Bob: Take my coat."], "number": 7}
    row = {"talk": talk, "question": "What is given?", "options": [{"text": "a hat"}, {"text": "a coat"}], "answer": 1, "id": 3}
    (tmp_path / "test.jsonl").write_text(f"{json.dumps(row)}\n" * 2)
    talks = task(written(tmp_path, TALKS))
    first, second = talks.load(Source(data=str(tmp_path / "test.jsonl")))["test"]
    assert (first.id, second.id, first.cluster) == ("test-0", "test-1", "7")  # the id is not one of the questions
    assert first.reference == "a coat"
    assert first.inputs["lines"] == "Ann: It rains.\nBob: Take my coat."
    request = talks.ask(first.hidden(), "Choose")
    assert isinstance(request, Choose)
    assert request.pair_choices == ("What is given? a hat", "What is given? a coat")


def test_a_list_stands_on_lines_or_is_joined_as_the_file_says(tmp_path):
    head = 'name = "a/b"\nmetrics = ["accuracy"]\n[Classify]\ntext = "{words}"\n'
    rows = head + '[columns]\nreference = "fits"\ninputs = {words = "INPUT"}\n'
    data = '[data]\ntest = [{words = ["sea", "salt"], fits = "yes"}, {words = ["sun"], fits = "no"}]\n'
    for said, shown in (("words", "sea\nsalt"), ("join(', ', words)", "sea, salt"), ("words[-1]", "salt")):
        one = task(written(tmp_path, rows.replace("INPUT", said) + data))
        assert one.load(Source())["test"][0].inputs == {"words": shown}
    for wrong in ("[]", '["sea", 1]', '[["sea"]]'):
        one = task(written(tmp_path, rows.replace("INPUT", "words") + data.replace('["sun"]', wrong)))
        with pytest.raises(DataError, match=r"mine\.toml:9: expected a text as 'words', found "):
            one.load(Source())["test"]


def test_a_file_without_a_header_may_lack_what_rows_may_lack(tmp_path):
    (tmp_path / "test.csv").write_text("a fine room;4.5\na dirty room;1\n")
    source = Source(data=str(tmp_path / "test.csv"), columns={"text": "0", "reference": "1"}, separator="semicolon")
    head = 'name = "a/b"\nmetrics = ["regression_error"]\n[Regress]\ntext = "{text}"\ntext_pair = "{text_pair}"\n'
    said = '[columns]\nreference = "label"\noptional = ["text_pair"]\n'
    first, second = task(written(tmp_path, head + said)).load(source)["test"]
    assert (first.inputs, first.reference, second.reference) == ({"text": "a fine room"}, 4.5, 1.0)
    with pytest.raises(InputError, match=r"some columns of a table by position and others by name\n  by name: id\n"):
        task(written(tmp_path, f'{head}{said}id = "number"\n')).load(source)["test"]


ROLES = """
name = "roles/questions"
metrics = ["squad"]
[columns]
reference = "answers"
inputs = {sentence = "sentence", verb = "predicate", question = "join(' ', question[?@ != '_'])"}
[ExtractSpan]
question = "{verb}: {question}"
context = "sentence"
"""


def test_questions_about_roles_in_the_columns_of_qa_srl(tmp_path):
    """The question is a list of slots, of which some are empty: sentence, predicate, question, answers, … of luheng/qa_srl."""
    row = {
        "sentence": "The nurse gave the boy a red apple .", "sent_id": "s:1", "predicate_idx": 2, "predicate": "gave",
        "question": ["who", "_", "_", "gave", "something", "_", "_", "?"], "answers": ["The nurse"],
    }  # fmt: skip
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    roles = task(written(tmp_path, ROLES))
    [one] = roles.load(Source(data=str(tmp_path / "test.jsonl")))["test"]
    request = roles.ask(one.hidden(), "ExtractSpan")
    assert isinstance(request, ExtractSpan)
    assert request.question == "gave: who gave something ?"
    assert one.reference == {"text": ["The nurse"], "answer_start": [0]}


def test_a_task_of_a_file_without_a_header(tmp_path):
    mood = MOOD.replace('reference = "mood"\nslices = ["city"]\ncluster = "city"', 'reference = "0"\ninputs = {review = "1"}')
    mood = mood[: mood.index("[data]")] + '[data]\ntest = "test.tsv"\n' + mood[mood.index("[columns]") :]
    (tmp_path / "test.tsv").write_text("pos\ta fine view\nneg\ta dirty view\n")
    examples = task(written(tmp_path, mood)).load(Source())["test"]
    assert [(e.inputs["review"], e.reference) for e in examples] == [("a fine view", "pos"), ("a dirty view", "neg")]


# ── where the data is ─────────────────────────────────────────────────────────────────────────────────────────────────

FILES = MOOD[: MOOD.index("[data]")] + '[data]\ntrain = "parts/*.jsonl"\ntest = "test.csv"\n' + MOOD[MOOD.index("[columns]") :]


def test_files_lie_beside_the_tasks_file(tmp_path):
    (tmp_path / "parts").mkdir()
    for number, mood in enumerate(("pos", "neg")):
        (tmp_path / "parts" / f"{number}.jsonl").write_text(
            json.dumps({"review": f"r{number}", "mood": mood, "city": "X"}) + "\n"
        )
    (tmp_path / "test.csv").write_text("review,mood,city\nfine,pos,X\n")
    data = task(written(tmp_path, FILES)).load(Source())
    assert [(e.id, e.inputs["review"]) for e in data["train"]] == [("train-0", "r0"), ("train-1", "r1")]
    assert [e.reference for e in data["test"]] == ["pos"]


def test_a_file_that_is_not_there(tmp_path):
    path = written(tmp_path, FILES)
    with pytest.raises(InputError, match=r"mine\.toml:8: there is no file 'parts/\*\.jsonl' beside mine\.toml"):
        task(path).load(Source())["train"]


def test_the_users_own_data(tmp_path):
    (tmp_path / "own.csv").write_text("Text,Label,city\nfine,1,X\n")
    mood = task(written(tmp_path, MOOD))
    data = mood.load(Source(data=str(tmp_path / "own.csv"), columns={"review": "Text", "reference": "Label"}))
    assert [(e.inputs["review"], e.reference) for e in data["test"]] == [("fine", "pos")]
    known = "review, reference, reference_is, id, cluster"
    with pytest.raises(InputError, match=f"there is no field 'text'\n  the fields are: {known}"):
        mood.load(Source(data=str(tmp_path / "own.csv"), columns={"text": "Text"}))


def test_labels_may_come_from_the_data(tmp_path):
    text = MOOD.replace('labels = {neg = "bad", pos = "good"}\n', "").replace('"good"', '"pos"').replace('"bad"', '"neg"')
    mood = task(written(tmp_path, text.replace("mood = 0", 'mood = "neg"').replace('"1"', '"pos"')))
    assert mood.labels == ()
    assert mood.bind(mood.load(Source())).labels == ("neg", "pos")


# ── identity ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_content_is_in_the_identity_and_its_place_is_not(tmp_path):
    (tmp_path / "other").mkdir()
    facts = task(written(tmp_path, MOOD)).config()
    assert task(written(tmp_path / "other", MOOD)).config() == facts
    assert task(written(tmp_path, MOOD.replace("good or bad?", "fine?"))).config() == facts  # a description asks nothing
    assert task(written(tmp_path, MOOD.replace("It is", "It was"))).config() != facts
    assert task(written(tmp_path, MOOD.replace('neg = "bad"', 'neg = "poor"'))).config() != facts
    assert json.loads(json.dumps(facts)) == facts


# ── from the command line, and from a package ─────────────────────────────────────────────────────────────────────────


def command(folder: Path, *arguments: str) -> str:
    done = warm.plmtasks(arguments, folder, os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_runs_by_its_path(tmp_path, registry):
    path = written(tmp_path, LED)
    folders = {"output": str(tmp_path / "results"), "checkpoints": str(tmp_path / "checkpoints")}
    result = plmtasks.run(str(path), "tiny-bert", num_train_epochs=60, threads=1, quiet=True, **folders)
    assert result.task == "hotels/mood"
    assert result.score == 100
    [checkpoint] = (tmp_path / "checkpoints").glob("hotels/mood/tiny-bert/*")
    said = plmtasks.predict(str(path), str(checkpoint), ["a fine hall", "a dirty hall"], threads=1)
    assert [answer["prediction"] for answer in said] == ["pos", "neg"]
    path.unlink()  # a result tells what its task was
    again = task_of(read_results(result.folder)[0], registry)
    assert isinstance(again, DeclaredTask)
    assert again.config() == result.record["task"]
    assert command(tmp_path, "results", "verify", "--deep", "results").endswith("1 run, none altered\n")
    assert "ranked by f1_micro" in command(tmp_path, "leaderboard", "results")


def test_it_is_shown_scored_and_predicted_by_its_path(tmp_path):
    written(tmp_path, MOOD)
    predictions(tmp_path)
    assert "hotels/mood: Is a review good or bad?" in command(tmp_path, "show", "mine.toml", "--ask", "Choose")
    assert "50.0" in command(tmp_path, "score", "--task", "mine.toml", "--predictions", "p.txt")


def test_a_package_registers_it_in_a_line(tmp_path):
    plugin = ModuleType("a_plugin")
    path = written(tmp_path, MOOD)
    plugin.register_tasks = plmtasks.hookimpl(lambda: [task(path)])
    registry = load_registry([plugin], installed=False)
    assert [p.error for p in registry.plugins] == [None]
    assert registry.task("hotels/mood").config() == task(path).config()


def test_a_name_that_an_installed_task_has(tmp_path, registry):
    with pytest.raises(
        InputError, match=r"mine\.toml: another task 'qa/squad' is installed\n  give the file's task a name of its own"
    ):
        registry.task(str(written(tmp_path, MOOD.replace("hotels/mood", "qa/squad"))))


# ── what is no task ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('"hotels/mood"', '"mood"', 2, "a name of two words with a slash between: group/variant, found 'mood'"),
        ('["accuracy", "f1"]', "[]", 4, "at least one metric, the main one first, found none"),
        ('"f1"]', '\n"acuracy"]', 5, "a metric that a plugin registers, found 'acuracy'\n  did you mean 'accuracy'"),
        ("[columns]", "[[shots]]\nday = 2026-11-25\n[columns]", None, "texts, whole and finite numbers, lists and tables"),
        ("\nlabels", '\nmain = "f1_mikro"\nlabels', 5, "a score of its metrics: accuracy, f1_macro, f1_micro, found 'f1_mikro'"),
        ("metrics", "metrix", 4, "a key at the top: "),
        ('{neg = "bad", pos = "good"}', '["a", "a"]', 5, "at least two words, each once, found ('a', 'a')"),
        ("[Classify]", "[Clasify]", 24, "a key at the top: "),
        ("[Classify]", "[Tag]", 25, "a key in [Tag]: words, marked, scheme, found 'text'"),
        ('text = "{review}"', 'texte = "{review}"', 25, "a key in [Classify]: text, text_pair, found 'texte'\n"),
        ("max_new_tokens = 4", "max_new_tokens = 0", 34, "at least 1, found 0"),
        ("max_new_tokens = 4", 'max_new_tokens = "4"', 34, "a whole number for 'max_new_tokens', found '4'"),
        ('"{review}"', '"{review"', 25, "a text with names of columns in braces, {{ for a brace, found"),
        ('"{review}"', '"{review!r}"', 25, "a text with names of columns in braces"),
        ('"{review}"', '"{review:>9}"', 25, "a text with names of columns in braces"),
        ("{labels}", "{review}", 28, "an instruction that is the same for all examples"),
        ('reference = "mood"', 'inputs = ["revew"]\nreference = "mood"', 26, "one of the inputs revew, found 'review'"),
        ('reference = "mood"', "", 19, "reference = …, the column of the right answer, in [columns], found none"),
        ("test = [", "tset = [", 14, "a key in [data]: hub, revision, config, train, validation, test, parts, parallel, "),
        ("[data]", '[data]\nrevision = "x"', 8, "hub = … beside it, found none"),
        ("[Generate]", "[Generate]\nstop = 3", 32, "a list of texts for 'stop', found 3"),
    ],
)  # fmt: skip
def test_what_is_no_task_is_said_with_its_line(tmp_path, registry, old, new, line, said):
    assert old in MOOD
    path = written(tmp_path, MOOD.replace(old, new))
    with pytest.raises(DataError) as error:
        registry.task(str(path))
    assert str(error.value).startswith(f"{path}:{line}: expected {said}" if line else f"{path}: expected {said}")


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "said"),
    [
        (MOOD, "mood = 0", "mood = 7", 10, "a known label, found 7"),
        (MOOD, "mood = 0", "mod = 0", 10, "a column 'mood', found review, mod, city"),
        (MOOD, 'review = "a dirty room"', "review = true", 10, "a text as 'review', found True"),
        (OPTIONS, 'answer = "A"', 'answer = "D"', 11, "the right choice as A to C, or 0 to 2, or its text, found 'D'"),
        (OPTIONS, 'b = "Rome"', 'b = ""', 11, "at least two choices, none of them empty, found ['Oslo', '', 'Bonn']"),
        (SUMMARIES, '"the sun after the rain"', '"sun\\n\\nrain"', 18, "a text without '\\n\\n', at which [Generate] stops"),
        (QUESTIONS, '"The nurse"', '"The pilot"', 12, "answers that stand in 'text' where they should"),
        (QUESTIONS, "may_abstain = true", "", 20, "an answer, or may_abstain = true in [ExtractSpan], found []"),
        (STARS, "stars = 4.5", "stars = 5.5", 16, "a number from 0 to 5, found 5.5"),
        (STARS, 'stars = "0.5"', 'stars = "five"', 20, "a number from 0 to 5, found 'five'"),
        (STARS, "stars = 4.5", "stars = nan", 16, "a number from 0 to 5, found nan"),
        (STARS, "stars = 4.5", "stars = true", 16, "a number from 0 to 5, found True"),
        (TAGS, "[3, 0, 1, 2]", "[3, 0, 1]", 10, "4 tags, one for each word, found 3"),
        (TAGS, "[3, 0, 1, 2]", "[3, 0, 1, 9]", 10, "O, B-… or I-… with a label of PLACE, PERSON, found 9"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_example_is_said_with_its_line(tmp_path, text, old, new, line, said):
    assert old in text
    path = written(tmp_path, text.replace(old, new, 1))
    data = task(path).load(Source())
    with pytest.raises(DataError) as error:
        [data[split] for split in data.splits]
    assert str(error.value).startswith(f"{path}:{line}: expected {said}")


def test_a_column_that_rows_may_lack(tmp_path):
    path = written(tmp_path, STARS)
    stars = task(path)
    examples = stars.load(Source())["test"]
    assert [list(e.inputs) for e in examples] == [["review", "answer"], ["review"], ["review"]]
    asked = [stars.ask(e, "Regress") for e in examples]
    assert [(r.text_pair, r.low, r.high) for r in asked] == [("thank you", 0, 5), (None, 0, 5), (None, 0, 5)]
    assert [stars.ask(e, "Generate").text for e in examples] == ["a fine room\nthank you", "a dirty room", "a bed"]
    assert (stars.fields, stars.more_fields) == (("review",), ("answer",))
    assert stars.pose({"review": "a chair"}, "q").inputs == {"review": "a chair"}
    with pytest.raises(InputError, match="the question has no 'review'"):
        stars.pose({"answer": "thank you"}, "q")
    (tmp_path / "own.csv").write_text("review,stars\na door,1\n")
    [example] = stars.load(Source(data=str(tmp_path / "own.csv")))["test"]
    assert example.inputs == {"review": "a door"}
    with pytest.raises(DataError, match=r"own.csv:2: expected a column 'reply', found review, stars"):
        stars.load(Source(data=str(tmp_path / "own.csv"), columns={"answer": "reply"}))["test"]
    path.write_text(STARS.replace('optional = ["answer"]', 'optional = ["reply"]'))
    with pytest.raises(DataError, match=r"mine.toml:5: expected some of the inputs review, answer, found 'reply'"):
        task(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.5", 3.5), ("about 4 of 5", 4), ("-.25 or so", -0.25), ("−1", -1), ("1e3", 1000), ("７", 7), ("none", None),
        ("", None), ("1e999", None), ("4.", 4), ("+2", 2),
    ],
)  # fmt: skip
def test_the_first_number_of_a_text_is_read(tmp_path, text, value):
    stars = task(written(tmp_path, STARS))
    [example, *_] = stars.load(Source())["test"]
    assert stars.read(example, stars.ask(example, "Generate"), GenerateAnswer(text=text)).value == value
    assert stars.show(example, Prediction(value=value)) == ("no number" if value is None else f"{value:g}")


@pytest.mark.parametrize(
    ("cell", "read"),
    [(3.799999952316284, 3.8), (0.20000000298023224, 0.2), (3.8, 3.8), (1 / 3, 1 / 3), (4.0, 4.0), (1.3329999446868896, 1.333)],
)
def test_a_number_kept_in_single_precision_is_the_one_that_was_written(tmp_path, cell, read):
    """As STS-B's Parquet files have them: a decoder would learn to write all the digits."""
    stars = task(written(tmp_path, STARS.replace("stars = 4.5", f"stars = {cell!r}")))
    [example, *_] = stars.load(Source())["test"]
    assert example.reference == read
    solved = stars.solve(example, stars.ask(example, "Generate"))
    assert solved.text == f"{read:g}" or read == 1 / 3


def test_predictions_of_numbers_are_read_as_texts_are(tmp_path):
    stars = task(written(tmp_path, STARS))
    examples = stars.load(Source())["test"]
    (tmp_path / "p.jsonl").write_text(
        '{"id": "test-0", "prediction": 4}\n{"id": "test-1", "prediction": "0.5 stars"}\n{"id": "test-2", "prediction": "many"}\n'
    )
    with pytest.warns(DataWarning, match="1 of 3 predictions hold no number; they count as no_number"):
        found = stars.read_predictions(tmp_path / "p.jsonl", examples)
    assert [found[e.id].value for e in examples] == [4.0, 0.5, None]
    (tmp_path / "p.txt").write_text("few\nmany\nsome\n")
    with pytest.raises(DataError, match="expected numbers, as predictions of hotels/stars, found none, but 'few'"):
        stars.read_predictions(tmp_path / "p.txt", examples)


def test_a_catalogue_knows_which_tasks_need_data(tmp_path):
    written(tmp_path, STARS)
    assert [one.needs_data for one in tasks(tmp_path)] == [False]
    written(tmp_path, STARS.partition("[[data")[0])
    assert [one.needs_data for one in tasks(tmp_path)] == [True]
    assert tasks(tmp_path)[0].make().needs_data
    written(tmp_path, STARS.partition("[[data")[0].replace("[columns]", 'data = {test = "t.csv"}\n[columns]'))
    assert [one.needs_data for one in tasks(tmp_path)] == [False]


@pytest.mark.parametrize("name", ["review.__class__", "review[0]", "0.__class__", ""])
def test_braces_hold_nothing_but_columns(tmp_path, name):
    """No attribute is looked up: what stands in braces is the name of a column, or nothing at all."""
    path = written(tmp_path, MOOD.replace('"{review}"', f'"{{{name}}}"'))
    with pytest.raises(DataError, match=r"expected (a column|a text with names of columns in braces)"):
        task(path).load(Source())["test"]


def test_a_brace_in_an_example_is_only_a_brace(tmp_path):
    text = MOOD.replace("a fine view", "{mood} {0.__class__}").replace('"{review}"', '"{{x}} {review}"')
    mood = task(written(tmp_path, text))
    assert mood.ask(mood.load(Source())["test"][0].hidden(), "Classify").text == "{x} {mood} {0.__class__}"


# ── in Python ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ROWS = {"train": [{"review": "a fine room", "mood": "pos"}, {"review": "a dirty one", "mood": "neg"}]}
IN_PYTHON: dict[str, tuple[Callable[[], DeclaredTask], str]] = {
    "labels": (
        lambda: Labels(
            "t/t", metrics=("accuracy",), labels={"neg": "bad", "pos": "good"}, text="{review}", reference="mood",
            instruction="Is it {labels}?", data=ROWS,
        ),
        'labels = { neg = "bad", pos = "good" }\ncolumns.reference = "mood"\nClassify.text = "{review}"\n'
        'Choose = { text = "{review}", instruction = "Is it {labels}?" }\n'
        'Generate = { text = "{review}", instruction = "Is it {labels}?", max_new_tokens = 16 }\n',
    ),
    "choices": (
        lambda: Choices("t/t", metrics=("accuracy",), text="{q}", reference="right", choices=("{a}", "{b}")),
        'columns.reference = "right"\nChoose = { text = "{q}", choices = ["{a}", "{b}"] }\n',
    ),
    "texts": (
        lambda: Texts("t/t", metrics=("accuracy",), text="{q}", reference="a", Generate={"text": "{q}!", "stop": ["."]}),
        'columns.reference = "a"\nGenerate = { text = "{q}!", stop = ["."] }\n',
    ),
    "spans": (
        lambda: Spans("t/t", metrics=("accuracy",), question="{q}", context="c", reference="a", columns={"id": "n"}),
        'columns = { reference = "a", id = "n" }\nExtractSpan = { question = "{q}", context = "c", may_abstain = false }\n',
    ),
    "tags": (
        lambda: Tags("t/t", metrics=("accuracy",), words="w", reference="t", labels=("A", "B")),
        'labels = ["A", "B"]\ncolumns.reference = "t"\nTag.words = "w"\n',
    ),
    "numbers": (
        lambda: Numbers(
            "t/t", metrics=("accuracy",), text="{a}", text_pair="{b}", reference="n", scale=(0.0, 5.0), instruction="How?",
            columns={"optional": ["b"]},
        ),
        'columns = { reference = "n", optional = ["b"] }\nRegress = { text = "{a}", text_pair = "{b}", low = 0.0, high = 5.0 }\n'
        'Generate = { text = "{a}\\n{b}", instruction = "How?", max_new_tokens = 16 }\n',
    ),
    "likelihoods": (
        lambda: Likelihoods("t/t", metrics=("accuracy",), text="{t}"), 'LogLikelihood = { text = "{t}" }\n'
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", IN_PYTHON)
def test_in_python_it_is_the_task_of_its_file(tmp_path: Path, form: str) -> None:
    make, text = IN_PYTHON[form]
    (tmp_path / "t.toml").write_text(f'name = "t/t"\nmetrics = ["accuracy"]\n{text}')
    one, other = make(), task(tmp_path / "t.toml")
    assert type(one) is type(other)
    assert (one.asks, one.fields, one.labels, one.texts) == (other.asks, other.fields, other.labels, other.texts)
    assert one.config()["name"] == "t/t"
    assert _filled(one.declared) == _filled(other.declared)
    again = task_of_config(json.loads(json.dumps(one.config())))
    assert again is not None
    assert _filled(again.declared) == _filled(one.declared)
    assert one.__module__ == __name__, "it is its maker's"


def _filled(declared: Declaration) -> Declaration:
    return dataclasses.replace(declared, data=Data())


def test_in_python_its_data_are_rows_or_a_folder(tmp_path: Path) -> None:
    reviews = IN_PYTHON["labels"][0]()
    assert [e.reference for e in reviews.load(Source())["train"]] == ["pos", "neg"]
    (tmp_path / "test.csv").write_text("review,mood\na fine view,pos\n")
    there = Labels("t/t", metrics=("accuracy",), labels=("neg", "pos"), text="{review}", reference="mood", data=tmp_path)
    [example] = there.load(Source())["test"]
    assert (example.inputs, example.reference) == ({"review": "a fine view"}, "pos")
    assert there.config()["declared"]["columns"] == {"reference": "mood"}
    (tmp_path / "test.csv").write_text("review,mood\na fine view,who knows\n")
    with pytest.raises(DataError, match=r"test.csv:2: expected a known label, found .who knows."):
        there.load(Source())["test"]


class Loud(Labels):
    """One that asks otherwise than it declares."""

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        return super().posed({name: value.upper() for name, value in inputs.items()}, kind)


def test_a_subclass_is_never_taken_for_what_it_declares() -> None:
    loud = Loud("t/t", metrics=("accuracy",), labels=("neg", "pos"), text="{review}", reference="mood", data=ROWS)
    [first, _] = loud.load(Source())["train"]
    assert loud.ask(first.hidden(), "Classify") == Classify(text="A FINE ROOM", labels=("neg", "pos"))
    assert "declared" not in loud.config()
    assert task_of_config(loud.config()) is None
    assert isinstance(loud.labelled(("a", "b")), Loud)


def test_what_declares_no_task_in_python_is_told() -> None:
    with pytest.raises(DataError, match=r"t-t: expected a key at the top: name, .*, found 'label'"):
        Labels("t/t", metrics=("accuracy",), text="{review}", reference="mood", label="mood")
    with pytest.raises(DataError, match=r"t-t: expected metrics = … at the top"):
        Labels("t/t", text="{review}", reference="mood")


def test_rows_without_a_right_answer_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"review": "x", "mood": 1}\n{"review": "y", "mood": -1}\n{"review": "z", "mood": 0}\n')
    said = MOOD[: MOOD.index("[data]")] + '[data]\ntest = "own.jsonl"\n' + MOOD[MOOD.index("[columns]") :]
    said = said.replace('slices = ["city"]\ncluster = "city"', "hidden = -1")
    (tmp_path / "mood.toml").write_text(said)
    with pytest.warns(DataWarning, match=r"example has no reference: left out"):
        assert [(e.id, e.reference) for e in task(tmp_path / "mood.toml").load(Source())["test"]] == [
            ("test-0", "pos"), ("test-2", "neg"),
        ]  # fmt: skip


def test_a_score_of_one_label_may_rank(tmp_path: Path, registry: Any) -> None:
    (tmp_path / "mood.toml").write_text(MOOD.replace("labels =", 'main = "f1[pos]"\nlabels =', 1))
    assert task(tmp_path / "mood.toml", registry.metric).main == "f1[pos]"
    (tmp_path / "mood.toml").write_text(MOOD.replace("labels =", 'main = "f1[so]"\nlabels =', 1))
    with pytest.raises(DataError, match=r"mood\.toml:5: expected a score of its metrics: .*, found 'f1\[so\]'"):
        task(tmp_path / "mood.toml", registry.metric)
