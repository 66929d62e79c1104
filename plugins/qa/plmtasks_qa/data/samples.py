"""Questions about the built-in events."""

from collections.abc import Iterator

from plmtasks.data import Event, events
from plmtasks.examples import Example


def sample(split: str) -> Iterator[Example]:
    """One question about each event, who, what, where and when in turn; its answer is a phrase of the sentence."""
    for number, event in enumerate(events(split)):
        question, role = _question(event, number % 4)
        context = event.english()
        answer = next(phrase for phrase, its_role in event.phrases() if its_role == role)
        yield Example(
            id=event.id, inputs={"question": question, "context": context}, cluster=event.id,
            slices=(f"question={question.split()[0]}",),
            reference={"text": [answer], "answer_start": [context.index(answer)]},
        )  # fmt: skip


def _question(event: Event, which: int) -> tuple[str, str]:
    """A question and the role of its answer; all have the same number of words, so that length does not tell them apart."""
    agent, verb, thing = f"the {event.agent.en}", event.verb.en, f"the {event.thing.en}"
    return (
        (f"who had {verb} {thing} ?", "ARG0"), (f"what had {agent} {verb} ?", "ARG1"),
        (f"where was {thing} {verb} ?", "ARGM-LOC"), (f"when was {thing} {verb} ?", "ARGM-TMP"),
    )[which]  # fmt: skip
