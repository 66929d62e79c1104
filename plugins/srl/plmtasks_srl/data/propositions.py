"""Sentences with their predicates' roles: CoNLL-2012, CoNLL-2005, BIO columns and Universal Propositions."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from plmtasks.data import warn_flaws
from plmtasks.errors import DataError

from ..spans import Span, is_tag, misfit, read_brackets, read_tags
from .columns import Block, blocks, conll_files

VERB, CONTINUED_VERB = "V", "C-V"
"""The roles of the predicate's own words."""

NAMED = re.compile(r"#+\s*[\w.:-]+\s*=")
"""A line that names something, such as the sentence."""

UNKNOWN = "_"
"""Stands for each word where a file has roles without words."""


@dataclass(frozen=True, kw_only=True)
class Proposition:
    """A predicate and what plays a role in it."""

    predicate: int
    """The position of its word."""
    sense: str
    """The number of its roleset ("01"), as far as the file tells."""
    roles: tuple[Span, ...]
    """Disjoint; the predicate's words have the role V."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """The words of a sentence and all of its propositions."""

    id: str
    words: tuple[str, ...]
    propositions: tuple[Proposition, ...]
    where: str = ""
    """The place in the file of its first line."""


def read_sentences(path: Path) -> list[Sentence]:
    """The sentences of a file in any of the formats, or of all files in a folder's folders.

    Their ids are what the file names them, else document and part with a running number.

    raises: DataError
    """
    files = conll_files(path) if path.is_dir() else [path]
    seen: Counter[str] = Counter()
    found = []
    for sentence in (s for file in files for s in _read_file(file)):
        named = sentence.id.startswith("=")
        key = sentence.id.removeprefix("=")
        found.append(replace(sentence, id=key if named else "/".join(filter(None, (key, str(seen[key]))))))
        seen[key] += 1
    return found


def _read_file(path: Path) -> Iterator[Sentence]:
    kept = list(blocks(path, is_comment))
    if not kept:
        raise DataError(str(path), "sentences in columns", "no line with text")
    dropped = 0
    for sentence, lost in _reader(path, kept)(path, kept):
        dropped += lost
        yield sentence
    what = "a longer one or one that starts before, and"
    warn_flaws(str(path), dropped, f"arguments overlap {what} are left out", f"argument overlaps {what} is left out")


def is_comment(line: str) -> bool:
    """Starts with #, unless it is the row of the word #: those end in brackets or in no predicate."""
    last = line.split()[-1]
    return line.startswith("#") and (NAMED.match(line) is not None or not (last == "-" or "*" in last))


Found = Iterator[tuple[Sentence, int]]
"""A sentence, and how many arguments it lost since they overlap."""


def _reader(path: Path, kept: Sequence[Block]) -> Callable[[Path, Sequence[Block]], Found]:
    """Which format it is, by name and by the first row."""
    first = kept[0]
    row = first.rows[0]
    if ".conllup" in path.name or "global.columns" in first.comments:
        return _read_universal
    if "gold_conll" in path.name or (len(row) >= 8 and row[2].isdigit()):
        return _read_conll_2012
    numbered = first.column(0) in [[str(i + start) for i in range(len(first.rows))] for start in (0, 1)]
    if len(row) >= 4 and numbered and not any("*" in cell for cell in row[2:]):
        return _read_bio
    return _read_props


# ── CoNLL-2012 ────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_conll_2012(path: Path, kept: Sequence[Block]) -> Found:
    """Document, part, word number, word, part of speech, parse bit, then one of two forms.

    As PropBank has it: lemma, roleset ("be.01"), a column of brackets a predicate. As OntoNotes has it: lemma, roleset number
    ("01"), word sense, speaker, named entity, a column of brackets a predicate, coreference.
    """
    for block in kept:
        block.even()
        first = block.rows[0]
        if len(first) < 8:
            raise DataError(block.where(0), "at least 8 columns", str(len(first)))
        ontonotes = len(first) > 8 and "*" not in first[8]
        columns = range(11, len(first) - 1) if ontonotes else range(8, len(first))
        senses = [sense.rpartition(".")[2] if sense != "-" else None for sense in block.column(7)]
        key = f"={block.comments['sent_id']}" if "sent_id" in block.comments else f"{first[0]}/{first[1]}"
        yield _sentence(block, key, block.column(3), senses, [read_brackets(block.column(c), block.where) for c in columns])


# ── CoNLL-2005 ────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_props(path: Path, kept: Sequence[Block]) -> Found:
    """The predicates' lemmas, "-" for other words, then a column of brackets a predicate.

    Before the lemmas may be further columns, of which the first are the words. Else the words are in a file beside this
    one (`x.words` for `x.props`), or in `../words`.
    """
    at = _lemma_column(kept)
    words = _words_beside(path, kept) if at == 0 else [block.column(0) for block in kept]
    for block, own in zip(kept, words, strict=True):
        block.even()
        senses = [None if lemma == "-" else "" for lemma in block.column(at)]
        columns = range(at + 1, len(block.rows[0]))
        yield _sentence(block, "", own, senses, [read_brackets(block.column(c), block.where) for c in columns])


def _lemma_column(kept: Sequence[Block]) -> int:
    """The column behind which most sentences have as many columns as it names predicates."""

    def fits(block: Block, column: int) -> bool:
        cells = [row[column] if column < len(row) else "*" for row in block.rows]
        roles = block.rows[0][column + 1 :]
        brackets = all("*" in cell for cell in roles) and not any("*" in cell for cell in cells)
        return brackets and len(cells) - cells.count("-") == len(roles)

    fitting = Counter(column for block in kept for column in range(min(len(block.rows[0]), 8)) if fits(block, column))
    return max(fitting, key=lambda column: (fitting[column], -column), default=0)


def _words_beside(path: Path, kept: Sequence[Block]) -> list[list[str]]:
    name = path.name.removesuffix(".gz").removesuffix(".props")
    places = [folder / f"{name}.words{gz}" for folder in (path.parent, path.parent.parent / "words") for gz in ("", ".gz")]
    beside = next((place for place in places if place.is_file()), None)
    if beside is None:
        return [[UNKNOWN] * len(block.rows) for block in kept]
    return _parallel(beside, [block.column(0) for block in blocks(beside, lambda line: False)], kept)


def _parallel(beside: Path, words: list[list[str]], kept: Sequence[Block]) -> list[list[str]]:
    if len(words) != len(kept):
        raise DataError(str(beside), f"{len(kept)} sentences as in {kept[0].path.name}", str(len(words)))
    for own, block in zip(words, kept, strict=True):
        if len(own) != len(block.rows):
            raise DataError(block.where(0), f"{len(own)} lines, one for each word in {beside.name}", str(len(block.rows)))
    return words


# ── BIO columns ───────────────────────────────────────────────────────────────────────────────────────────────────


def _read_bio(path: Path, kept: Sequence[Block]) -> Found:
    """Word number, word, part of speech, roleset or "-", then a column of IOB2 tags a predicate."""
    for block in kept:
        block.even()
        senses = [None if sense == "-" else sense.rpartition(".")[2] for sense in block.column(3)]
        roles = [_tagged(block, block.column(c)) for c in range(4, len(block.rows[0]))]
        key = f"={block.comments['sent_id']}" if "sent_id" in block.comments else ""
        yield _sentence(block, key, block.column(1), senses, roles)


def _tagged(block: Block, tags: Sequence[str]) -> list[Span]:
    wrong = misfit(tags, "IOB2")
    if wrong is not None:
        expected = "O, B-ROLE, or I-ROLE behind a tag of that role" if is_tag(tags[wrong]) else "a tag: O, B-ROLE or I-ROLE"
        raise DataError(block.where(wrong), expected, repr(tags[wrong]))
    return read_tags(tags)


# ── Universal Propositions ────────────────────────────────────────────────────────────────────────────────────────


def _read_universal(path: Path, kept: Sequence[Block]) -> Found:
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
    kept = [_plain_words(block.even()) for block in kept]
    at = {name: i for i, name in enumerate(names)}
    words = [block.column(at["FORM"]) for block in kept] if "FORM" in at else _treebank_words(path, kept)
    for block, own in zip(kept, words, strict=True):
        if len(block.rows[0]) != len(names):
            raise DataError(block.where(0), f"{len(names)} columns ({' '.join(names)})", str(len(block.rows[0])))
        numbers = {number: i for i, number in enumerate(block.column(at["ID"]))}
        senses = [None if p == "_" else p.rpartition(".")[2] for p in block.column(at["UP:PRED"])]
        roles = [
            [*_arguments(block, i, at[argument], numbers), Span(VERB, i, i + 1)]
            for i, sense in enumerate(senses) if sense is not None
        ]  # fmt: skip
        key = f"={block.comments['sent_id']}" if "sent_id" in block.comments else ""
        yield _sentence(block, key, own, senses, roles)


def _plain_words(block: Block) -> Block:
    """Without the lines of multiword tokens (1-2) and empty nodes (1.1)."""
    kept = [i for i, row in enumerate(block.rows) if row[0].isdigit()]
    if not kept:
        raise DataError(block.where(0), "a word's number in the first column", repr(block.rows[0][0]))
    return replace(block, rows=[block.rows[i] for i in kept], lines=[block.lines[i] for i in kept])


def _treebank_words(path: Path, kept: Sequence[Block]) -> list[list[str]]:
    name = path.name.removesuffix(".gz").removesuffix(".conllup").replace("-up-", "-ud-")
    beside = next((p for gz in ("", ".gz") if (p := path.parent / f"{name}.conllu{gz}").is_file()), None)
    if beside is None:
        return [[UNKNOWN] * len(block.rows) for block in kept]
    return _parallel(beside, [_plain_words(block).column(1) for block in blocks(beside, is_comment)], kept)


def _arguments(block: Block, row: int, column: int, numbers: dict[str, int]) -> set[Span]:
    """A cell's arguments; several heads of one span name it again."""
    cell = block.rows[row][column]
    found = set()
    for item in cell.split("|") if cell != "_" else ():
        label, _, place = item.rpartition(":")
        start, _, end = place.partition("-")
        first, last = numbers.get(start), numbers.get(end or start)
        if not label or first is None or last is None or last < first:
            raise DataError(block.where(row), "arguments as LABEL:first-last or LABEL:word, with | between", repr(item))
        found.add(Span(label, first, last + 1))
    return found


# ── all ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SHORT = re.compile(r"((?:[CR]-)*)A([0-9AM])(-.*)?")


@cache
def role_name(label: str) -> str:
    """CoNLL-2005's and Universal Propositions' short names as PropBank writes them: A0, AM-TMP → ARG0, ARGM-TMP."""
    match = SHORT.fullmatch(label)
    return f"{match[1]}ARG{match[2]}{match[3] or ''}" if match else label


def _sentence(
    block: Block, key: str, words: Sequence[str], senses: Sequence[str | None], columns: Sequence[Iterable[Span]]
) -> tuple[Sentence, int]:
    """A sentence of its columns, one for each word with a sense, in their order.

    raises: DataError if they do not go together
    """
    predicates = [(i, sense) for i, sense in enumerate(senses) if sense is not None]
    if len(predicates) != len(columns):
        expected = f"a role column for each of the sentence's {len(predicates)} predicates"
        raise DataError(block.where(0), expected, str(len(columns)))
    propositions, lost = [], 0
    for (position, sense), column in zip(predicates, columns, strict=True):
        named = [Span(role_name(label), start, end) for label, start, end in column]
        if not any(s.label in (VERB, CONTINUED_VERB) and s.start <= position < s.end for s in named):
            has = next((s.label for s in named if s.start <= position < s.end), "no role")
            raise DataError(block.where(position), f"the role V at the predicate {words[position]!r} of the column", has)
        roles, dropped = lay_flat(named)
        propositions.append(Proposition(predicate=position, sense=sense, roles=roles))
        lost += dropped
    return Sentence(id=key, words=tuple(words), propositions=tuple(propositions), where=block.where(0)), lost


def lay_flat(spans: Iterable[Span]) -> tuple[tuple[Span, ...], int]:
    """Disjoint spans, and how many were left out for it.

    An argument around the predicate becomes the part before and its continuation (C-) behind. Of two that overlap, the one
    that starts first stays, the longer of those.
    """
    spans = sorted(spans, key=lambda s: s.start)
    if all(before.end <= span.start for before, span in pairwise(spans)):
        return tuple(spans), 0
    spans.sort(key=lambda s: (s.label not in (VERB, CONTINUED_VERB), s.start, -s.end))
    taken: dict[int, str] = {}
    kept: list[Span] = []
    dropped = 0
    for span in spans:
        others = {taken[i] for i in range(span.start, span.end) if i in taken}
        if not others <= {VERB, CONTINUED_VERB} or (others and span.label in (VERB, CONTINUED_VERB)):
            dropped += 1
            continue
        pieces = _pieces([i for i in range(span.start, span.end) if i not in taken])
        dropped += not pieces
        for number, (start, end) in enumerate(pieces):
            kept.append(Span(f"C-{span.label}" if number else span.label, start, end))
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
