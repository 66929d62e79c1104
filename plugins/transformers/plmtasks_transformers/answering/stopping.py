"""Where a text stops, as its tokens come: with a stop text, which does not count while a model thinks."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from plmtasks.requests import GenerateAnswer, Thinking, before_stop

SLACK = 4
"""Tokens beyond the bytes of a stop text that are read again to find it: some tokens have no text."""

Text = Callable[[Sequence[int]], str]
"""What token ids say."""


class StopTexts:
    """Tells whether a text stops with its last token, from its last few tokens where it can; and what stands before that."""

    def __init__(self, text: Text, spelled: Text | None = None, special: Sequence[str] = ()) -> None:
        """
        text: what token ids say; spelled: the same with special tokens, None if there are none
        special: how special tokens are spelled, such as a stop text may be
        """
        self.text, self.spelled, self.special = text, spelled or text, special
        self._of_token: dict[tuple[int, bool], str] = {}

    def __call__(self, made: Sequence[int], stop: Sequence[str]) -> bool:
        """made: token ids, of which the last was not there before"""
        return any(self._stops(made, some, special) for special, some in self._parted(stop))

    def before(self, made: Sequence[int], stop: Sequence[str], behind: str | None = None) -> str:
        """What token ids say before the first of the stop texts in it.

        behind: the end of the thinking's last token, if there was thinking: white space after it is neither read nor stopped at
        """
        (_, plain), (_, spelling) = self._parted(stop)
        whole = self.text(made) if behind is None else (behind + self.text(made)).lstrip()
        texts = [before_stop(whole, plain)]
        spelled = self.spelled(made) if spelling else ""
        for at in (spelled.find(s) for s in spelling if s in spelled):
            # whole tokens, and of the one in which the stop text begins its beginning
            starts = ((made[:n], self.spelled(made[:n])) for n in range(len(made), -1, -1))
            before, same = next((ids, start) for ids, start in starts if spelled[:at].startswith(start))
            texts.append(self.text(before) + spelled[len(same) : at])
        return min(texts, key=len)

    def _parted(self, stop: Sequence[str]) -> tuple[tuple[bool, list[str]], tuple[bool, list[str]]]:
        """Those that spell no special token, and those that do."""
        spelling = [s for s in stop if any(t in s for t in self.special)]
        return (False, [s for s in stop if s not in spelling]), (True, spelling)

    def _stops(self, made: Sequence[int], stop: Sequence[str], special: bool) -> bool:
        """special: whether the stop texts spell special tokens"""
        if not any(self.may_end(made[-1], s, special) for s in stop):
            return False
        text = self.spelled if special else self.text
        near = text(made[-max(len(s.encode()) for s in stop) - SLACK :])
        # tokens may read otherwise where others stand before them
        return any(s in near for s in stop) and any(s in text(made) for s in stop)

    def found(self, made: Sequence[int], stop: Sequence[str], behind: str | None = None) -> bool:
        """Whether one of the stop texts stands anywhere in what token ids say; `behind` as above."""
        for special, some in self._parted(stop):
            text = (self.spelled if special else self.text)(made) if some else ""
            if any(s in (text if behind is None else (behind + text).lstrip()) for s in some):
                return True
        return False

    def may_end(self, token: int, stop: str, special: bool) -> bool:
        """Whether the token can bring the last character: a space comes from no token alone, part of a character from any."""
        if (token, special) not in self._of_token:
            self._of_token[token, special] = (self.spelled if special else self.text)([token])
        own = self._of_token[token, special]
        return stop[-1] in own or stop[-1] == " " or "\ufffd" in own


class Until(NamedTuple):
    """Where a text ends, apart from the model's own end of it."""

    stop: Sequence[str]
    thinking: Thinking | None = None
    begun: bool = False
    """Whether it thinks from the first token on."""


class Endings:
    """Tells whether a text that may begin with thinking stops with its last token; and reads it."""

    def __init__(self, stops: StopTexts) -> None:
        self.stops = stops

    def __call__(self, made: Sequence[int], until: Until) -> bool:
        """made: token ids, of which the last was not there before"""
        thinking, stop = until.thinking, until.stop
        if thinking is None or not stop:
            return self.stops(made, stop)
        start = self._room(thinking.start)
        # a stop text that came while nobody knew whether it would think counts as soon as that is known
        if len(made) > start and not any(self.stops.may_end(made[-1], s, special) for s in stop for special in (False, True)):
            return False
        if (end := self._end(made, thinking)) is not None:
            return self.stops.found(made[end:], stop, self._behind(made, end, thinking))
        if until.begun or self._may_begin(made, thinking):
            return False
        return self.stops.found(made, stop) if len(made) <= start else self.stops(made, stop)

    def read(self, made: Sequence[int], until: Until) -> GenerateAnswer:
        """made: token ids, without the model's own end of the text if it may have thought"""
        stops, thinking = self.stops, until.thinking
        if thinking is None:
            return GenerateAnswer(text=stops.before(made, until.stop))
        end = self._end(made, thinking)
        thought, answer = thinking.parted(stops.spelled(made[:end]), until.begun)
        if answer is None:
            return GenerateAnswer(text="", reasoning=thought, reasoning_tokens=len(made), unfinished=True)
        if end is None:
            return GenerateAnswer(text=stops.before(made, until.stop))
        text = stops.before(made[end:], until.stop, self._behind(made, end, thinking))
        return GenerateAnswer(text=text, reasoning=thought, reasoning_tokens=end)

    def _end(self, made: Sequence[int], thinking: Thinking) -> int | None:
        """How many tokens there are up to the end of the thinking; None: it has not come."""
        room = self._room(thinking.end)
        for n, token in enumerate(made, 1):
            if self.stops.may_end(token, thinking.end, True) and thinking.end in self.stops.spelled(made[max(0, n - room) : n]):
                return n
        return None

    def _behind(self, made: Sequence[int], end: int, thinking: Thinking) -> str:
        """What the last token of the thinking says besides."""
        return self.stops.spelled(made[max(0, end - self._room(thinking.end)) : end]).partition(thinking.end)[2]

    def _may_begin(self, made: Sequence[int], thinking: Thinking) -> bool:
        """Whether the text begins with thinking, or may yet."""
        text = self.stops.spelled(made[: self._room(thinking.start)]).lstrip()
        return bool(thinking.start) and (text.startswith(thinking.start) or thinking.start.startswith(text))

    def _room(self, text: str) -> int:
        """Tokens in which a text stands."""
        return len(text.encode()) + SLACK
