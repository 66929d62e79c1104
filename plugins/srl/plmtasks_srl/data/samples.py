"""Propositions of the built-in events."""

from collections.abc import Iterator

from plmtasks.samples import Event, events

from ..spans import Span
from .propositions import VERB, Proposition, Sentence


def sample(split: str, language: str) -> Iterator[Sentence]:
    """One sentence and one proposition an event, in English or Chinese."""
    for event in events(split):
        phrases = _english(event) if language == "en" else _chinese(event)
        words: list[str] = []
        spans = []
        for phrase, role in phrases:
            if role is not None:
                spans.append(Span(role, len(words), len(words) + len(phrase)))
            words += phrase
        predicate = next(span.start for span in spans if span.label == VERB)
        proposition = Proposition(predicate=predicate, sense="01", roles=tuple(spans))
        yield Sentence(id=event.id, words=tuple(words), propositions=(proposition,))


def _english(event: Event) -> list[tuple[list[str], str | None]]:
    return [(phrase.split(), role) for phrase, role in event.phrases()]


def _chinese(event: Event) -> list[tuple[list[str], str | None]]:
    """The words of `Event.chinese`, phrase by phrase."""
    return [
        ([event.time.zh], "ARGM-TMP"), (["，"], None), ([event.agent.zh], "ARG0"), (["在", event.place.zh], "ARGM-LOC"),
        ([event.manner.zh], "ARGM-MNR"), ([event.verb.zh], VERB), (["了"], None), ([event.thing.zh], "ARG1"), (["。"], None),
    ]  # fmt: skip
