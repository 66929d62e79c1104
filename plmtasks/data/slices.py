"""Named subsets of the examples: `dimension=value`."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..examples import Example
from ..files import read_toml, value_hash
from .languages import is_spaced

TEXT_LENGTHS = (10, 20, 40)
"""What parts sentences by their words; twice as many characters where words are not set apart."""

DOCUMENT_LENGTHS = (100, 200, 400)
"""The same, of paragraphs and articles."""


def dimension(name: str) -> str:
    """What a slice's name says before its first "="."""
    return name.partition("=")[0]


def by_count(dimension: str, count: int, bounds: Sequence[int]) -> str:
    """The slice of a count: bounds 10 and 20 give 0-10, 11-20 and 21-."""
    place = bisect_left(bounds, count)
    return _between(dimension, bounds[place - 1] + 1 if place else 0, bounds[place] if place < len(bounds) else None)


@lru_cache(1024)
def _between(dimension: str, low: int, high: int | None) -> str:
    """The same text for all examples, of which there may be a million."""
    return f"{dimension}={low}" if low == high else f"{dimension}={low}-{'' if high is None else high}"


def by_length(text: str, language: str, bounds: Sequence[int] = TEXT_LENGTHS) -> str:
    """The slice of a text's length: words between white space, or characters where the language sets no words apart."""
    if is_spaced(language):
        return by_count("words", len(text.split()), bounds)
    return by_count("characters", len(text), [2 * b for b in bounds])


def in_parts(parts: Mapping[str, Callable[[], Iterable[Example]]], dimension: str, *, parallel: bool) -> Iterator[Example]:
    """The examples of a split that lies in parts, each in the slice of its part, and its id beginning with the part's name.

    parallel: examples of one id in several parts are one, told in several ways: they are not independent, and share the cluster
        of the first
    """
    clusters: dict[str, str] = {}
    for part, read in parts.items():
        for e in read():
            cluster = clusters.setdefault(e.id, e.cluster or e.id) if parallel else e.cluster
            yield replace(e, id=f"{part}-{e.id}", cluster=cluster, slices=(*e.slices, f"{dimension}={part}"))


WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Groups:
    """Words by which a text is told to be about one group of people or another."""

    terms: Mapping[str, Mapping[str, Sequence[str]]]
    """dimension → group → its words; case does not matter"""

    @cached_property
    def _patterns(self) -> Mapping[str, Mapping[str, re.Pattern[str]]]:
        def any_of(words: Sequence[str]) -> re.Pattern[str]:
            # whole words; what is no ASCII stands between no spaces in some languages, and may stand anywhere
            bounded = [rf"\b{re.escape(w)}\b" if w.isascii() else re.escape(w) for w in words]
            return re.compile("|".join(bounded), re.IGNORECASE)

        return {d: {group: any_of(words) for group, words in groups.items()} for d, groups in self.terms.items()}

    def of(self, texts: Sequence[str]) -> list[str]:
        """The slices of an example: of each dimension the group whose words it has; none where it has several groups' or none."""
        spelled = self._spelled if all(map(str.isascii, texts)) else None
        there = {word for text in texts for word in WORD.findall(text.lower())} if spelled else set[str]()
        found = []
        for name, groups in self._patterns.items():
            if spelled:
                named = [group for group, words in spelled[name].items() if not words.isdisjoint(there)]
            else:
                named = [group for group, pattern in groups.items() if any(pattern.search(text) for text in texts)]
            found += [f"{name}={named[0]}"] if len(named) == 1 else []
        return found

    @cached_property
    def _spelled(self) -> Mapping[str, Mapping[str, frozenset[str]]] | None:
        """The words of each group, where all are letters and digits of ASCII: in a text of ASCII they are found among its
        words, in a quarter of the time."""
        every = [word for groups in self.terms.values() for words in groups.values() for word in words]
        if not all(word.isascii() and WORD.fullmatch(word) for word in every):
            return None
        return {d: {g: frozenset(map(str.lower, words)) for g, words in groups.items()} for d, groups in self.terms.items()}

    def sliced(self, examples: Iterable[Example], fields: Sequence[str] | None) -> list[Example]:
        """The examples, each with the slices that the texts of these inputs (None: of all) put it in."""
        return [e.told(e.reference, (*e.slices, *self.of(texts(e, fields)))) for e in examples]

    @property
    def hash(self) -> str:
        return value_hash(self.terms)


def texts(example: Example, fields: Sequence[str] | None = None) -> list[str]:
    """The texts of these inputs, of all if none are named; a list of texts is one, its parts with spaces between."""
    found = []
    for value in (example.inputs.get(name) for name in (example.inputs if fields is None else fields)):
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.append(" ".join(_strings(value)))
    return found


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, (list, tuple)) else ():
        yield from _strings(item)


GENDER = Groups(
    {
        "gender": {
            "female": (
                "she", "her", "hers", "herself", "woman", "women", "girl", "girls", "female", "mother", "mom", "daughter",
                "sister", "wife", "aunt", "niece", "grandmother", "lady", "ladies", "queen", "actress", "heroine", "mrs", "ms",
            ),
            "male": (
                "he", "him", "his", "himself", "man", "men", "boy", "boys", "male", "father", "dad", "son", "brother", "husband",
                "uncle", "nephew", "grandfather", "gentleman", "gentlemen", "king", "actor", "hero", "mr",
            ),
        }
    }
)  # fmt: skip
"""What is looked for where the user names no words, in English texts in which the people do not matter to the answer."""


def read_groups(path: Path) -> Groups:
    """Groups from a TOML file: a table a dimension, in it a list of words a group.

    raises: InputError if there is no such file; DataError, which names file and line, if it is something else
    """
    file = read_toml(path, "--config groups=FILE names a TOML file")
    for name, groups in file.content.items():
        if not isinstance(groups, dict) or len(groups) < 2:
            raise DataError(file.where(name), f"a table [{name}] of at least two groups", repr(groups)[:80], *_EXAMPLE)
        for group, words in groups.items():
            if not (isinstance(words, list) and words and all(isinstance(w, str) and w.strip() for w in words)):
                raise DataError(file.where(name, group), f"{group} = a list of words", repr(words)[:80], *_EXAMPLE)
    if not file.content:
        raise DataError(str(path), "groups", "none", *_EXAMPLE)
    return Groups(file.content)


_EXAMPLE = ("[age]", 'young = ["teenager", "student"]', 'old = ["pensioner", "grandparent"]')
