"""Labelled spans as text: what a model writes that labels by text to text.

`[ARG0 the nurse] [ARG1 the letter]`: each span in brackets behind its label, in the order of the sentence, and before it
only as many of the words outside of spans as it takes to tell where it is. Reading it back looks each run of words up in
the sentence, at or after the place that was reached; so nothing is lost, and of what is no such text as much as can be found.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from plmtasks.reading import WordSpan

NOTHING = "none"
"""Stands for no spans at all."""

PART = re.compile(r"\[|\]|[^\s\[\]]+")


@lru_cache(maxsize=2**16)
def spelled(word: str) -> str:
    """A word as it stands in the text: brackets as the Penn Treebank writes them, nothing that looks like space."""
    return re.sub(r"\s", "_", word.replace("[", "-LSB-").replace("]", "-RSB-")) or "_"


def write_text(spans: Iterable[WordSpan], words: Sequence[str]) -> str:
    """The text that stands for disjoint spans; their labels have no space or square bracket."""
    known = [spelled(word) for word in words]
    parts, reached = [], 0
    for label, start, end in sorted(spans, key=lambda s: s.start):
        run = known[start:end]
        # the fewest words before the span by which it is found; all of them always do
        for before in range(start - reached + 1):
            place = _find(known, known[start - before : start], reached) + before
            if _find(known, run, place if before else reached) == start:
                parts += known[start - before : start]
                break
        parts.append(f"[{' '.join([label, *run])}]")
        reached = end
    return " ".join(parts) or NOTHING


def read_text(text: str, words: Sequence[str]) -> list[WordSpan]:
    """The spans that a text tells, disjoint and in the order of the sentence; what is not in the sentence is left out."""
    known = [spelled(word) for word in words]
    free = [True] * len(known)
    spans: list[WordSpan] = []
    reached = 0
    for label, run in _runs(text):
        start = _find(known, run, reached) if run else -1
        if start < 0 and label is not None and run:
            start = _find(known, run, 0)  # out of its order
        end = start + len(run)
        if start < 0 or (label is not None and not all(free[start:end])):
            continue
        reached = end
        if label is not None:
            spans.append(WordSpan(label, start, end))
            free[start:end] = [False] * len(run)
    return sorted(spans, key=lambda s: s.start)


def _runs(text: str) -> Iterable[tuple[str | None, list[str]]]:
    """(label, words) of each pair of brackets, closed or not, and (None, words) of each run of words outside."""
    label: str | None = None
    inside, run = False, list[str]()
    for part in PART.findall(text):
        if part in "[]":
            yield label, run
            label, inside, run = None, part == "[", []
        elif inside and label is None:
            label = part
        else:
            run.append(part)
    yield label, run


def _find(words: list[str], run: list[str], start: int) -> int:
    """The first place at or after `start` where the run of words is; -1: nowhere."""
    try:
        while run:
            start = words.index(run[0], start)
            if words[start : start + len(run)] == run:
                return start
            start += 1
    except ValueError:
        return -1
    return start


def show(spans: Iterable[WordSpan], words: Sequence[str]) -> str:
    """The whole sentence with its spans in brackets, for a person to read."""
    spans = sorted(spans, key=lambda s: s.start)
    parts, reached = [], 0
    for label, start, end in spans:
        parts += [*words[reached:start], f"[{label}: {' '.join(words[start:end])}]"]
        reached = end
    return " ".join([*parts, *words[reached:]])
