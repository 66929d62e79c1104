"""What SuperGLUE's rows become where words are marked and pairs are found."""

import pytest
from plmtasks_classification.superglue import TASKS

from plmtasks.errors import DataError
from plmtasks.requests import Choose, Classify

WIC, WSC, AXG = TASKS
BANKS = {
    "word": "bank", "sentence1": "The bank was steep.", "start1": 4, "end1": 8,
    "sentence2": "A bank lends.", "start2": 2, "end2": 6, "label": 0, "idx": 3,
}  # fmt: skip


def test_the_word_is_marked_in_both_sentences_and_t5_is_shown_none():
    example = WIC.example("row 0", BANKS, "x")
    assert (example.id, dict(example.inputs)) == (
        "3", {"word": "bank", "sentence1": "The * bank * was steep.", "sentence2": "A * bank * lends."}
    )  # fmt: skip
    request = WIC.ask(example.hidden(), "Classify")
    assert isinstance(request, Classify)
    assert (request.text, request.text_pair) == ("bank: The * bank * was steep.", "A * bank * lends.")
    request = WIC.ask(example.hidden(), "Choose")
    assert isinstance(request, Choose)
    assert request.taught == "wic sentence1: The bank was steep. sentence2: A bank lends. word: bank"


def schema(text, one, at, two, there):
    row = {"text": text, "span1_text": one, "span1_index": at, "span2_text": two, "span2_index": there, "label": 1, "idx": 0}
    return WSC.example("row 0", row, "x").inputs["text"]


@pytest.mark.parametrize(
    ("spans", "marked"),
    [
        (("the jug", 3, "it", 6), "Ann put away * the jug * because # it # leaked."),
        (("it", 6, "the jug", 3), "Ann put away # the jug # because * it * leaked."),
        (("The jug", 3, "it", 6), "Ann put away * the jug * because # it # leaked."),  # another case
        (("the jug", 0, "it", 6), "Ann put away * the jug * because # it # leaked."),  # another place
        (("the old jug", 3, "it", 6), "Ann put away * the jug because * # it # leaked."),  # nowhere: as many words
    ],
)
def test_pronoun_and_noun_are_marked(spans, marked):
    assert schema("Ann put away the jug because it leaked.", *spans) == marked


def test_a_place_beyond_the_text_is_told():
    with pytest.raises(DataError, match="row 0: expected the place of one of 3 words, from 0, as span2_index, found 3"):
        schema("Ann saw it.", "Ann", 0, "it", 3)


def test_questions_of_ones_own_are_asked_as_they_are():
    posed = WSC.pose({"text": "* Ann * saw that # she # was late."}, "1")
    assert "# she #" in WSC.ask(posed, "Classify").text


def test_premises_that_differ_in_a_pronoun_are_a_pair():
    texts = [
        ("The cook met her because she was free.", "She was free."), ("The cook met him because he was free.", "She was free."),
        ("The cook met them.", "She was free."),
    ]  # fmt: skip
    rows = [{"premise": p, "hypothesis": h, "label": 0, "idx": i} for i, (p, h) in enumerate(texts)]
    clusters = [AXG.example("row", row, "x").cluster for row in rows]
    assert clusters[0] == clusters[1] != clusters[2]
