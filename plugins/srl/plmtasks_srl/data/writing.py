"""Sentences written as columns: the inverse of reading CoNLL-2005, BIO columns and tagged words."""

import re
from collections.abc import Callable, Iterable, Sequence

from plmtasks.reading import WordSpan, spans_to_tags

from ..spans import write_brackets
from .entities import DOCUMENT
from .sentences import Sentence


def write_props(sentences: Iterable[Sentence]) -> str:
    """A word a line: the predicates themselves for their lemmas, "-" for other words, a column of brackets a predicate."""
    return "".join(_block(s, [[lemma] for lemma in _lemmas(s)], write_brackets) for s in sentences)


def write_bio(sentences: Iterable[Sentence]) -> str:
    """A word a line: its number, itself, no part of speech, a predicate's word and sense, a column of IOB2 tags a predicate."""
    return "".join(_block(s, _numbered(s), spans_to_tags) for s in sentences)


def write_tagged(words: Sequence[str], *tags: Sequence[str]) -> str:
    """A word a line, with its tags behind it and a space between: as conlleval reads them."""
    known = ("_" if word == DOCUMENT else word for word in map(cell, words))
    return "".join(" ".join(row) + "\n" for row in zip(known, *tags, strict=True)) + "\n"


def _numbered(sentence: Sentence) -> list[list[str]]:
    senses = {p.predicate: f".{p.sense}" for p in sentence.propositions}
    named = zip(sentence.words, _lemmas(sentence), strict=True)
    return [[str(i), cell(word), "_", lemma + senses.get(i, "")] for i, (word, lemma) in enumerate(named)]


def _lemmas(sentence: Sentence) -> list[str]:
    """Nothing that a reader could take for a bracket, a comment or no predicate stands in them."""
    predicates = {p.predicate for p in sentence.propositions}
    return [re.sub(r"^-$|[*#=]", "_", cell(word)) if i in predicates else "-" for i, word in enumerate(sentence.words)]


def _block(sentence: Sentence, head: Sequence[Sequence[str]], write: Callable[[Iterable[WordSpan], int], list[str]]) -> str:
    """The lines of a sentence, the columns in the order of their predicates, and an empty line."""
    propositions = sorted(sentence.propositions, key=lambda p: p.predicate)
    columns = [write(p.roles, len(sentence.words)) for p in propositions]
    rows = [[*first, *cells] for first, *cells in zip(head, *columns, strict=True)]
    return "".join("\t".join(row) + "\n" for row in rows) + "\n"


def cell(word: str) -> str:
    """A word as one cell of a line."""
    return re.sub(r"\s", "_", word) or "_"
