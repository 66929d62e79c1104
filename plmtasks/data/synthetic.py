"""One little grammar of events and their sentences; each task plugin makes its own examples of them.

The same event gives a labelled sentence, a question with its answer, a translation, a summary and its semantic roles.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SPLIT_SIZES = {"train": 600, "validation": 100, "test": 200}


@dataclass(frozen=True)
class Word:
    """A word of the grammar in both languages."""

    en: str
    zh: str


AGENTS = (
    Word("nurse", "护士"), Word("pilot", "飞行员"), Word("farmer", "农民"), Word("singer", "歌手"),
    Word("teacher", "老师"), Word("lawyer", "律师"), Word("baker", "面包师"), Word("painter", "画家"),
)  # fmt: skip
THINGS = (
    Word("letter", "信"), Word("basket", "篮子"), Word("lamp", "灯"), Word("ticket", "票"),
    Word("camera", "相机"), Word("violin", "小提琴"), Word("blanket", "毯子"), Word("mirror", "镜子"),
)  # fmt: skip
PLACES = (
    Word("garden", "花园"), Word("station", "车站"), Word("library", "图书馆"),
    Word("kitchen", "厨房"), Word("museum", "博物馆"), Word("harbor", "港口"),
)  # fmt: skip
TIMES = (
    Word("Monday", "星期一"), Word("Tuesday", "星期二"), Word("Friday", "星期五"), Word("Sunday", "星期天"),
)  # fmt: skip
VERBS = (
    Word("found", "找到"), Word("sold", "卖掉"), Word("painted", "画"), Word("repaired", "修好"), Word("carried", "搬走"),
)  # fmt: skip
MANNERS = {
    "positive": (Word("happily", "高兴地"), Word("kindly", "友善地"), Word("gladly", "欣然"), Word("proudly", "自豪地")),
    "negative": (Word("angrily", "生气地"), Word("sadly", "难过地"), Word("rudely", "粗鲁地"), Word("bitterly", "苦涩地")),
}


@dataclass(frozen=True)
class Event:
    """Who did what, how, where and when."""

    id: str
    agent: Word
    verb: Word
    thing: Word
    place: Word
    time: Word
    manner: Word
    sentiment: str
    """"positive" or "negative": what the manner tells."""

    def english(self) -> str:
        """Six phrases in a fixed order, words and full stop set apart by spaces."""
        return " ".join(phrase for phrase, _ in self.phrases())

    def chinese(self) -> str:
        return f"{self.time.zh}，{self.agent.zh}在{self.place.zh}{self.manner.zh}{self.verb.zh}了{self.thing.zh}。"

    def phrases(self) -> Sequence[tuple[str, str | None]]:
        """The English sentence cut into (phrase, PropBank role or None)."""
        return (
            (f"the {self.agent.en}", "ARG0"), (self.manner.en, "ARGM-MNR"), (self.verb.en, "V"),
            (f"the {self.thing.en}", "ARG1"), (f"in the {self.place.en}", "ARGM-LOC"),
            (f"on {self.time.en}", "ARGM-TMP"), (".", None),
        )  # fmt: skip


def events(split: str, size: int | None = None) -> tuple[Event, ...]:
    """The events of a split, the same on every machine; no event of one split is in another.

    size: at most 1,000; None: the split's own (`SPLIT_SIZES`)
    """
    combinations = [
        (agent, verb, thing, place, time, sentiment)
        for agent in AGENTS for verb in VERBS for thing in THINGS for place in PLACES for time in TIMES for sentiment in MANNERS
    ]  # fmt: skip
    random.Random("plmtasks samples 1").shuffle(combinations)
    start = 1000 * list(SPLIT_SIZES).index(split)
    size = SPLIT_SIZES[split] if size is None else size
    chosen = combinations[start : start + size]
    made = []
    for i, (agent, verb, thing, place, time, sentiment) in enumerate(chosen):
        manner = random.Random(f"{split} {i}").choice(MANNERS[sentiment])
        made.append(Event(f"{split}-{i:04d}", agent, verb, thing, place, time, manner, sentiment))
    return tuple(made)
