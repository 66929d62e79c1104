"""Propositions of the built-in events."""

from collections.abc import Iterator, Sequence
from itertools import islice

from plmtasks.data import SPLIT_SIZES, Event, events
from plmtasks.reading import WordSpan

from .sentences import VERB, Proposition, Sentence

Phrases = Sequence[tuple[str, str | None]]
"""(words with spaces between, role or None)"""


POOL = 1000
"""So many events of a split are looked through for sentences that the splits before do not have."""


def sample(split: str, language: str) -> Iterator[Sentence]:
    """One sentence and one proposition an event, in English or Chinese; four shapes in turn, of which one is passive.

    A sentence does not tell all of its event: those that a split before this one has are left out.
    """
    before = list(SPLIT_SIZES)[: list(SPLIT_SIZES).index(split)]
    known = {sentence.words for other in before for sentence in sample(other, language)}
    made = (_sentence(event, number % 4, language) for number, event in enumerate(events(split, POOL)))
    return islice((sentence for sentence in made if sentence.words not in known), SPLIT_SIZES[split])


def _sentence(event: Event, shape: int, language: str) -> Sentence:
    words: list[str] = []
    roles = []
    for phrase, role in (_english if language == "en" else _chinese)(event, shape):
        own = phrase.split()
        if role is not None:
            roles.append(WordSpan(role, len(words), len(words) + len(own)))
        words += own
    predicate = next(span.start for span in roles if span.label == VERB)
    proposition = Proposition(predicate=predicate, sense="01", roles=tuple(roles))
    return Sentence(id=event.id, words=tuple(words), propositions=(proposition,))


def _english(event: Event, shape: int) -> Phrases:
    phrase = {role: (text, role) for text, role in event.phrases()}
    agent, verb, thing, stop = (phrase[role] for role in ("ARG0", VERB, "ARG1", None))
    return (
        (agent, verb, thing, phrase["ARGM-LOC"], stop),
        (phrase["ARGM-TMP"], agent, verb, thing, stop),
        (agent, phrase["ARGM-MNR"], verb, thing, stop),
        (thing, ("was", None), verb, (f"by {agent[0]}", "ARG0"), stop),
    )[shape]


def _chinese(event: Event, shape: int) -> Phrases:
    agent, verb, thing = (event.agent.zh, "ARG0"), (event.verb.zh, VERB), (event.thing.zh, "ARG1")
    manner = event.manner.zh.replace("地", " 地")
    done, stop = ("了", None), ("。", None)
    return (
        (agent, (f"在 {event.place.zh}", "ARGM-LOC"), verb, done, thing, stop),
        ((event.time.zh, "ARGM-TMP"), ("，", None), agent, verb, done, thing, stop),
        (agent, (manner, "ARGM-MNR"), verb, done, thing, stop),
        (thing, ("被", None), agent, verb, done, stop),
    )[shape]
