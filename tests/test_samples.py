import pytest

from plmtasks.data import MANNERS, SPLIT_SIZES, events


def test_splits_have_their_sizes_and_share_no_sentence():
    sentences = {split: {e.english() for e in events(split)} for split in SPLIT_SIZES}
    assert {split: len(s) for split, s in sentences.items()} == SPLIT_SIZES
    assert not sentences["train"] & sentences["validation"]
    assert not (sentences["train"] | sentences["validation"]) & sentences["test"]


def test_even_the_largest_splits_share_no_event():
    def config(split):
        return {(e.agent, e.verb, e.thing, e.place, e.time, e.sentiment) for e in events(split, 1000)}

    assert len(config("train") | config("validation") | config("test")) == 3000


def test_ids_are_unique():
    ids = [e.id for split in SPLIT_SIZES for e in events(split)]
    assert len(set(ids)) == len(ids)


def test_events_are_the_same_on_every_machine():
    assert events("train", 5) == events("train")[:5]
    assert events("test")[0].english() == "the painter kindly painted the camera in the station on Tuesday ."


@pytest.mark.parametrize("split", SPLIT_SIZES)
def test_sentiments_are_balanced_and_told_by_the_manner_alone(split):
    made = events(split)
    share = sum(e.sentiment == "positive" for e in made) / len(made)
    assert 0.4 < share < 0.6
    assert all(e.manner in MANNERS[e.sentiment] for e in made)
    words = {kind: {w.en for w in MANNERS[kind]} for kind in MANNERS}
    assert not words["positive"] & words["negative"]


def test_the_sentence_is_its_phrases():
    for event in events("validation"):
        phrases = event.phrases()
        assert event.english().split() == [word for phrase, _ in phrases for word in phrase.split()]
        assert [role for _, role in phrases].count("V") == 1
        assert all(part.zh in event.chinese() for part in (event.agent, event.verb, event.thing, event.place, event.time))
