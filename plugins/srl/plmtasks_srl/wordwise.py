"""What is different where spans are one word each."""

from collections.abc import Sequence
from functools import cached_property

from plmtasks.examples import Example
from plmtasks.reading import OUTSIDE, WordSpan


class WordTask:
    """Of a `SpanTask` whose spans are one word each; no subclass of it, so that other bases' fields keep their defaults."""

    labels: tuple[str, ...]

    @cached_property
    def tag_labels(self) -> tuple[str, ...]:
        return (OUTSIDE, *self.labels)

    def to_tags(self, spans: Sequence[WordSpan], length: int) -> list[str]:
        tags = [OUTSIDE] * length
        for label, start, _ in spans:
            tags[start] = label
        return tags

    def from_tags(self, tags: Sequence[str]) -> list[WordSpan]:
        return [WordSpan(tag, i, i + 1) for i, tag in enumerate(tags) if tag != OUTSIDE]

    def settled(self, example: Example, spans: Sequence[WordSpan]) -> Sequence[WordSpan]:
        """One word each: the first."""
        return [WordSpan(label, start, start + 1) for label, start, _ in spans]
