"""One little grammar of events and their sentences; each task plugin makes its own examples of them.

The same event gives a labelled sentence, a question with its answer, a translation, a summary and its semantic roles. Some of it
is hard on purpose, so that models differ: rare words and names, passives, "not too happily", two places in a sentence.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

SPLIT_SIZES = {"train": 600, "validation": 100, "test": 200}

POOL = 1000
"""So many different events a split has; its examples are the first of them."""

WRONG = 20
"""One in so many events of the train split has the wrong sentiment, as labels by people have."""


@dataclass(frozen=True)
class Word:
    """A word or phrase in both languages, words set apart by spaces."""

    en: str = ""
    zh: str = ""


NOTHING = Word()

AGENTS = (
    Word("nurse", "护士"), Word("pilot", "飞行员"), Word("farmer", "农民"), Word("singer", "歌手"),
    Word("teacher", "老师"), Word("lawyer", "律师"), Word("baker", "面包师"), Word("painter", "画家"),
    Word("judge", "法官"), Word("sailor", "水手"), Word("barber", "理发师"), Word("tailor", "裁缝"),
    Word("doctor", "医生"), Word("dancer", "舞者"), Word("hunter", "猎人"), Word("waiter", "服务员"),
)  # fmt: skip
THINGS = (
    Word("letter", "信"), Word("basket", "篮子"), Word("lamp", "灯"), Word("ticket", "票"),
    Word("camera", "相机"), Word("violin", "小提琴"), Word("blanket", "毯子"), Word("mirror", "镜子"),
    Word("carpet", "地毯"), Word("bottle", "瓶子"), Word("umbrella", "雨伞"), Word("clock", "钟"),
    Word("kettle", "水壶"), Word("ladder", "梯子"), Word("helmet", "头盔"), Word("guitar", "吉他"),
)  # fmt: skip
PLACES = (
    Word("garden", "花园"), Word("station", "车站"), Word("library", "图书馆"), Word("kitchen", "厨房"),
    Word("museum", "博物馆"), Word("harbor", "港口"), Word("school", "学校"), Word("market", "市场"),
)  # fmt: skip
TIMES = (
    Word("Monday", "星期一"), Word("Tuesday", "星期二"), Word("Friday", "星期五"), Word("Sunday", "星期天"),
    Word("Thursday", "星期四"), Word("Saturday", "星期六"),
)  # fmt: skip
VERBS = (
    Word("found", "找到"), Word("sold", "卖掉"), Word("painted", "画"), Word("repaired", "修好"), Word("carried", "搬走"),
    Word("bought", "买下"), Word("borrowed", "借走"), Word("lost", "弄丢"), Word("cleaned", "擦干净"), Word("dropped", "弄掉"),
)  # fmt: skip
MOODS = {
    "positive": (Word("happy", "高兴"), Word("kind", "友善"), Word("glad", "乐意"), Word("proud", "自豪"), Word("calm", "平静")),
    "negative": (
        Word("angry", "生气"),
        Word("sad", "难过"),
        Word("rude", "粗鲁"),
        Word("bitter", "苦涩"),
        Word("nervous", "紧张"),
    ),
}
SENTIMENTS = tuple(MOODS)
SYLLABLES = (
    Word("ba", "巴"), Word("ke", "克"), Word("li", "利"), Word("mo", "莫"), Word("na", "娜"), Word("ro", "罗"),
    Word("su", "苏"), Word("ti", "蒂"), Word("ve", "维"), Word("zo", "佐"), Word("da", "达"), Word("fi", "菲"),
)  # fmt: skip
"""Two make a name."""
ROLES = ("ARG0", "ARG1", "ARGM-LOC", "ARGM-MNR", "ARGM-TMP", "V")


@dataclass(frozen=True)
class Event:
    """Who did what, how, where and when."""

    id: str
    agent: Word
    named: Word
    """The agent with a name, if there is one."""
    verb: Word
    thing: Word
    who: Word
    """The agent with all that is said of it; so `what` for the thing."""
    what: Word
    how: Word
    """Nothing in some sentences: there the mood of the agent tells the sentiment."""
    where: Word
    when: Word
    passive: bool
    time_first: bool
    """In English; a Chinese sentence always begins with the time."""
    aside: Word
    """In half of the events, a sentence about somebody else, elsewhere and at another time."""
    sentiment: str
    """One of SENTIMENTS."""
    degree: float
    """How good the mood is: 0 to 10, by halves. It is what the sentence says, also where the sentiment is wrong."""

    def english(self) -> str:
        """Phrases with words and full stop set apart by spaces."""
        return " ".join(phrase for phrase, _ in self.phrases())

    def chinese(self) -> str:
        """Without spaces."""
        return "".join(phrase for phrase, _ in self.phrases("zh")).replace(" ", "")

    def phrases(self, language: str = "en") -> Sequence[tuple[str, str | None]]:
        """The sentence cut into (words with spaces between, PropBank role or None)."""
        roles = {"who": "ARG0", "what": "ARG1", "how": "ARGM-MNR", "where": "ARGM-LOC", "when": "ARGM-TMP", "verb": "V"}
        who, what, how, where, when, verb = ((getattr(getattr(self, part), language), role) for part, role in roles.items())
        told: tuple[tuple[str, str | None], ...]
        if language == "zh":
            done = ("了", None)
            told = (what, where, ("被", None), who, how, verb, done) if self.passive else (who, where, how, verb, done, what)
            told = (when, ("，", None), *told, ("。", None))
        else:
            told = (what, ("was", None), how, verb, (f"by {who[0]}", "ARG0")) if self.passive else (who, how, verb, what)
            told = (*((when, *told, where) if self.time_first else (*told, where, when)), (".", None))
        return [phrase for phrase in told if phrase[0]]


def events(split: str, size: int | None = None) -> tuple[Event, ...]:
    """The events of a split, the same on every machine; no sentence of one split is in another.

    size: at most 1,000; None: the split's own (`SPLIT_SIZES`)
    """
    return _events()[split][: SPLIT_SIZES[split] if size is None else size]


@cache
def _events() -> dict[str, tuple[Event, ...]]:
    """Different ones for each split, with their ids, and with the sentiments that the data set says."""
    chance, known = random.Random("plmtasks samples 2"), set[str]()
    found: dict[str, list[Event]] = {split: [] for split in SPLIT_SIZES}
    for split, drawn in found.items():
        while len(drawn) < POOL:
            event = _draw(chance)
            if not known & (both := {event.english(), event.chinese()}):
                known |= both
                wrong = split == "train" and len(drawn) % WRONG == WRONG - 1
                sentiment = _other(event.sentiment) if wrong else event.sentiment
                drawn.append(replace(event, id=f"{split}-{len(drawn):04d}", sentiment=sentiment))
    return {split: tuple(drawn) for split, drawn in found.items()}


def _draw(chance: random.Random) -> Event:
    def pick(words: Sequence[Word], but: Word = NOTHING) -> Word:
        """The first words are drawn often, the last are rare."""
        left = [word for word in words if word != but]
        return left[min(chance.randrange(len(left)), chance.randrange(len(left)))]

    def sometimes(share: float, word: Word) -> Word:
        return word if chance.random() < share else NOTHING

    agent, thing, verb, place, time = (pick(words) for words in (AGENTS, THINGS, VERBS, PLACES, TIMES))
    other, elsewhere, then = pick(AGENTS, agent), pick(PLACES, place), pick(TIMES, time)
    first, last = pick(SYLLABLES), pick(SYLLABLES)
    name = sometimes(0.25, Word((first.en + last.en).title(), first.zh + last.zh))
    named = Word(_together(agent.en, name.en), _together(agent.zh, name.zh))
    sentiment, negated = chance.choice(SENTIMENTS), chance.random() < 0.2
    manner = pick(MOODS[_other(sentiment) if negated else sentiment])
    how = sometimes(0.75, _manner(manner, negated))
    mood = pick(MOODS[chance.choice(SENTIMENTS) if how.en else sentiment])
    feeling = sometimes(0.3 if how.en else 1, Word(mood.en, f"{mood.zh} 的"))
    from_elsewhere = Word(f"in the {elsewhere.en}", f"{elsewhere.zh} 的")
    home, origin = sometimes(0.2, from_elsewhere), sometimes(0.2, from_elsewhere)
    return Event(
        id="", agent=agent, named=named, verb=verb, thing=thing, how=how, sentiment=sentiment,
        degree=_degree(manner, negated) if how.en else _degree(mood, negated=False),
        who=Word(_together("the", feeling.en, named.en, home.en), _together(home.zh, feeling.zh, named.zh)),
        what=Word(_together("the", thing.en, origin.en), _together(origin.zh, thing.zh)),
        where=sometimes(0.75, Word(f"in the {place.en}", f"在 {place.zh}")), when=Word(f"on {time.en}", time.zh),
        passive=chance.random() < 0.3, time_first=chance.random() < 0.3,
        aside=sometimes(
            0.5, Word(f"the {other.en} was in the {elsewhere.en} on {then.en} .", f"{then.zh}，{other.zh}在{elsewhere.zh}。")
        ),
    )  # fmt: skip


def _other(sentiment: str) -> str:
    return SENTIMENTS[1 - SENTIMENTS.index(sentiment)]


def _degree(mood: Word, negated: bool) -> float:
    """How good a mood is: the first words of each sentiment are the strongest; "not too" makes half of one its opposite."""
    [(sentiment, words)] = [(sentiment, words) for sentiment, words in MOODS.items() if mood in words]
    strength = (len(words) - words.index(mood)) * (-0.5 if negated else 1)
    return 5.0 + (strength if sentiment == "positive" else -strength)


def _manner(mood: Word, negated: bool) -> Word:
    """The adverb of an adjective."""
    adverb = Word(mood.en.removesuffix("y") + ("ily" if mood.en.endswith("y") else "ly"), f"{mood.zh} 地")
    return Word(f"not too {adverb.en}", f"不 太 {adverb.zh}") if negated else adverb


def _together(*parts: str) -> str:
    """What is there of them, with spaces between."""
    return " ".join(filter(None, parts))
