"""Columns of dependency treebanks with rolesets and roles: both releases of Universal Propositions, and CoNLL-2009."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from plmtasks.errors import DataError
from plmtasks.reading import WordSpan

from ..spans import is_tag
from .columns import UNKNOWN, Block, blocks
from .sentences import CONTINUED_VERB, VERB, Found, Parsed, parallel

EMPTY = ("_", "")
"""What cells of CoNLL-U hold that have nothing to tell."""

ROLESET = re.compile(r".+\.\w+")

BETWEEN = re.compile(r"\d+[-.]\d+")
"""The number of a line of CoNLL-U that is no word of its own: a multiword token's or an empty node's."""


def read_universal(path: Path, kept: Sequence[Block]) -> Found:
    """CoNLL-U Plus whose columns UP:PRED, UP:ARGSPANS (label:first-last|…) and UP:ARGHEADS (label:word|…) its first line names.

    Without spans each head is a span of one word. Without the column FORM the words are in the treebank's file beside this
    one (`x-ud-test.conllu` for `x-up-test.conllup`).

    source: https://github.com/UniversalPropositions, release 2
    """
    names = kept[0].comments.get("global.columns", "").split()
    argument = next((n for n in ("UP:ARGSPANS", "UP:ARGHEADS") if n in names), None)
    if argument is None or not {"ID", "UP:PRED"} <= set(names):
        wanted = "# global.columns = … with ID, UP:PRED and UP:ARGSPANS or UP:ARGHEADS"
        raise DataError(f"{path}:1", wanted, " ".join(names) or "no such line")
    kept = [plain_words(block).even() for block in kept]
    for block in kept:
        if len(block.rows[0]) != len(names):
            raise DataError(block.where(0), f"{len(names)} columns ({' '.join(names)})", str(len(block.rows[0])))
    at = {name: i for i, name in enumerate(names)}
    words = [block.column(at["FORM"]) for block in kept] if "FORM" in at else _treebank_words(path, kept)
    for block, own in zip(kept, words, strict=True):
        numbers = {number: i for i, number in enumerate(block.column(at["ID"]))}
        rolesets = [None if p == "_" else p for p in block.column(at["UP:PRED"])]
        roles = [
            [*_arguments(block, i, at[argument], numbers), WordSpan(VERB, i, i + 1)]
            for i, roleset in enumerate(rolesets) if roleset is not None
        ]  # fmt: skip
        yield Parsed(block=block, key=block.name, words=own, rolesets=rolesets, columns=roles)


def plain_words(block: Block) -> Block:
    """Without the lines of multiword tokens (1-2) and empty nodes (1.1).

    raises: DataError where words are not counted from 1
    """
    kept = [i for i, row in enumerate(block.rows) if not BETWEEN.fullmatch(row[0])]
    if not kept or block.rows[kept[0]][0] != "1":
        raise DataError(block.where(0), "a word's number in the first column, from 1", repr(block.rows[0][0]))
    plain = replace(block, rows=[block.rows[i] for i in kept], lines=[block.lines[i] for i in kept])
    if plain.counted(0):
        wrong = next(i for i, row in enumerate(plain.rows) if row[0] != str(i + 1))
        raise DataError(plain.where(wrong), f"the word's number in column 1: {wrong + 1}", repr(plain.rows[wrong][0]))
    return plain


def _treebank_words(path: Path, kept: Sequence[Block]) -> list[list[str]]:
    name = path.name.removesuffix(".gz").removesuffix(".conllup").replace("-up-", "-ud-")
    beside = next((p for gz in ("", ".gz") if (p := path.parent / f"{name}.conllu{gz}").is_file()), None)
    if beside is None:
        return [[UNKNOWN] * len(block.rows) for block in kept]
    own = [plain_words(block).even(least=2) for block in blocks(beside)]
    words = parallel(beside, [block.column(1) for block in own], kept)
    for block, other in zip(own, kept, strict=True):
        if "" != block.name != other.name != "":
            raise DataError(other.where(0), f"sentence {block.name[1:]}, as in {beside.name}", other.name[1:])
    return words


def _arguments(block: Block, row: int, column: int, numbers: dict[str, int]) -> set[WordSpan]:
    """A cell's arguments; several heads of one span name it again."""
    cell = block.rows[row][column]
    found = set()
    for item in cell.split("|") if cell != "_" else ():
        label, _, place = item.rpartition(":")
        start, _, end = place.partition("-")
        first, last = numbers.get(start), numbers.get(end or start)
        if not label or first is None or last is None or last < first:
            raise DataError(block.where(row), "arguments as LABEL:first-last or LABEL:word, with | between", repr(item))
        found.add(WordSpan(label, first, last + 1))
    return found


def is_conllu(first: Block) -> bool:
    """Whether the columns are CoNLL-U's (number, word, …, the head's number), and not many columns of tags."""
    rows = [row for row in first.rows if not BETWEEN.fullmatch(row[0])]
    headed = bool(rows) and all(len(row) >= 10 and row[0].isdigit() and (row[6] == "_" or row[6].isdigit()) for row in rows)
    return headed and rows[0][0] == "1" and not all(is_tag(cell) for row in rows for cell in row[4:])


def read_conllu(path: Path, kept: Sequence[Block]) -> Found:
    """CoNLL-U's columns or its forerunners', then one with rolesets or _, and a column of roles a predicate, each at its head.

    Release 1 of Universal Propositions has the rolesets behind 9 columns in most languages and behind 10 in English, CoNLL-2009
    behind 13. A sentence without predicates may have an empty column there. Each head is a span of one word.

    source: https://github.com/UniversalPropositions/UP-1.0
    """
    kept = [_without_empty(plain_words(block).even(least=10)) for block in kept]
    fitting = Counter(c for block in kept for c in range(9, 14) if _fits_rolesets(block, c))
    # of one sentence, other columns may fit by chance; those do not look like be.01
    looks = Counter(c for block in kept for row in block.rows for c in fitting if c < len(row) and ROLESET.fullmatch(row[c]))
    at = max(fitting, key=lambda c: (fitting[c], looks[c], -c), default=9)
    for block in kept:
        # a sentence without predicates may have no such column
        named = block.column(at) if at < len(block.rows[0]) else EMPTY[:1] * len(block.rows)
        rolesets = [None if cell in EMPTY else cell for cell in named]
        predicates = [i for i, roleset in enumerate(rolesets) if roleset is not None]
        columns = [
            [WordSpan(label, i, i + 1) for i, label in enumerate(block.column(c)) if label not in EMPTY]
            for c in range(at + 1, len(block.rows[0]))
        ]  # fmt: skip
        for i, column in zip(predicates, columns, strict=False):
            if not any(span.label in (VERB, CONTINUED_VERB) and span.start == i for span in column):
                column.append(WordSpan(VERB, i, i + 1))
        yield Parsed(block=block, key=block.name, words=block.column(1), rolesets=rolesets, columns=columns)


def _without_empty(block: Block) -> Block:
    """Without columns at the end that are empty in all rows; the first ten stay."""
    width = len(block.rows[0])
    while width > 10 and all(row[width - 1] == "" for row in block.rows):
        width -= 1
    return replace(block, rows=[row[:width] for row in block.rows])


def _fits_rolesets(block: Block, column: int) -> bool:
    """Whether a column names as many rolesets as there are columns behind it."""
    behind = len(block.rows[0]) - column - 1
    return behind >= 0 and sum(cell not in EMPTY for cell in block.column(column)) == behind
