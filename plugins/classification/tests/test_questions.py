"""New texts: what a user gives, asked, answered and shown without a reference."""

from dataclasses import replace
from typing import Any

import pytest
from plmtasks_classification.catalog import TASKS

from plmtasks.errors import DataError, InputError
from plmtasks.evaluation.questions import read_question
from plmtasks.examples import Prediction
from plmtasks.requests import ChooseAnswer, Classify, ClassifyAnswer, Generate, GenerateAnswer, Likelihood

BY_NAME = {task.name.removeprefix("classification/"): task for task in TASKS}


@pytest.mark.parametrize("task", [replace(t, labels=t.labels or ("a", "b")) for t in TASKS], ids=lambda t: t.name)
def test_a_new_text_is_classified(task: Any) -> None:
    pair = task.fields == ("text", "text_pair")
    example = read_question(task, b"one text\tanother" if pair else b"one text", "file", 1)
    assert example.reference is None
    label = task.labels[1]
    for kind in task.asks:
        request = task.ask(example, kind)
        if isinstance(request, Classify):
            assert (request.text, request.text_pair) == ("one text", "another" if pair else None)
            answer: Any = ClassifyAnswer(scores=tuple(float(found == label) for found in task.labels))
        elif isinstance(request, Generate):
            answer = GenerateAnswer(text=label)
        else:
            answer = ChooseAnswer(
                choices=tuple(Likelihood(log_likelihood=-float(found != label), tokens=1, bytes=1) for found in task.labels)
            )
        assert task.show(example, task.read(example, request, answer)) == label


def test_several_labels_or_none_are_shown() -> None:
    task = BY_NAME["goemotions"]
    example = task.pose({"text": "a"}, "1")
    assert task.show(example, Prediction(value=["anger", "joy"])) == "anger, joy"
    assert task.show(example, Prediction(value=[])) == "none"
    assert BY_NAME["sst2"].show(example, Prediction(value=None)) == ""


def test_a_second_text_only_where_there_is_one() -> None:
    assert BY_NAME["custom"].pose({"text": "a", "text_pair": "b"}, "1").inputs == {"text": "a", "text_pair": "b"}
    with pytest.raises(InputError, match="a field 'text_pair'"):
        BY_NAME["sst2"].pose({"text": "a", "text_pair": "b"}, "1")
    with pytest.raises(InputError, match="text_pair is a text, not 3"):
        BY_NAME["custom"].pose({"text": "a", "text_pair": 3}, "1")
    with pytest.raises(DataError, match="file:2: expected text <TAB> text_pair, found 1 cell"):
        read_question(BY_NAME["mrpc"], b"one text", "file", 2)


@pytest.mark.parametrize("kind", ["Classify", "Choose", "Generate"])
def test_labels_that_nobody_knows_are_asked_for(kind: str) -> None:
    with pytest.raises(InputError, match=r"the labels of 'classification/custom' are not known\n  .*--data PATH"):
        BY_NAME["custom"].ask(BY_NAME["custom"].pose({"text": "a"}, "1"), kind)
