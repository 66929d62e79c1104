"""Propositions of the built-in events."""

from collections.abc import Iterator

from plmtasks.data import Event, events
from plmtasks.reading import WordSpan

from .sentences import VERB, Proposition, Sentence


def sample(split: str, language: str) -> Iterator[Sentence]:
    """One sentence and one proposition an event, in English or Chinese."""
    return (_sentence(event, language) for event in events(split))


def _sentence(event: Event, language: str) -> Sentence:
    words: list[str] = []
    roles = []
    for phrase, role in event.phrases(language):
        own = phrase.split()
        if role is not None:
            roles.append(WordSpan(role, len(words), len(words) + len(own)))
        words += own
    predicate = next(span.start for span in roles if span.label == VERB)
    proposition = Proposition(predicate=predicate, sense="01", roles=tuple(roles))
    return Sentence(id=event.id, words=tuple(words), propositions=(proposition,))
