"""What a sentence with its predicates' roles is, and how it is made of columns."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

from plmtasks.errors import DataError
from plmtasks.reading import WordSpan

from ..spans import Where
from .columns import UNKNOWN, Block

VERB, CONTINUED_VERB = "V", "C-V"
"""The roles of the predicate's own words."""


@dataclass(frozen=True, kw_only=True)
class Proposition:
    """A predicate and what plays a role in it."""

    predicate: int
    """The position of its word."""
    sense: str
    """The number of its roleset ("01"), as far as the file tells."""
    lemma: str = ""
    """As far as the file tells."""
    roles: tuple[WordSpan, ...]
    """Disjoint; the predicate's words have the role V."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """The words of a sentence and all of its propositions."""

    id: str
    words: tuple[str, ...]
    propositions: tuple[Proposition, ...]
    where: Where = field(default=lambda word: "", compare=False, repr=False)
    """The place in the file of each word."""

    @property
    def lemmas(self) -> dict[int, str]:
        """Position → lemma, of its predicates."""
        return {p.predicate: p.lemma for p in self.propositions}


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The columns of one sentence."""

    block: Block
    key: str
    words: Sequence[str]
    rolesets: Sequence[str | None]
    """Of each word, such as "be.01"; None: it is no predicate."""
    columns: Sequence[Sequence[WordSpan]]
    """The roles of each predicate, in their order."""


Found = Iterator[Parsed]


SHORT = re.compile(r"((?:[CR]-)*)A([0-9AM])(-.*)?")


@cache
def role_name(label: str) -> str:
    """CoNLL-2005's and Universal Propositions' short names as PropBank writes them: A0, AM-TMP → ARG0, ARGM-TMP."""
    match = SHORT.fullmatch(label)
    return f"{match[1]}ARG{match[2]}{match[3] or ''}" if match else label


def assemble(parsed: Parsed, predicted: bool) -> tuple[Sentence, int]:
    """A sentence of its columns, one for each predicate, and how many arguments it lost since they overlap.

    predicted: a predicate may have no V, and words that are no predicate an empty column

    raises: DataError if they do not go together
    """
    block, columns = parsed.block, parsed.columns
    predicates = [(i, roleset) for i, roleset in enumerate(parsed.rolesets) if roleset is not None]
    if predicted and not predicates and not any(columns):
        columns = ()
    if len(predicates) != len(columns):
        expected = f"a role column for each of the sentence's {len(predicates)} predicates"
        raise DataError(block.where(0), expected, str(len(columns)))
    propositions, lost = [], 0
    for (position, roleset), column in zip(predicates, columns, strict=True):
        named = [WordSpan(role_name(label), start, end) for label, start, end in column]
        if not predicted and not any(s.label in (VERB, CONTINUED_VERB) and s.start <= position < s.end for s in named):
            has = next((s.label for s in named if s.start <= position < s.end), "no role")
            raise DataError(block.where(position), f"the role V at the predicate {parsed.words[position]!r} of the column", has)
        roles, dropped = lay_flat(named)
        lemma, _, sense = roleset.rpartition(".")
        propositions.append(Proposition(predicate=position, sense=sense, lemma=lemma, roles=roles))
        lost += dropped
    words = tuple(parsed.words)
    return Sentence(id=parsed.key, words=words, propositions=tuple(propositions), where=block.where), lost


def lay_flat(spans: Iterable[WordSpan]) -> tuple[tuple[WordSpan, ...], int]:
    """Disjoint spans, and how many were left out for it.

    An argument around the predicate becomes the part before and its continuation (C-) behind. Of two that overlap, the one
    that starts first stays, the longer of those.
    """
    spans = sorted(spans, key=lambda s: s.start)
    if all(before.end <= span.start for before, span in pairwise(spans)):
        return tuple(spans), 0
    spans.sort(key=lambda s: (s.label not in (VERB, CONTINUED_VERB), s.start, -s.end))
    taken: dict[int, str] = {}
    kept: list[WordSpan] = []
    dropped = 0
    for span in spans:
        others = {taken[i] for i in range(span.start, span.end) if i in taken}
        if not others <= {VERB, CONTINUED_VERB} or (others and span.label in (VERB, CONTINUED_VERB)):
            dropped += 1
            continue
        pieces = _pieces([i for i in range(span.start, span.end) if i not in taken])
        dropped += not pieces
        for number, (start, end) in enumerate(pieces):
            kept.append(WordSpan(f"C-{span.label}" if number else span.label, start, end))
            taken |= dict.fromkeys(range(start, end), span.label)
    return tuple(sorted(kept, key=lambda s: s.start)), dropped


def _pieces(places: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of consecutive positions, each [start, end)."""
    pieces: list[tuple[int, int]] = []
    for i in places:
        if pieces and pieces[-1][1] == i:
            pieces[-1] = (pieces[-1][0], i + 1)
        else:
            pieces.append((i, i + 1))
    return pieces


def has_words(words: Sequence[str]) -> bool:
    """Whether the file had words, and not roles alone."""
    return any(word != UNKNOWN for word in words)


def parallel(beside: Path, words: list[list[str]], kept: Sequence[Block]) -> list[list[str]]:
    if len(words) != len(kept):
        raise DataError(str(beside), f"{len(kept)} sentences as in {kept[0].path.name}", str(len(words)))
    for own, block in zip(words, kept, strict=True):
        if len(own) != len(block.rows):
            raise DataError(block.where(0), f"{len(own)} lines, one for each word in {beside.name}", str(len(block.rows)))
    return words
