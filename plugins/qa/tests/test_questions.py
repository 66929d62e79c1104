"""New questions: what a user gives, asked, answered and shown without a reference."""

from typing import Any

import pytest
from plmtasks_qa import catalog

from plmtasks.errors import InputError
from plmtasks.evaluation.questions import read_question
from plmtasks.examples import Example, Prediction
from plmtasks.reading import sure_choice
from plmtasks.requests import Choose, Classify, ExtractSpan, ExtractSpanAnswer, Generate, GenerateAnswer, Span

EXTRACTIVE = (
    "squad", "squad_v2", "sample", "cmrc2018", "drcd", "coqa", "quac",
    *(task.name.removeprefix("qa/") for task in catalog.TRANSFER),
)  # fmt: skip
CHOICES = ("race", "arc", "hellaswag", "swag", "mmlu", "commonsenseqa", "multiple-choice")
DECLARED = {
    "c3": {"context": "女：车几点开？\n男：四点。", "question": "车几点开？", "choice": ["三点", "四点"]},
    "chid": {"text": "他做到一半就停了，真是____。", "candidates": ["一帆风顺", "半途而废"]},
}


@pytest.mark.parametrize("name", EXTRACTIVE)
def test_a_question_on_a_context(name: str, registry: Any) -> None:
    task = registry.task(f"qa/{name}")
    example = read_question(task, b"where is she ?\tshe is in Rome .", "file", 1)
    assert example.reference is None
    for kind in task.asks:
        request = task.ask(example, kind)
        if isinstance(request, ExtractSpan):
            start = request.context.index("Rome")
            answer: Any = ExtractSpanAnswer(spans=(Span(start=start, end=start + 4, score=1.0),))
        else:
            assert isinstance(request, Generate)
            answer = GenerateAnswer(text=" Rome")
        assert task.show(example, task.read(example, request, answer)) == "Rome"


def test_every_task_takes_new_questions(registry: Any) -> None:
    names = [name for name in registry.items["task"] if name.startswith("qa/")]
    assert {f"qa/{name}" for name in (*EXTRACTIVE, *CHOICES, *DECLARED)} <= {*names}
    for name in names:
        assert (task := registry.task(name)).fields or task.more_fields, name


@pytest.mark.parametrize("name", DECLARED)
def test_a_question_of_a_declared_task(name: str, registry: Any) -> None:
    task = registry.task(f"qa/{name}")
    example = task.pose(DECLARED[name], "1")
    request = task.ask(example, "Choose")
    right = DECLARED[name]["choice" if name == "c3" else "candidates"][1]
    read = task.read(example, request, sure_choice(request.choices, [right]))
    assert task.show(example, read) == right


@pytest.mark.parametrize("name", ["qa/squad_v2", "qa/quac"])
def test_no_answer_is_shown_in_a_word(name: str, registry: Any) -> None:
    task = registry.task(name)
    example = task.pose({"question": "a", "context": "b"}, "1")
    read = task.read(example, task.ask(example, "Generate"), GenerateAnswer(text="Unanswerable."))
    assert read.value == ""
    assert task.show(example, read) == "unanswerable"


def test_a_conversation_has_a_history(registry: Any) -> None:
    task = registry.task("qa/coqa")
    row = {"question": "and he ?", "context": "She is in Rome, he is not.", "history": [["where is she ?", "Rome"]]}
    example = task.pose(row, "1")
    assert "Question: where is she ?\nAnswer: Rome\nQuestion: and he ?" in task.ask(example, "Generate").text
    for wrong in ("text", [["one"]], [["one", 2]], ["ab"]):
        with pytest.raises(InputError, match=r"qa/coqa: history is a list of \[question, answer\] pairs, not"):
            task.pose({**row, "history": wrong}, "1")
    with pytest.raises(InputError, match="a field 'history'"):
        registry.task("qa/squad").pose(row, "1")


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("given", [("question",), ("context",), ("question", "context")])
def test_a_question_with_choices(name: str, given: tuple[str, ...], registry: Any) -> None:
    task = registry.task(f"qa/{name}")
    example = task.pose({**dict.fromkeys(given, "a text"), "choices": ["one", "two"]}, "1")
    choose = task.ask(example, "Choose")
    assert isinstance(choose, Choose)
    assert len(choose.choices) == 2
    if task.labels:
        assert isinstance(task.ask(example, "Classify"), Classify)
    assert task.show(example, Prediction(value="B")) == "B. two"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "a"}, "a list of 2 to 4 texts, not None"),
        ({"question": "a", "choices": ["one"]}, r"a list of 2 to 4 texts, not \['one'\]"),
        ({"question": "a", "choices": list("abcde")}, "a list of 2 to 4 texts"),
        ({"question": "a", "choices": ["one", 2]}, "a list of 2 to 4 texts"),
        ({"choices": ["one", "two"]}, "a question, a context or both, as texts"),
        ({"question": 3, "choices": ["one", "two"]}, "a question, a context or both, as texts"),
        ({"question": "a", "subject": 3, "choices": ["one", "two"]}, "as texts"),
        ({"question": "a", "answer": "b", "choices": ["one", "two"]}, "a field 'answer'"),
    ],
)
def test_what_is_no_question_with_choices_is_told(row: dict[str, Any], said: str, registry: Any) -> None:
    with pytest.raises(InputError, match=said):
        registry.task("qa/race").pose(row, "1")


def test_a_posed_example_is_that_of_the_data(registry: Any) -> None:
    """What `predict` asks is what `run` asks."""
    from plmtasks.config import Source

    for name in ("qa/sample",):
        task = registry.task(name)
        for example in task.load(Source())["test"][:20]:
            posed = task.pose(dict(example.inputs), example.id)
            assert isinstance(posed, Example)
            assert [task.ask(posed, kind) for kind in task.asks] == [task.ask(example.hidden(), kind) for kind in task.asks]
