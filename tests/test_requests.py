import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plmtasks.config import Generation, ModelSettings, RunConfig, Source, TrainSettings
from plmtasks.requests import (
    BUILT_IN,
    Choose,
    ChooseAnswer,
    Classify,
    Likelihood,
    Request,
    Shot,
    Span,
    Tag,
    Turn,
    from_json,
    to_json,
)
from plmtasks.requests.forms import as_line

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
PARTS: dict[type, st.SearchStrategy[Any]] = {
    str: TEXT, float: NUMBER, int: st.integers(), bool: st.booleans(),
    Span: st.builds(Span, start=st.integers(0), end=st.integers(0), score=NUMBER),
    Shot: st.builds(Shot, text=TEXT, answer=TEXT),
    Turn: st.builds(Turn, role=TEXT, content=TEXT), type(None): st.none(),
    Likelihood: st.builds(
        Likelihood, log_likelihood=NUMBER, tokens=st.integers(0), bytes=st.integers(0), greedy=st.none() | st.booleans()
    ),
}  # fmt: skip


def values_of(form: type) -> st.SearchStrategy[Any]:
    """Any value of a request or answer type, every field filled."""

    def of(hint: Any) -> st.SearchStrategy[Any]:
        if hint in PARTS:
            return PARTS[hint]
        if isinstance(hint, UnionType):
            return st.one_of([PARTS[one] for one in hint.__args__])
        item = hint.__args__[0]
        return st.lists(PARTS[item], max_size=4).map(tuple)

    return st.builds(form, **{f.name: of(f.type) for f in dataclasses.fields(form)})


FORMS = [*BUILT_IN, *(r.answer_type for r in BUILT_IN)]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@given(data=st.data())
def test_every_request_and_answer_survives_json(form, data):
    value = data.draw(values_of(form))
    assert from_json(form, json.loads(json.dumps(to_json(value)))) == value


@pytest.mark.slow
@pytest.mark.parametrize("form", BUILT_IN, ids=lambda f: f.__name__)
@given(data=st.data())
def test_keys_are_equal_exactly_where_requests_are(form, data):
    one, other = data.draw(values_of(form)), data.draw(values_of(form))
    assert (one.key() == other.key()) == (one == other)
    assert from_json(form, json.loads(json.dumps(to_json(one)))).key() == one.key()


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_a_line_is_sorted_json(form, data):
    value = data.draw(values_of(form))
    assert as_line(value) == json.dumps(to_json(value), ensure_ascii=False, sort_keys=True)


def test_a_key_is_the_hash_of_sorted_json():
    # journals and results that are kept rest on it
    text = '["Classify", {"labels": ["x"], "multi_label": false, "text": "a 中", "text_pair": null}]'
    assert Classify(text="a 中", labels=("x",)).key() == hashlib.sha256(text.encode()).hexdigest()[:32]


def test_requests_of_two_kinds_have_different_keys():
    @dataclass(frozen=True, kw_only=True)
    class Other(Request):
        answer_type = ChooseAnswer
        instruction: str = ""
        shots: tuple[Shot, ...] = ()
        text: str
        choices: tuple[str, ...]

    fields = {"text": "a", "choices": ("b",)}
    assert Other(**fields).key() != Choose(**fields).key()


def test_a_key_of_text_that_is_no_unicode_can_be_taken():
    assert Classify(text="\ud800", labels=("x",)).key() != Classify(text="\ud801", labels=("x",)).key()


def test_texts_are_all_that_a_tokenizer_should_have_seen():
    request = Choose(instruction="i", shots=(Shot(text="s", answer="a"),), text="t", choices=("b", "c"))
    assert sorted(request.texts()) == ["a", "b", "c", "i", "s", "t"]
    assert list(Tag(words=("u", "v"), labels=("O",), marked=(1,)).texts()) == ["u", "v", "O"]


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Classify, {"text": "a"}),
        (Classify, {"text": 1, "text_pair": None, "labels": [], "multi_label": False}),
        (ChooseAnswer, {"choices": [{"log_likelihood": "low", "tokens": 1, "bytes": 1}]}),
        (ChooseAnswer, {"choices": 3}),
    ],
)
def test_json_of_another_form_is_refused(form, value):
    with pytest.raises((TypeError, KeyError)):
        from_json(form, value)


@given(
    st.builds(
        RunConfig, task=TEXT, model=TEXT, limit=st.none() | st.integers(0), ask=st.none() | TEXT,
        source=st.builds(Source, data=st.none() | TEXT, columns=st.dictionaries(TEXT, TEXT, max_size=3)),
        settings=st.builds(
            ModelSettings, generation=st.builds(Generation, temperature=NUMBER, max_new_tokens=st.none() | st.integers()),
            model_args=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=3),
        ),
        training=st.builds(TrainSettings, num_train_epochs=st.none() | NUMBER, select_split=st.none() | TEXT),
    )
)  # fmt: skip
def test_a_run_config_survives_json(config):
    assert from_json(RunConfig, json.loads(json.dumps(to_json(config)))) == config


def test_a_new_kind_of_request_needs_no_code_for_its_json():
    @dataclass(frozen=True, kw_only=True)
    class Odd(Request):
        answer_type = ChooseAnswer
        mode: Literal["a", "b"] = "a"
        extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
        pairs: tuple[tuple[str, ...], ...] = ()

    odd = Odd(mode="b", extra={"k": [1, {"z": None}]}, pairs=(("a", "b"), ()))
    assert from_json(Odd, json.loads(json.dumps(to_json(odd)))) == odd
