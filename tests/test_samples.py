import subprocess
import sys
from collections import Counter

import pytest

from plmtasks.data import ROLES, SENTIMENTS, SPLIT_SIZES, events
from plmtasks.data.synthetic import MOODS

ADVERBS = {"happily": "positive", "angrily": "negative"} | {f"{m.en}ly": kind for kind, moods in MOODS.items() for m in moods}


def test_splits_have_their_sizes_and_share_no_sentence_in_either_language():
    assert {split: len(events(split)) for split in SPLIT_SIZES} == SPLIT_SIZES
    every = [event for split in SPLIT_SIZES for event in events(split, 1000)]
    assert len({e.english() for e in every}) == len({e.chinese() for e in every}) == len({e.id for e in every}) == 3000


DIGEST = """
import hashlib
from plmtasks.data import SPLIT_SIZES, events
told = [f"{e.id} {e.english()} {e.chinese()} {e.aside} {e.sentiment}" for split in SPLIT_SIZES for e in events(split, 1000)]
print(hashlib.sha256("\\n".join(told).encode()).hexdigest())
"""


def test_events_are_the_same_on_every_machine():
    assert events("train", 5) == events("train")[:5]
    first = events("test")[0]
    assert first.english() == "the lamp was rudely bought by the farmer in the garden on Tuesday ."
    assert first.chinese() == "星期二，灯在花园被农民粗鲁地买下了。"
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "d65537bf216fc0f4eb41a5cbbcac94f0b141edc1b4cfbf447e3886a90dd1010c"


def sentiment(event):
    """What a careful reader would say."""
    if not event.how.en:
        return next(kind for kind, moods in MOODS.items() for mood in moods if f" {mood.en} " in event.who.en)
    told = SENTIMENTS.index(ADVERBS[event.how.en.split()[-1]])
    return SENTIMENTS[1 - told if event.how.en.startswith("not too ") else told]


@pytest.mark.parametrize(("split", "wrong"), [("train", 30), ("validation", 0), ("test", 0)])
def test_the_words_tell_the_sentiment_but_for_a_few_wrong_labels_in_training(split, wrong):
    made = events(split)
    assert 0.4 < sum(e.sentiment == "positive" for e in made) / len(made) < 0.6
    assert sum(e.sentiment != sentiment(e) for e in made) == wrong


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sentence_is_its_phrases(language):
    for event in events("validation"):
        phrases = event.phrases(language)
        text = {"en": event.english(), "zh": event.chinese()}[language]
        assert text == ("" if language == "zh" else " ").join(w for phrase, _ in phrases for w in phrase.split())
        roles = [role for _, role in phrases if role]
        assert set(roles) <= set(ROLES)
        assert len(set(roles)) == len(roles)
        assert {"ARG0", "ARG1", "ARGM-TMP", "V"} <= set(roles)
        parts = (event.agent, event.named, event.verb, event.thing, event.where, event.when)
        assert all(getattr(part, language).replace(" ", "") in text.replace(" ", "") for part in parts)


def test_the_test_split_is_hard_in_many_ways():
    made, known = events("test"), {e.named for e in events("train")}
    shares = Counter(
        way for e in made for way, there in (
            ("passive", e.passive), ("time first", e.time_first), ("negated", "not too" in e.how.en), ("no manner", not e.how.en),
            ("no place", not e.where.en), ("another place", e.who.en.count(" in ") + e.what.en.count(" in ")),
            ("aside", e.aside.en), ("somebody new", e.named not in known),
        ) if there
    )  # fmt: skip
    assert len(shares) == 8
    assert all(count >= 10 for count in shares.values()), shares


def test_an_aside_tells_of_somebody_else_elsewhere_at_another_time():
    for event in events("test"):
        assert not any(part.en and part.en in event.aside.en for part in (event.agent, event.where, event.when))
