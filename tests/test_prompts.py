"""Prompts: how they are put together, and where the text after them ends."""

import pytest

from plmtasks.requests import Generate, Shot, before_stop, plain_prompt, raw_prompt, turns

SHOTS = (Shot(text="bad film", answer="no"),)
REQUEST = Generate(instruction="Is it good?", shots=SHOTS, text="fine film")


def test_plain():
    assert plain_prompt(REQUEST, SHOTS, "fine film") == "Is it good?\n\nbad film\nAnswer: no\n\nfine film\nAnswer:"
    assert plain_prompt(REQUEST, (), "Film: fine\nGood:") == "Is it good?\n\nFilm: fine\nGood:"
    assert plain_prompt(Generate(text="The sky is"), (), "The sky is") == "The sky is"
    assert (
        plain_prompt(Generate(instruction="Shorten.", text="Long.", purpose="summarize"), (), "Long.")
        == "Shorten.\n\nLong.\nTL;DR:"
    )


def test_raw_is_what_the_task_gives():
    assert raw_prompt(SHOTS, "fine film") == "bad film no\n\nfine film"


def test_turns_of_a_chat():
    said = [(turn["role"], turn["content"]) for turn in turns(REQUEST, SHOTS, "fine film")]
    assert said == [("user", "Is it good?\n\nbad film"), ("assistant", "no"), ("user", "fine film")]
    assert turns(REQUEST, (), "fine film") == [{"role": "user", "content": "Is it good?\n\nfine film"}]


@pytest.mark.parametrize(
    ("stop", "left"), [((), "a\nb; c"), (("\n",), "a"), ((";", "\n"), "a"), (("\n", ";"), "a"), (("x",), "a\nb; c")]
)
def test_a_text_ends_before_the_first_stop_text(stop, left):
    assert before_stop("a\nb; c", stop) == left


def test_a_system_text_stands_before_all_else() -> None:
    assert plain_prompt(REQUEST, (), "fine film", "Be brief.") == "Be brief.\n\nIs it good?\n\nfine film\nAnswer:"
    assert raw_prompt(SHOTS, "fine film", "Be brief.") == "Be brief.\n\nbad film no\n\nfine film"
    said = turns(REQUEST, (), "fine film", "Be brief.")
    assert said == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it good?\n\nfine film"}]
