"""Where a text that is being made stops."""

from collections.abc import Callable, Sequence

from plmtasks.prompts import before

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

    def before(self, made: Sequence[int], stop: Sequence[str]) -> str:
        """What token ids say before the first of the stop texts in it."""
        (_, plain), (_, spelling) = self._parted(stop)
        texts = [before(self.text(made), plain)]
        spelled = self.spelled(made) if spelling else ""
        for at in (spelled.find(s) for s in spelling if s in spelled):
            # whole tokens, and of the one in which the stop text begins its beginning
            starts = ((made[:n], self.spelled(made[:n])) for n in range(len(made), -1, -1))
            whole, same = next((ids, start) for ids, start in starts if spelled[:at].startswith(start))
            texts.append(self.text(whole) + spelled[len(same) : at])
        return min(texts, key=len)

    def _parted(self, stop: Sequence[str]) -> tuple[tuple[bool, list[str]], tuple[bool, list[str]]]:
        """Those that spell no special token, and those that do."""
        spelling = [s for s in stop if any(t in s for t in self.special)]
        return (False, [s for s in stop if s not in spelling]), (True, spelling)

    def _stops(self, made: Sequence[int], stop: Sequence[str], special: bool) -> bool:
        """special: whether the stop texts spell special tokens"""
        if not any(self._may_end(made[-1], s, special) for s in stop):
            return False
        text = self.spelled if special else self.text
        near = text(made[-max(len(s.encode()) for s in stop) - SLACK :])
        # tokens may read otherwise where others stand before them
        return any(s in near for s in stop) and any(s in text(made) for s in stop)

    def _may_end(self, token: int, stop: str, special: bool) -> bool:
        """Whether the token can bring the last character: a space comes from no token alone, part of a character from any."""
        if (token, special) not in self._of_token:
            self._of_token[token, special] = (self.spelled if special else self.text)([token])
        own = self._of_token[token, special]
        return stop[-1] in own or stop[-1] == " " or "\ufffd" in own
