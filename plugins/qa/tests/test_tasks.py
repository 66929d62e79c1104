import json
import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_qa.data.extractive import locate
from plmtasks_qa.data.rows import question_word

from plmtasks.config import Source
from plmtasks.declared import DeclaredTask
from plmtasks.errors import DataWarning
from plmtasks.examples import Example, Prediction
from plmtasks.requests import (
    Choose,
    ChooseAnswer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    GenerateAnswer,
    Likelihood,
    Span,
)
from plmtasks.testing import TaskSubject
from plmtasks.testing.tasks import solved_answers_are_best

# task, path under the real data, split → examples
DATA = [
    ("qa/squad", "xquad/xquad.en.json", {"test": 1190}),
    ("qa/squad", "allennlp_fixtures/rc/squad.json", {"test": 5}),
    ("qa/squad_v2", "squad_v2_half_dev", {"validation": 6078}),
    ("qa/xquad.en", "xquad/xquad.en.json", {"test": 1190}),
    ("qa/xquad.zh", "xquad/xquad.zh.json", {"test": 1190}),
    ("qa/xquad.de", "xquad/xquad.de.json", {"test": 1190}),
    ("qa/cmrc2018", "cmrc2018", {"validation": 3219}),
    ("qa/race", "race_middle", {"validation": 1436, "test": 1436}),
    ("qa/swag", "allennlp_fixtures/mc/swag.csv", {"test": 11}),
    ("qa/commonsenseqa", "allennlp_fixtures/mc/commonsenseqa.jsonl", {"test": 10}),
    ("qa/multiple-choice", "allennlp_fixtures/mc/commonsenseqa.jsonl", {"test": 10}),
    ("qa/multiple-choice", "race_middle", {"validation": 1436, "test": 1436}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "path", "sizes"), DATA)
def test_solved_answers_give_every_metric_its_best_value(name, path, sizes, registry, real_data):
    source = Source(data=str(real_data / path))
    subject = TaskSubject(task=registry.task(name), source=source, registry=registry, limit=10**9)
    assert {split: len(examples) for split, examples in subject.whole.items()} == sizes
    solved_answers_are_best(subject)


def test_plain_qa_is_squad(registry):
    assert registry.task("qa").name == "qa/squad"


def test_every_task_names_metrics_that_there_are(registry):
    for task in map(registry.task, registry.items["task"]):
        assert [registry.metric(m).name for m in task.metrics] == list(task.metrics)
        assert task.description
        assert task.version == 1 or isinstance(task, DeclaredTask)


def test_sample_asks_in_turn_and_keeps_its_splits_apart(registry):
    data = registry.task("qa/sample").load(Source())
    asked = {split: {(e.inputs["question"], e.inputs["context"]) for e in data[split]} for split in data.splits}
    sentences = {split: {context for _, context in pairs} for split, pairs in asked.items()}
    assert not sentences["train"] & sentences["test"]
    assert not sentences["train"] & sentences["validation"]
    asks = Counter(e.slices for e in data["test"])
    assert set(asks) == {(f"question={word}",) for word in ("who", "what", "where", "when")}
    assert min(asks.values()) >= 30
    assert all(e.inputs["context"].count(e.reference["text"][0]) == 1 for e in data["test"])
    assert {len(e.inputs["question"].split()) for e in data["test"]} == {6}


# ── extractive ────────────────────────────────────────────────────────────────────────────────────────────────────


def example(**changes):
    inputs = {"question": "Who sang?", "context": "Anna sang. Bert sang too."}
    reference = {"text": ["Bert"], "answer_start": [11]}
    return Example(**({"id": "1", "inputs": inputs, "reference": reference} | changes))


def test_a_span_reads_back_as_the_text_of_the_context(registry):
    task = registry.task("qa/squad")
    asked = task.ask(example().hidden(), "ExtractSpan")
    assert asked == ExtractSpan(question="Who sang?", context="Anna sang. Bert sang too.")
    answer = ExtractSpanAnswer(spans=(Span(start=0, end=4, score=0.75), Span(start=11, end=15, score=0.25)))
    assert task.read(example().hidden(), asked, answer) == Prediction(value="Anna", scores={"confidence": 0.75})


@pytest.mark.parametrize(("no_answer", "value", "against"), [(0.5, "", 0.625), (0.2, "Anna", 0.4)])
def test_no_answer_is_weighed_against_the_best_span(no_answer, value, against, registry):
    task = registry.task("qa/squad_v2")
    asked = task.ask(example().hidden(), "ExtractSpan")
    assert asked.may_abstain
    read = task.read(example(), asked, ExtractSpanAnswer(spans=(Span(start=0, end=4, score=0.3),), no_answer=no_answer))
    assert (read.value, read.scores["no_answer"]) == (value, pytest.approx(against))


def test_a_span_answer_without_spans_abstains(registry):
    task = registry.task("qa/squad_v2")
    asked = task.ask(example().hidden(), "ExtractSpan")
    assert task.read(example(), asked, ExtractSpanAnswer(spans=())) == Prediction(
        value="", scores={"confidence": 0.0, "no_answer": 1.0}
    )


def test_a_written_answer_shows_text_question_and_how_to_abstain(registry):
    v1, v2 = (registry.task(name).ask(example().hidden(), "Generate") for name in ("qa/squad", "qa/squad_v2"))
    assert v1.text == v2.text == "Text: Anna sang. Bert sang too.\nQuestion: Who sang?\nAnswer:"
    assert "unanswerable" in v2.instruction
    assert "unanswerable" not in v1.instruction


@pytest.mark.parametrize(("written", "value"), [(" Bert ", "Bert"), ("Unanswerable.", ""), ("unanswerable", ""), ("", "")])
def test_a_written_abstention_is_the_empty_answer(written, value, registry):
    task = registry.task("qa/squad_v2")
    asked = task.ask(example().hidden(), "Generate")
    assert task.read(example().hidden(), asked, GenerateAnswer(text=written)) == Prediction(value=value)


def test_in_squad_1_abstention_is_a_text_like_others(registry):
    task = registry.task("qa/squad")
    asked = task.ask(example().hidden(), "Generate")
    assert task.read(example().hidden(), asked, GenerateAnswer(text="unanswerable")).value == "unanswerable"


def test_chinese_and_german_are_asked_in_their_language(registry):
    zh, de = (registry.task(f"qa/xquad.{language}").ask(example().hidden(), "Generate") for language in ("zh", "de"))
    assert zh.text.endswith("问题：Who sang?\n答案：")
    assert de.text.endswith("Frage: Who sang?\nAntwort:")
    assert zh.instruction != de.instruction


@pytest.mark.parametrize(
    ("start", "place"), [(0, 0), (3, 0), (8, 10), (10, 10), (99, 10), (-5, 0), (None, 0)]
)  # fmt: skip
def test_an_answer_with_a_wrong_offset_is_taken_at_its_nearest_occurrence(start, place):
    assert locate("sang it, I sang"[:10] + "sang", "sang", start) == place


@given(st.text("ab ", max_size=12), st.text("ab ", min_size=1, max_size=3), st.integers(-3, 15) | st.none())
def test_locate_finds_the_text_or_nothing(context, text, start):
    place = locate(context, text, start)
    if place is None:
        assert text not in context
    else:
        assert context[place:].startswith(text)
        nearer = range(0) if start is None else range(start - abs(place - start) + 1, start + abs(place - start))
        assert not [p for p in nearer if p >= 0 and context.startswith(text, p)]


def test_cmrc_takes_the_first_reference_that_stands_in_the_context(registry):
    task = registry.task("qa/cmrc2018")
    flawed = example(
        inputs={"question": "谁？", "context": "安娜唱歌，贝特跳舞"},
        reference={"text": ["贝 特", "贝特"], "answer_start": [5, 1]},
    )
    solved = task.solve(flawed, task.ask(flawed.hidden(), "ExtractSpan"))
    assert solved.spans == (Span(start=5, end=7, score=1.0),)


def test_cmrc_counts_its_flaws(registry, real_data):
    path = str(real_data / "cmrc2018")
    with pytest.warns(DataWarning, match="200 of 9657 answers"):
        assert len(registry.task("qa/cmrc2018").load(Source(data=path))["validation"]) == 3219


@pytest.mark.parametrize(
    ("question", "language", "word"),
    [
        ("In what country is Normandy located?", "en", "what"),
        ("Whose book is it?", "en", "who"),
        ("How did they know when to leave?", "en", "how"),
        ("Name the king.", "en", "other"),
        ("Somewhat late?", "en", "other"),
        ("Wie viele Punkte gab die Abwehr ab?", "de", "how"),
        ("In welchem Jahr war das?", "de", "which"),
        ("战国无双3是由哪两个公司合作开发的？", "zh", "which"),
        ("他为什么离开？", "zh", "why"),
        ("Who?", "fr", "other"),
    ],
)
def test_question_word(question, language, word):
    assert question_word(question, language) == f"question={word}"


def test_questions_about_one_paragraph_share_a_cluster_and_v2_has_a_slice_for_answerability(read, real_data):
    examples = read("qa/squad_v2", real_data / "squad_v2_half_dev")
    assert {e.cluster for e in examples if e.inputs["context"] == examples[0].inputs["context"]} == {examples[0].cluster}
    assert len({e.cluster for e in examples}) == len({e.inputs["context"] for e in examples})
    assert Counter(e.slices[2] for e in examples) == {"answer=none": 3168, "answer=some": 2910}


# ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────────

STORY = "Mia has a red kite. She flies it on Sunday."
COQA = {
    "version": "1.0",
    "data": [
        {
            "id": "kite", "story": STORY, "source": "made up",
            "questions": [{"input_text": q} for q in ("What has Mia?", "Is it red?", "Who made it?")],
            "answers": [
                {"input_text": "A red kite", "span_start": 0, "span_end": 19, "turn_id": 1},
                {"input_text": "Yes.", "span_start": 0, "span_end": 19, "turn_id": 2},
                {"input_text": "unknown", "span_start": -1, "span_end": -1, "turn_id": 3},
            ],
            "additional_answers": {"0": [{"input_text": t} for t in ("a kite", "yes", "unknown")]},
        }
    ],
}  # fmt: skip
QUAC = {
    "data": [
        {
            "title": "Mia", "section_title": "Kite", "background": "A girl.",
            "paragraphs": [
                {
                    "id": "C_1", "context": f"{STORY} CANNOTANSWER",
                    "qas": [
                        {
                            "id": "C_1_q#0", "question": "What has Mia?", "yesno": "x", "followup": "y",
                            "answers": [
                                {"text": "a red kite", "answer_start": 8}, {"text": "red kite", "answer_start": 10},
                                {"text": "CANNOTANSWER", "answer_start": 44},
                            ],
                            "orig_answer": {"text": "a red kite", "answer_start": 8},
                        },
                        {
                            "id": "C_1_q#1", "question": "Who made it?", "yesno": "n", "followup": "n",
                            "answers": [{"text": "CANNOTANSWER", "answer_start": 44}, {"text": "Mia", "answer_start": 0}],
                            "orig_answer": {"text": "CANNOTANSWER", "answer_start": 44},
                        },
                    ],
                }
            ],
        }
    ]
}  # fmt: skip


def test_coqa_puts_the_turns_before_into_the_question(read, registry, write):
    task = registry.task("qa/coqa")
    examples = read("qa/coqa", write("coqa.json", COQA))
    assert [e.id for e in examples] == ["kite_1", "kite_2", "kite_3"]
    assert [e.slices for e in examples] == [
        ("question=what", "words=0-100", "answer=some"), ("question=other", "words=0-100", "answer=yes/no"),
        ("question=who", "words=0-100", "answer=none"),
    ]  # fmt: skip
    last = examples[2].hidden()
    assert task.ask(last, "Generate").text == (
        f"Text: {STORY}\nQuestion: What has Mia?\nAnswer: A red kite\nQuestion: Is it red?\nAnswer: Yes.\n"
        "Question: Who made it?\nAnswer:"
    )
    assert task.ask(last, "ExtractSpan").question == "Who made it? Is it red? Yes. What has Mia? A red kite"


@pytest.mark.parametrize("kind", ["Generate", "ExtractSpan"])
def test_coqa_reads_its_solved_answers_back(kind, read, registry, score, write):
    task = registry.task("qa/coqa")
    examples = read("qa/coqa", write("coqa.json", COQA))
    predictions = []
    for e in examples:
        asked = task.ask(e.hidden(), kind)
        predictions.append(task.read(e.hidden(), asked, task.solve(e, asked)))
    assert [p.value.lower().rstrip(".") for p in predictions] == ["a red kite", "yes", "unknown"]
    assert score(task, "squad", predictions, examples) == {"f1": 100.0, "exact_match": 100.0}
    assert score(task, "conversation", predictions, examples)["human_equivalence"] == 100.0


def test_an_answer_that_is_not_in_the_story_is_taught_by_what_supports_it(registry):
    task = registry.task("qa/coqa")
    free = example(inputs={"question": "What?", "context": STORY}, reference={"text": ["a toy"], "rationale": [7, 19]})
    asked = task.ask(free.hidden(), "ExtractSpan")
    assert task.read(free.hidden(), asked, task.solve(free, asked)).value == "a red kite."


def test_quac_abstains_where_most_annotators_could_not_answer(read, registry, score, write):
    task = registry.task("qa/quac")
    examples = read("qa/quac", write("quac.json", QUAC))
    assert [e.reference["text"] for e in examples] == [["a red kite", "red kite"], []]
    assert [e.slices for e in examples] == [
        ("question=what", "words=0-100", "answer=some"), ("question=who", "words=0-100", "answer=none", "answer=yes/no"),
    ]  # fmt: skip
    assert {e.inputs["context"] for e in examples} == {STORY}
    for kind in task.asks:
        asked = [task.ask(e.hidden(), kind) for e in examples]
        predictions = [task.read(e.hidden(), a, task.solve(e, a)) for e, a in zip(examples, asked, strict=True)]
        assert [p.value for p in predictions] == ["a red kite", ""]
        assert score(task, "squad", predictions, examples)["f1"] == 100.0


def test_the_hub_s_rows_of_conversations_give_the_same_questions(read, write):
    of_file = read("qa/coqa", write("coqa.json", COQA))
    dialogue = COQA["data"][0]
    row = {
        "source": "made up", "story": STORY, "questions": [q["input_text"] for q in dialogue["questions"]],
        "answers": {
            "input_text": [a["input_text"] for a in dialogue["answers"]],
            "answer_start": [a["span_start"] for a in dialogue["answers"]],
            "answer_end": [a["span_end"] for a in dialogue["answers"]],
        },
    }  # fmt: skip
    of_rows = read("qa/coqa", write("coqa.jsonl", row))
    assert [e.inputs for e in of_rows] == [e.inputs for e in of_file]
    assert [e.reference["text"] for e in of_rows] == [e.reference["text"][:1] for e in of_file]

    of_file = read("qa/quac", write("quac.json", QUAC))
    qas = QUAC["data"][0]["paragraphs"][0]["qas"]
    row = {
        "dialogue_id": "C_1", "context": f"{STORY} CANNOTANSWER", "turn_ids": [q["id"] for q in qas],
        "questions": [q["question"] for q in qas], "yesnos": [2, 1], "followups": [0, 1],
        "answers": {
            "texts": [[a["text"] for a in q["answers"]] for q in qas],
            "answer_starts": [[a["answer_start"] for a in q["answers"]] for q in qas],
        },
        "orig_answers": {"texts": [q["orig_answer"]["text"] for q in qas], "answer_starts": [8, 44]},
    }  # fmt: skip
    assert read("qa/quac", write("quac.jsonl", row)) == of_file


# ── multiple choice ───────────────────────────────────────────────────────────────────────────────────────────────

CHOICES = {"context": "Mia has a kite.", "question": "What has Mia?", "choices": ["a kite", "an old red boat", "a dog"]}


def test_choices_are_asked_as_continuations_or_as_labels(registry):
    task = registry.task("qa/arc")
    posed = example(inputs=CHOICES, reference="A").hidden()
    assert task.ask(posed, "Choose") == Choose(
        text="Article: Mia has a kite.\nQuestion: What has Mia?\nAnswer:", choices=tuple(CHOICES["choices"]),
        pair_text="Mia has a kite.",
        pair_choices=("What has Mia? a kite", "What has Mia? an old red boat", "What has Mia? a dog"),
    )  # fmt: skip
    assert task.ask(posed, "Classify") == Classify(
        text="Mia has a kite.", text_pair="What has Mia?\nA. a kite\nB. an old red boat\nC. a dog", labels=tuple("ABCDE")
    )


def test_listed_choices_are_asked_by_their_letters(registry):
    posed = example(inputs=CHOICES | {"context": None, "subject": "toy_science"}, reference="A").hidden()
    assert registry.task("qa/mmlu").ask(posed, "Choose") == Choose(
        instruction="The following are multiple choice questions (with answers) about toy science.",
        text="Question: What has Mia?\nA. a kite\nB. an old red boat\nC. a dog\nAnswer:", choices=("A", "B", "C"),
        pair_text="What has Mia?", pair_choices=tuple(CHOICES["choices"]),
    )  # fmt: skip


def test_a_completion_is_asked_as_it_stands(registry):
    posed = example(inputs=CHOICES | {"question": None}, reference="A").hidden()
    assert registry.task("qa/swag").ask(posed, "Choose").text == "Mia has a kite."


def test_likelihoods_are_normalized_by_bytes_and_tokens(registry, score):
    task = registry.task("qa/arc")
    posed = example(inputs=CHOICES, reference="B")
    asked = task.ask(posed.hidden(), "Choose")
    likelihoods = ((-6.0, 2), (-9.0, 5), (-8.0, 8))  # by byte -1, -0.6, -1.6; by token -3, -1.8, -1
    answer = ChooseAnswer(
        choices=tuple(
            Likelihood(log_likelihood=ll, tokens=n, bytes=len(c)) for (ll, n), c in zip(likelihoods, asked.choices, strict=True)
        )
    )
    read = task.read(posed.hidden(), asked, answer)
    assert read.value == "A"
    assert read.scores["confidence"] == pytest.approx(1 / (1 + math.exp(-3) + math.exp(-2)))
    assert score(task, "choice_accuracy", [read], [posed]) == {"accuracy": 0.0, "accuracy_bytes": 100.0, "accuracy_tokens": 0.0}


def test_choices_of_a_declared_task_are_normalized_alike(registry, score):
    task = registry.task("qa/c3")
    posed = task.pose({"context": "女：车几点开？", "question": "车几点开？", "choice": ["三点", "四点一刻"]}, "1")
    request = task.ask(posed, "Choose")
    likelihoods = (Likelihood(log_likelihood=-3.0, tokens=1, bytes=6), Likelihood(log_likelihood=-4.0, tokens=2, bytes=12))
    read = task.read(posed, request, ChooseAnswer(choices=likelihoods))
    examples = [replace(posed, reference="四点一刻")]
    assert score(task, "choice_accuracy", [read], examples) == {
        "accuracy": 0.0,
        "accuracy_bytes": 100.0,
        "accuracy_tokens": 100.0,
    }


def test_labels_that_have_no_choice_are_never_read(registry):
    task = registry.task("qa/arc")
    posed = example(inputs=CHOICES, reference="A").hidden()
    answer = ClassifyAnswer(scores=(0.1, 0.2, 0.15, 0.5, 0.05))
    assert task.read(posed, task.ask(posed, "Classify"), answer) == Prediction(value="B", scores={"confidence": 0.2})


def test_a_generic_task_learns_its_letters_from_the_data(registry, write):
    rows = [{"question": "?", "choices": ["x", "y", "z"], "answer": 2}, {"question": "?", "choices": ["x", "y"], "answer": "B"}]
    task = registry.task("qa/multiple-choice")
    data = task.load(Source(data=str(write("own.jsonl", *rows))))
    assert task.bind(data).labels == ("A", "B", "C")
    assert [e.reference for e in data["test"]] == ["C", "B"]


SHAPES = {
    "ARC on the hub": {
        "id": "x", "question": "Q?", "choices": {"text": ["p", "q", "r"], "label": ["1", "2", "3"]}, "answerKey": "2",
    },
    "ARC's own": {
        "id": "x", "answerKey": "B",
        "question": {"stem": "Q?", "choices": [{"text": t, "label": n} for t, n in zip("pqr", "ABC", strict=True)]},
    },
    "MMLU": {"id": "x", "question": "Q?", "subject": "toys", "choices": ["p", "q", "r"], "answer": 1},
    "RACE on the hub": {"id": "x", "article": "", "question": "Q?", "options": ["p", "q", "r"], "answer": "B"},
    "by text": {"id": "x", "question": "Q?", "choices": ["p", "q", "r"], "answer": "q"},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_comes_down_to_one(shape, read, write):
    (read_example,) = read("qa/multiple-choice", write("own.jsonl", SHAPES[shape]))
    assert (read_example.id, read_example.reference) == ("x", "B")
    assert read_example.inputs["question"] == "Q?"
    assert read_example.inputs["choices"] == ["p", "q", "r"]


def test_hellaswag_loses_its_marks(read, write):
    row = {
        "ind": 4, "activity_label": "Cooking", "ctx_a": "[header] How to cook [title] Boil water.", "ctx_b": "then you",
        "ctx": "…", "endings": ["[step] stir.", "sleep.", "run.", "sing."], "label": "0",
    }  # fmt: skip
    (one,) = read("qa/hellaswag", write("own.jsonl", row))
    assert one.inputs == {"context": "Cooking: How to cook. Boil water. Then you", "question": None,
                          "choices": [" stir.", "sleep.", "run.", "sing."], "begun": "Then you"}  # fmt: skip
    assert one.reference == "A"


def test_both_shapes_of_race_give_the_same_examples(read, write, real_data):
    articles = json.loads((real_data / "race_middle" / "dev.json").read_text())[:20]
    rows = [
        {"example_id": a["id"], "article": a["article"], "question": q, "options": o, "answer": n}
        for a in articles
        for q, o, n in zip(a["questions"], a["options"], a["answers"], strict=True)
    ]
    of_hub = read("qa/race", write("rows.jsonl", *rows))
    assert of_hub == read("qa/race", real_data / "race_middle")[: len(rows)]
    assert len({e.cluster for e in of_hub}) == 20
