"""Short texts about the built-in events, with a summary of one sentence."""

from collections.abc import Callable, Iterator
from functools import partial

from plmtasks.data import SPLIT_SIZES, Dataset, Event, events
from plmtasks.examples import Example


def english(event: Event) -> tuple[str, str]:
    """Three sentences of one event, and what happened in one."""
    agent, thing, verb = f"the {event.agent.en}", f"the {event.thing.en}", event.verb.en
    text = (
        f"{agent} was in the {event.place.en} on {event.time.en} . {thing} was there . "
        f"{agent} {event.manner.en} {verb} it ."
    )  # fmt: skip
    return text, f"{agent} {verb} {thing} ."


def chinese(event: Event) -> tuple[str, str]:
    agent, thing, verb = event.agent.zh, event.thing.zh, event.verb.zh
    text = f"{event.time.zh}，{agent}在{event.place.zh}。那里有{thing}。{agent}{event.manner.zh}{verb}了它。"
    return text, f"{agent}{verb}了{thing}。"


def sample(write: Callable[[Event], tuple[str, str]]) -> Dataset:
    """The built-in data set in the language of `write`."""

    def read(split: str) -> Iterator[Example]:
        for event in events(split):
            text, summary = write(event)
            yield Example(id=event.id, inputs={"text": text}, reference=[summary], slices=(f"sentiment={event.sentiment}",))

    return Dataset(name="built-in sample", readers={split: partial(read, split) for split in SPLIT_SIZES}, published=True)
