"""Questions about the built-in events."""

from collections.abc import Iterator

from plmtasks.data import events
from plmtasks.examples import Example


def sample(split: str) -> Iterator[Example]:
    """One question about each event, who, what, where and when in turn; its answer is a phrase of the sentence.

    After some of the sentences stands one about somebody else, elsewhere and at another time.
    """
    for number, event in enumerate(events(split)):
        agent, verb, thing = event.agent.en, event.verb.en, event.thing.en
        asked = [  # with the same number of words, so that length does not tell them apart
            (f"who had {verb} the {thing} ?", event.named.en), (f"what had the {agent} {verb} ?", thing),
            (f"where was the {thing} {verb} ?", event.where.en), (f"when was the {thing} {verb} ?", event.when.en),
        ]  # fmt: skip
        question, answer = [pair for pair in asked if pair[1]][number % (4 if event.where.en else 3)]
        context = f"{event.english()} {event.aside.en}".strip()
        yield Example(
            id=event.id, inputs={"question": question, "context": context}, cluster=event.id,
            slices=(f"question={question.split()[0]}",),
            reference={"text": [answer], "answer_start": [context.index(answer)]},
        )  # fmt: skip
