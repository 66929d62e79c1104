"""Short texts about the built-in events, with a summary of one sentence."""

from collections.abc import Callable, Iterator
from functools import partial

from plmtasks.data import SPLIT_SIZES, Dataset, Event, events
from plmtasks.examples import Example


def english(event: Event) -> tuple[str, str]:
    """Three sentences of one event, in half of them one about somebody else, and what happened in one."""
    agent, thing, verb = f"the {event.agent.en}", f"the {event.thing.en}", event.verb.en
    text = f"{event.who.en} was there {event.when.en} . {event.aside.en} {event.what.en} was there . {agent} {verb} it ."
    return " ".join(text.split()), f"the {event.named.en} {verb} {thing} ."


def chinese(event: Event) -> tuple[str, str]:
    agent, thing, verb = event.agent.zh, event.thing.zh, event.verb.zh
    text = f"{event.when.zh}，{event.who.zh}在那里。{event.aside.zh}那里有{event.what.zh}。{agent}{verb}了它。"
    summary = f"{event.named.zh}{verb}了{thing}。"
    return text.replace(" ", ""), summary.replace(" ", "")


def sample(write: Callable[[Event], tuple[str, str]]) -> Dataset:
    """The built-in data set in the language of `write`."""

    def read(split: str) -> Iterator[Example]:
        for event in events(split):
            text, summary = write(event)
            yield Example(id=event.id, inputs={"text": text}, reference=[summary], slices=(f"sentiment={event.sentiment}",))

    return Dataset(name="built-in sample", readers={split: partial(read, split) for split in SPLIT_SIZES}, published=True)
