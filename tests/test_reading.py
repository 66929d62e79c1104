from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from plmtasks.reading import WordSpan, bio_tags, by_choice, may_follow, spans_to_tags, tags_to_spans
from plmtasks.requests import ChooseAnswer, Likelihood

LABELS = ("PER", "ARGM-TMP", "creative-work")
ANY_TAGS = st.lists(st.sampled_from(["O", *(f"{letter}-{label}" for letter in "BIES" for label in LABELS)]), max_size=10)


@st.composite
def sentences(draw):
    """The number of words, and disjoint spans of them."""
    length = draw(st.integers(0, 14))
    bounds = sorted(draw(st.sets(st.integers(0, length))))
    kept = [pair for pair in pairwise(bounds) if draw(st.booleans())]
    return length, [WordSpan(draw(st.sampled_from(LABELS)), start, end) for start, end in kept]


@given(sentences())
def test_spans_come_back_from_tags(sentence):
    length, spans = sentence
    tags = spans_to_tags(spans, length)
    assert tags_to_spans(tags) == spans
    assert set(tags) <= set(bio_tags(LABELS))
    assert all(may_follow(before, tag) for before, tag in pairwise(["O", *tags]))


@given(st.lists(st.sampled_from(bio_tags(LABELS)), max_size=10))
def test_tags_come_back_from_spans_where_they_follow_the_scheme(tags):
    back = spans_to_tags(tags_to_spans(tags), len(tags))
    assert (back == tags) == all(may_follow(before, tag) for before, tag in pairwise(["O", *tags]))


@given(ANY_TAGS)
def test_tags_of_any_scheme_are_cut_as_seqeval_cuts_them(tags):
    assert [(s.label, s.start, s.end - 1) for s in tags_to_spans(tags)] == get_entities(tags)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        # chunks as conlleval.pl counts them: a new one at each B-, at an I- of another label, and at an I- behind O
        ("O I-PER I-PER O", [("PER", 1, 3)]),
        ("B-PER I-LOC I-LOC", [("PER", 0, 1), ("LOC", 1, 3)]),
        ("I-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("B-X B-X O", [("X", 0, 1), ("X", 1, 2)]),
        ("S-X B-X E-X E-X", [("X", 0, 1), ("X", 1, 3), ("X", 3, 4)]),
        ("", []),
    ],
)
def test_a_tag_that_continues_nothing_opens_a_span(tags, spans):
    assert tags_to_spans(tags.split()) == spans


def test_the_tags_of_labels_stand_in_their_order():
    assert bio_tags(["B", "A"]) == ("O", "B-B", "I-B", "B-A", "I-A")
    assert bio_tags([]) == ("O",)


def test_scores_of_choices_are_divided_by_no_length():
    likelihoods = (Likelihood(log_likelihood=-1.0, tokens=1, bytes=1), Likelihood(log_likelihood=-1.1, tokens=9, bytes=20))
    by_text = by_choice(("a", "b"), ChooseAnswer(choices=likelihoods))
    scored = by_choice(("a", "b"), ChooseAnswer(choices=likelihoods, scored=True))
    assert by_text.scores["per_byte[b]"] == -1.1 / 20
    assert scored.scores == {name: value for name, value in by_text.scores.items() if not name.startswith("per_")}
    assert scored.value == by_text.value == "a"
