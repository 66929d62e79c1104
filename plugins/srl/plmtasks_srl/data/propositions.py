"""Sentences with their predicates' roles: CoNLL-2012, CoNLL-2005, BIO columns, and the readers of Universal Propositions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from plmtasks.data import warn_flaws
from plmtasks.errors import DataError
from plmtasks.reading import tags_to_spans

from ..spans import count_misfits, is_tag, read_brackets
from .columns import UNKNOWN, Block, blocks, conll_files, is_row
from .sentences import Found, Parsed, Sentence, assemble, parallel
from .universal import is_conllu, read_conllu, read_universal

LEFT_OUT = "words are left out, by the numbers of those around them"


def read_sentences(path: Path, predicted: bool = False) -> list[Sentence]:
    """The sentences of a file in any of the formats, or of all files in a folder's folders.

    Their ids are what the file names them, else document and part with a running number.

    predicted: by a system, which may have missed all roles, V among them

    raises: DataError
    """
    files = conll_files(path) if path.is_dir() else [path]
    seen: Counter[str] = Counter()
    found = []
    for sentence in (s for file in files for s in _read_file(file, predicted)):
        named = sentence.id.startswith("=")
        key = sentence.id.removeprefix("=")
        found.append(replace(sentence, id=key if named else "/".join(filter(None, (key, str(seen[key]))))))
        seen[key] += 1
    return found


def _read_file(path: Path, predicted: bool) -> Iterator[Sentence]:
    kept = list(blocks(path, is_props))
    if not kept:
        raise DataError(str(path), "sentences in columns", "no line with text")
    read = _reader(path, kept[0])
    if read is not _read_props:
        kept = list(blocks(path))
    dropped = 0
    for parsed in read(path, kept):
        sentence, lost = assemble(parsed, predicted)
        dropped += lost
        yield sentence
    what = "a longer one or one that starts before, and"
    warn_flaws(str(path), dropped, f"arguments overlap {what} are left out", f"argument overlaps {what} is left out")


def is_props(cells: Sequence[str], width: int | None) -> bool:
    """Whether it is a line of props, in which a word or a lemma comes first: those end in brackets or in no predicate."""
    return is_row(cells, width) and (cells[-1] == "-" or "*" in cells[-1])


def _reader(path: Path, first: Block) -> Callable[[Path, Sequence[Block]], Found]:
    """Which format it is, by name and by the first sentence."""
    row = first.rows[0]
    universal = "global.columns" in first.comments
    if not universal and is_conllu(first):
        return read_conllu
    if universal or ".conllup" in path.name:
        return read_universal
    if "gold_conll" in path.name or (len(row) >= 8 and row[2].isdigit()):
        return _read_conll_2012
    numbered = row[0] in ("0", "1") and all(cells[0].isdigit() for cells in first.rows)
    if len(row) >= 4 and numbered and not any("*" in cell for cell in row[2:]):
        return _read_bio
    return _read_props


# ── CoNLL-2012 ────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_conll_2012(path: Path, kept: Sequence[Block]) -> Found:
    """Document, part, word number, word, part of speech, parse bit, then one of two forms.

    As PropBank has it: lemma, roleset ("be.01"), a column of brackets a predicate. As OntoNotes has it: lemma, roleset number
    ("01"), word sense, speaker, named entity, a column of brackets a predicate, coreference.
    """
    left_out = 0
    for block in kept:
        first = block.even(least=8).rows[0]
        left_out += block.counted(2)
        ontonotes = len(first) > 8 and "*" not in first[8]
        columns = range(11, len(first) - 1) if ontonotes else range(8, len(first))
        # a roleset, or its number alone behind the lemma
        named = [r if "." in r else f"{lemma}.{r}" for lemma, r in zip(block.column(6), block.column(7), strict=True)]
        rolesets = [None if r == "-" else name for name, r in zip(named, block.column(7), strict=True)]
        yield Parsed(
            block=block, key=block.name or f"{first[0]}/{first[1]}", words=block.column(3), rolesets=rolesets,
            columns=[read_brackets(block.column(c), block.where) for c in columns],
        )  # fmt: skip
    warn_flaws(str(path), left_out, LEFT_OUT)


# ── CoNLL-2005 ────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_props(path: Path, kept: Sequence[Block]) -> Found:
    """The predicates' lemmas, "-" for other words, then a column of brackets a predicate.

    Before the lemmas may be further columns, of which the first are the words. Else the words are in a file beside this
    one (`x.words` for `x.props`), or in `../words`.
    """
    at = _lemma_column(kept)
    words = _words_beside(path, kept) if at == 0 else [block.column(0) for block in kept]
    for block, own in zip(kept, words, strict=True):
        block.even(least=at + 1)
        yield Parsed(
            block=block, key="", words=own, rolesets=[None if lemma == "-" else f"{lemma}." for lemma in block.column(at)],
            columns=[read_brackets(block.column(c), block.where) for c in range(at + 1, len(block.rows[0]))],
        )  # fmt: skip


def _lemma_column(kept: Sequence[Block]) -> int:
    """The column behind which most sentences have as many columns as it names predicates."""

    def fits(block: Block, column: int) -> bool:
        cells = [row[column] if column < len(row) else "*" for row in block.rows]
        roles = block.rows[0][column + 1 :]
        brackets = all("*" in cell for cell in roles) and not any("*" in cell for cell in cells)
        nothing = cells.count("-") == len(cells) and all(cell == "*" for row in block.rows for cell in row[column + 1 :])
        return brackets and (nothing or len(cells) - cells.count("-") == len(roles))

    fitting = Counter(column for block in kept for column in range(min(len(block.rows[0]), 8)) if fits(block, column))
    return max(fitting, key=lambda column: (fitting[column], -column), default=0)


def _words_beside(path: Path, kept: Sequence[Block]) -> list[list[str]]:
    name = path.name.removesuffix(".gz").removesuffix(".props")
    places = [folder / f"{name}.words{gz}" for folder in (path.parent, path.parent.parent / "words") for gz in ("", ".gz")]
    beside = next((place for place in places if place.is_file()), None)
    if beside is None:
        return [[UNKNOWN] * len(block.rows) for block in kept]
    return parallel(beside, [block.column(0) for block in blocks(beside, lambda cells, width: True)], kept)


# ── BIO columns ───────────────────────────────────────────────────────────────────────────────────────────────────


def _read_bio(path: Path, kept: Sequence[Block]) -> Found:
    """Word number, word, part of speech, roleset or "-", then a column of IOB2 tags a predicate.

    Tags that continue nothing open a span, and are counted, with a warning.
    """
    tagged, left_out = [], 0
    for block in kept:
        left_out += block.even(least=4).counted(0)
        columns = [_tags(block, c) for c in range(4, len(block.rows[0]))]
        tagged += [(tags, block.where) for tags in columns]
        yield Parsed(
            block=block, key=block.name, words=block.column(1),
            rolesets=[None if roleset == "-" else roleset for roleset in block.column(3)],
            columns=[tags_to_spans(tags) for tags in columns],
        )  # fmt: skip
    count_misfits(path, tagged, "IOB2")
    warn_flaws(str(path), left_out, LEFT_OUT)


def _tags(block: Block, column: int) -> list[str]:
    tags = block.column(column)
    for i, tag in enumerate(tags):
        if not is_tag(tag):
            raise DataError(block.where(i), "a tag: O, B-ROLE or I-ROLE", repr(tag))
    return tags
