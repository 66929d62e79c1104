"""Somebody else's predictions, laid beside the examples."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from plmtasks.data import warn_flaws
from plmtasks.errors import DataError, counted
from plmtasks.examples import Example, Prediction
from plmtasks.reading import OUTSIDE, spans_to_tags, tags_to_spans

from .data.columns import UNKNOWN
from .data.entities import Tagged
from .data.sentences import has_words
from .spans import Where, find_flaw, is_tag, plain, spans_of

TAGS_RIGHT = "tags_right"
"""The score of a prediction given as tags: how many are the reference's, both as their files write them."""

SOUGHT = 200
"""So many sentences of which half of all words differ are held against each other; where more do, the files do not agree."""

ESCAPED = re.compile(r"[\s*#=]")
"""What cannot stand everywhere in columns, and is written as _."""


@dataclass(frozen=True, kw_only=True)
class Written(Example):
    """An example whose file tells more of its words than is asked: predictions in columns are held against it."""

    tags: tuple[str, ...] = ()
    """As the file has them, in any scheme and with its flaws."""
    lemmas: Mapping[int, str] = field(default_factory=dict)
    """Position → lemma, of the sentence's predicates."""

    def hidden(self) -> Example:
        return Example(id=self.id, inputs=self.inputs, cluster=self.cluster)


class InColumns(Protocol):
    """A sentence of a file of predictions."""

    @property
    def words(self) -> tuple[str, ...]: ...

    @property
    def lemmas(self) -> Mapping[int, str]: ...

    @property
    def where(self) -> Where: ...


S = TypeVar("S", bound=InColumns)


def in_order(path: Path, sentences: Sequence[S], examples: Sequence[Example], whole: bool = True) -> list[tuple[Example, S]]:
    """Each example with the file's sentence of its number.

    A file may have all sentences of the references' file, or only those that there are examples of.

    whole: there is an example of each of the references' sentences

    raises: DataError if the sentences do not fit in number, length or words
    """
    first = {e.inputs["number"]: e for e in reversed(examples)}
    numbers = sorted(first)
    every = whole and len(numbers) == numbers[-1] + 1
    if len(sentences) == len(numbers):
        places = {number: i for i, number in enumerate(numbers)}
    elif len(sentences) > numbers[-1] and not every:
        places = {number: number for number in numbers}
    else:
        least = "" if every else "at least "
        raise DataError(str(path), f"{least}{counted(numbers[-1] + 1, 'sentence')}, as in the references", str(len(sentences)))
    paired = {number: (first[number], sentences[places[number]]) for number in numbers}
    for example, sentence in paired.values():
        expected, found = len(example.inputs["words"]), len(sentence.words)
        if expected != found:
            raise DataError(
                sentence.where(0), f"the {counted(expected, 'word')} of {_named(example)}", f"{found}: {_shown(sentence.words)}"
            )
    _hold_words(path, list(paired.values()))
    return [(e, paired[e.inputs["number"]][1]) for e in examples]


def _hold_words(path: Path, paired: Sequence[tuple[Example, InColumns]]) -> None:
    """Counts the words of a file that are not the references', with a warning that names the first.

    Systems normalize links, digits and brackets, so that some may differ. But where the words are another sentence's that is
    not in its own place either, or half of all words differ, the two files do not belong together. Where one has no words, the
    predicates' lemmas are compared; those are only counted, since lemmatizers differ.

    raises: DataError
    """
    wanted = [_spellings(e.inputs["words"], e.lemmas if isinstance(e, Written) else {}) for e, _ in paired]
    found = [_spellings(s.words, s.lemmas) for _, s in paired]
    compared = [_differing(*pair) for pair in zip(found, wanted, strict=True)]
    displaced = [i for i, (differing, _) in enumerate(compared) if differing]
    worded = [i for i in displaced if _worded(*paired[i])]
    whose = {_text(paired[i][0].inputs["words"]): i for i in worded}
    strange = [i for i in worded if 2 * len(compared[i][0]) >= compared[i][1]][:SOUGHT]
    for i in worded:
        differing, told = compared[i]
        exact = whose.get(_text(paired[i][1].words), i)
        alike = [j for j in strange if len(wanted[j]) == len(found[i])] if i in strange else []
        for j in (exact, *alike):
            others = len(_differing(found[i], wanted[j])[0])
            if others < len(differing) and 2 * others < told:
                said = f"{_shown(paired[i][1].words)}, which is {_named(paired[j][0])}: the sentences are in another order"
                raise DataError(paired[i][1].where(0), _named(paired[i][0]), said)
    if displaced:
        wrong = [(i, word) for i in displaced for word in compared[i][0]]
        _tell(path, wrong, sum(told for _, told in compared), paired)


def _worded(example: Example, sentence: InColumns) -> bool:
    return has_words(sentence.words) and has_words(example.inputs["words"])


def _text(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(_spell, words))


def _tell(path: Path, wrong: Sequence[tuple[int, int]], told: int, paired: Sequence[tuple[Example, InColumns]]) -> None:
    """Warns of words that differ; raises: DataError if they are most of those that are told."""
    i, word = wrong[0]
    example, sentence = paired[i]
    worded = _worded(example, sentence)
    written = example.lemmas if isinstance(example, Written) else {}
    expected = example.inputs["words"][word] if worded else written.get(word) or example.inputs["words"][word]
    found = sentence.words[word] if worded else sentence.lemmas.get(word) or sentence.words[word]
    if 2 * len(wrong) > told and worded:
        way = "the two files do not belong together"
        raise DataError(sentence.where(word), f"{expected!r}, a word of {_named(example)}", repr(found), way)
    first = f"the first: {sentence.where(word)}, {found!r} for {expected!r}"
    doubt = "" if worded else "; are the sentences in another order?"
    warn_flaws(str(path), len(wrong), f"of {told} words are not the references'; {first}{doubt}")


def _spellings(words: Sequence[str], lemmas: Mapping[int, str]) -> list[set[str]]:
    """What each word may be called; nothing: that is not known."""
    return [{_spell(name) for name in (word, lemmas.get(i, "")) if name not in (UNKNOWN, "")} for i, word in enumerate(words)]


def _differing(found: Sequence[set[str]], wanted: Sequence[set[str]]) -> tuple[list[int], int]:
    """The positions of the words that have no name in common, and how many could be compared."""
    compared = [(i, a & b) for i, (a, b) in enumerate(zip(found, wanted, strict=True)) if a and b]
    return [i for i, common in compared if not common], len(compared)


def _spell(word: str) -> str:
    return ESCAPED.sub("_", word)


def _named(example: Example) -> str:
    """A sentence for a message."""
    return f"sentence {example.cluster or example.id} {_shown(example.inputs['words'])}"


def _shown(words: Sequence[str]) -> str:
    return "(without words)" if not has_words(words) else repr(" ".join(words[:6]) + (" …" if len(words) > 6 else ""))


def find_words(sentences: Sequence[Tagged], examples: Sequence[Example]) -> list[Tagged]:
    """The sentences of a file of columns, with their words from the column that has the most of the references'."""
    own = {e.inputs["number"]: e.inputs["words"] for e in examples}
    ordered = [own[number] for number in sorted(own)]
    width = min(len(s.before) for s in sentences)

    def right(column: int) -> int:
        pairs = zip(sentences, ordered, strict=False)  # their numbers may differ, which is found later
        return sum(a == b for s, words in pairs for a, b in zip(s.before[column], words, strict=False))

    at = max(range(width), key=lambda column: (right(column), -column), default=None)
    return list(sentences) if at is None else [replace(s, words=s.before[at], before=s.before[at + 1 :]) for s in sentences]


def count_other_references(path: Path, paired: Sequence[tuple[Example, Tagged]]) -> None:
    """Warns where the column before the last has the references' tags, as conlleval wants them, and they are others here."""
    beside = [(e, s, s.before[-1]) for e, s in paired if s.before]
    if not all(is_tag(tag) for *_, tags in beside for tag in tags):
        return
    labels = {span.label for *_, tags in beside for span in tags_to_spans(tags)}
    if not labels & {span.label for e, _ in paired for span in spans_of(e.reference or ())}:
        return
    wrong = [(e, s) for e, s, tags in beside if tags_to_spans(tags) != sorted(spans_of(e.reference), key=lambda span: span.start)]
    if wrong:
        e, s = wrong[0]
        what = "sentences have other tags than the references in the column before the last, which does not count; the first"
        warn_flaws(str(path), len(wrong), f"{what}: {s.where(0)}, {_named(e)}")


def tags_right(tags: Sequence[str], example: Example) -> int:
    """How many tags are the reference's, as conlleval counts them: letter for letter."""
    own = example.tags if isinstance(example, Written) and example.tags else None
    wanted = own or spans_to_tags(spans_of(example.reference or ()), len(example.inputs["words"]))
    return sum(a == b for a, b in zip(tags, wanted, strict=True))


def check_spans(path: Path, found: Mapping[str, Prediction], examples: Sequence[Example]) -> dict[str, Prediction]:
    """Predictions of JSON as disjoint spans within their sentences; a list of tags will do, and null or "" for nothing.

    raises: DataError
    """
    known = {e.id: e for e in examples}
    words = {e.id: e.inputs["words"] for e in examples}
    read = {}
    for id_, prediction in found.items():
        where, value, scores = f"{path}: {id_}", prediction.value, prediction.scores
        if value in (None, ""):
            value = []
        if isinstance(value, list) and value and all(isinstance(tag, str) for tag in value):
            tags = _tags(where, value, len(words.get(id_, value)))
            value = plain(tags_to_spans(tags))
            scores = {**scores, TAGS_RIGHT: tags_right(tags, known[id_])} if id_ in known else scores
        if not (isinstance(value, list) and all(_is_span(item) for item in value)):
            raise DataError(where, "a list of [label, start, end], or of a tag for each word", repr(value)[:80])
        flaw = find_flaw(spans_of(value), len(words[id_])) if id_ in words else None
        if flaw is not None:
            raise DataError(where, "disjoint spans of the sentence's words, from 0, their ends behind them", flaw)
        read[id_] = Prediction(value=plain(spans_of(value)), scores=scores)
    return read


def _tags(where: str, tags: list[str], length: int) -> list[str]:
    wrong = next((tag for tag in tags if not is_tag(tag)), None)
    if wrong is not None or len(tags) != length:
        raise DataError(where, f"{length} tags: {OUTSIDE}, B-… or I-…", f"{len(tags)}" if wrong is None else repr(wrong))
    return tags


def _is_span(item: Any) -> bool:
    form = (str, int, int)
    return isinstance(item, list) and len(item) == 3 and all(isinstance(v, t) for v, t in zip(item, form, strict=True))
