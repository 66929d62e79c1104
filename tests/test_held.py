"""What a run of a million examples holds of them in few bytes is what it would hold of a few."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.errors import JournalError
from plmtasks.examples import Example, Prediction
from plmtasks.execution import MemoryJournal
from plmtasks.execution.answering import Answers, Plan
from plmtasks.requests import Classify, ClassifyAnswer
from plmtasks.scoring.predictions import Predictions

VALUES = (
    st.none()
    | st.text(max_size=3)
    | st.integers()
    | st.lists(st.text(max_size=2), max_size=2)
    | st.dictionaries(st.text(), st.none())
)
SCORES = st.dictionaries(st.sampled_from("abc"), st.floats(allow_nan=False) | st.integers(0, 1))
ONE = st.builds(Prediction, value=VALUES, scores=SCORES)
ANY = st.builds(
    Prediction,
    value=VALUES,
    scores=SCORES,
    repeats=st.just(()) | st.tuples(ONE),
    reasoning=st.sampled_from(["", "so"]),
    unfinished=st.booleans(),
)
HELD = st.dictionaries(st.text(max_size=2), st.none() | ONE | ANY, max_size=8)


def examples_of(held: Mapping[str, Any]) -> list[Example]:
    return [Example(id=id_, inputs={}) for id_ in held]


@given(HELD, st.data())
def test_predictions_come_out_as_they_went_in(held: dict[str, Prediction | None], data: st.DataObject) -> None:
    examples = examples_of(held)
    there = {id_: prediction for id_, prediction in held.items() if prediction is not None}
    predictions = Predictions(examples)
    for place in data.draw(st.permutations(range(len(examples)))):
        if (prediction := held[examples[place].id]) is not None:
            predictions.put(place, prediction)
    assert list(predictions) == list(there)
    assert dict(predictions) == there == dict(Predictions.of(examples, there))
    assert [[type(score) for score in p.scores.values()] for p in predictions.values()] == [
        [type(score) for score in p.scores.values()] for p in there.values()
    ]
    for id_ in data.draw(st.lists(st.sampled_from([*held, "of nobody"]))):
        assert (id_ in predictions) == (id_ in there)
        assert predictions.get(id_) == there.get(id_)


@given(HELD, st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
def test_scores_are_columns_where_every_prediction_has_them(held: dict[str, Prediction | None], names: list[str]) -> None:
    there = {id_: prediction for id_, prediction in held.items() if prediction is not None}
    if not there:
        return
    predictions = Predictions.of(examples_of(held), there)
    assert predictions.there().tolist() == [prediction is not None for prediction in held.values()]
    found = predictions.scores(np.flatnonzero(predictions.there()), names)
    if all(name in p.scores for p in there.values() for name in names):
        assert found is not None
        np.testing.assert_array_equal(found, [[p.scores[name] for name in names] for p in there.values()])
    else:
        assert found is None


REQUESTS = [Classify(text=text, labels=("x", "y")) for text in "abcde"]
KEYS = [request.key() for request in REQUESTS]
PLAN = Plan(
    requests=REQUESTS, keys=KEYS, batches=[[4, 0], [1, 2], [3]], tokens=[2, 2, 1], skipped=frozenset(), cut=frozenset()
)  # fmt: skip
GIVEN = {key: ClassifyAnswer(scores=(i / 7, 1 - i / 7)) for i, key in enumerate(KEYS)}


def journal(batches: Mapping[int, list[str]]) -> MemoryJournal:
    written = MemoryJournal("p")
    for batch, keys in batches.items():
        written.write(batch, {key: GIVEN[key] for key in keys})
    return written


@given(st.lists(st.sampled_from([*KEYS, "of nobody"])))
def test_answers_are_found_in_any_order(keys: list[str]) -> None:
    answers = Answers(PLAN, journal({batch: PLAN.batch_keys(batch) for batch in (2, 0, 1)}))
    assert [answers.get(key) for key in keys] == [GIVEN.get(key) for key in keys]
    assert list(answers) == [KEYS[i] for i in (4, 0, 1, 2, 3)]
    assert dict(answers.items()) == GIVEN
    assert len(answers) == len(GIVEN)


def test_a_batch_of_other_requests_is_refused() -> None:
    answers = Answers(PLAN, journal({0: [KEYS[4], KEYS[0]], 1: [KEYS[2], KEYS[1]], 2: [KEYS[3]]}))
    with pytest.raises(JournalError, match="batch 1 holds answers to other requests"):
        dict(answers)
