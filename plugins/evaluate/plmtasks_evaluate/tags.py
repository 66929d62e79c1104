"""Spans of words as tags, and back."""

from collections.abc import Iterable, Sequence
from typing import Any


def tags_of(spans: Iterable[Sequence[Any]], words: int) -> list[str]:
    """IOB2 tags of spans, each a label, a start and an end."""
    tags = ["O"] * words
    for label, start, end in spans:
        tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
    return tags


def spans_of(tags: Sequence[str]) -> list[list[Any]]:
    """Spans of IOB2 tags; an I- that goes on with no span of its label begins one."""
    spans: list[list[Any]] = []
    before = "O"
    for place, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "I" and before[2:] == label and before != "O":
            spans[-1][2] = place + 1
        elif prefix in ("B", "I") and label:
            spans.append([label, place, place + 1])
        before = tag
    return spans
