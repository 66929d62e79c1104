"""Which evaluated examples the train split has already."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..data import texts, words
from ..examples import Example

SHORTEST, LONGEST = 8, 13
"""Words that must be the same in a row."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """What of the evaluated examples stands in the train split."""

    train: str
    """Its name."""
    n: int
    """Words in a row that count as the same text."""
    exact: frozenset[str]
    """ids of examples whose inputs are those of a train example, but for case, marks and white space"""
    ngram: frozenset[str]
    """ids of examples of which n words in a row, in one input, are an input's of a train example; the exact ones among them"""
    short: int
    """Examples with no input of so many words, which can overlap exactly alone."""
    examples: int

    def record(self) -> dict[str, Any]:
        return {
            "train": self.train, "exact": len(self.exact), "ngram": len(self.ngram), "examples": self.examples, "n": self.n,
            "short": self.short,
        }  # fmt: skip

    def sliced(self, examples: Iterable[Example]) -> list[Example]:
        """The examples, each in the slice of those that overlap or of those that do not."""
        return [e.told(e.reference, (*e.slices, f"overlap={'yes' if e.id in self.ngram else 'no'}")) for e in examples]


def find(examples: Sequence[Example], train: Iterable[Example], name: str) -> Overlap:
    """Compares the inputs' texts. The memory that it takes grows with the examples, not with the train split.

    n is the length that 95 of 100 examples reach, but at least 8 and at most 13 words. Hashes of 64 bits stand for n-grams.

    source: Brown et al. (2020), arXiv 2005.14165, appendix C
    """
    texts_of = {e.id: list(_words(e)) for e in examples}
    lengths = sorted(max(map(len, parts), default=0) for parts in texts_of.values())
    n = min(max(lengths[len(lengths) // 20], SHORTEST), LONGEST) if lengths else LONGEST
    numbers: dict[str, int] = {}
    for parts in texts_of.values():
        for word in (word for part in parts for word in part):
            numbers.setdefault(word, len(numbers))
    grams = {id_: set(_grams(parts, numbers, n)) for id_, parts in texts_of.items()}
    whole = {id_: hash(tuple(_numbered(parts, numbers))) for id_, parts in texts_of.items()}
    wanted, wholes = set[int]().union(*grams.values()), set(whole.values())
    seen, seen_whole = set[int](), set[int]()
    for example in train:
        parts = list(_words(example))
        seen.update(wanted.intersection(_grams(parts, numbers, n)))
        seen_whole.update(wholes.intersection((hash(tuple(_numbered(parts, numbers))),)))
    exact = frozenset(id_ for id_ in texts_of if whole[id_] in seen_whole and any(texts_of[id_]))
    ngram = exact | {id_ for id_ in texts_of if not grams[id_].isdisjoint(seen)}
    return Overlap(
        train=name, n=n, exact=exact, ngram=frozenset(ngram), short=sum(not g for g in grams.values()), examples=len(texts_of)
    )


def _words(example: Example) -> Iterator[list[str]]:
    """The words of each input that has any."""
    for text in texts(example):
        if found := words(text.lower()):
            yield found


NOWHERE = -2
"""The number of words that no evaluated example has."""


def _numbered(parts: Sequence[Sequence[str]], numbers: dict[str, int]) -> Iterator[tuple[int, ...]]:
    """The words as numbers, whose hashes are the same in every process."""
    return (tuple(numbers.get(word, NOWHERE) for word in part) for part in parts)


def _grams(parts: Sequence[Sequence[str]], numbers: dict[str, int], n: int) -> Iterator[int]:
    for part in _numbered(parts, numbers):
        yield from map(hash, zip(*(part[i:] for i in range(n)), strict=False))
