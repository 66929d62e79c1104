"""Somebody else's predictions, laid beside the examples."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from plmtasks.data import counted
from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction

from .spans import OUTSIDE, find_flaw, is_tag, plain, read_tags, spans_of


class HasWords(Protocol):
    """A sentence of a file of predictions."""

    @property
    def words(self) -> tuple[str, ...]: ...


S = TypeVar("S", bound=HasWords)


def in_order(path: Path, sentences: Sequence[S], examples: Sequence[Example]) -> Iterator[tuple[Example, S]]:
    """Each example with the file's sentence of its number.

    A file may have all sentences of the references' file, or only those that there are examples of.

    raises: DataError if the sentences do not fit in number or length
    """
    numbers = list(dict.fromkeys(e.inputs["number"] for e in examples))
    if len(sentences) > max(numbers):
        places = {number: number for number in numbers}
    elif len(sentences) == len(numbers):
        places = {number: i for i, number in enumerate(numbers)}
    else:
        raise DataError(str(path), f"at least {counted(max(numbers) + 1, 'sentence')}, as in the references", str(len(sentences)))
    for example in examples:
        sentence = sentences[places[example.inputs["number"]]]
        expected, found = len(example.inputs["words"]), len(sentence.words)
        if expected != found:
            raise DataError(
                _where(path, sentence, places[example.inputs["number"]]),
                f"{counted(expected, 'word')}, as the reference {example.id!r} has",
                str(found),
            )
        yield example, sentence


def _where(path: Path, sentence: Any, place: int) -> str:
    """The sentence's line, as far as the reader told."""
    where = getattr(sentence, "where", None)
    return (where(0) if callable(where) else where) or f"{path}: sentence {place + 1}"


def check_spans(path: Path, found: Mapping[str, Prediction], examples: Sequence[Example]) -> dict[str, Prediction]:
    """Predictions of JSON as disjoint spans within their sentences; a list of tags will do, too.

    raises: DataError
    """
    words = {e.id: e.inputs["words"] for e in examples}
    read = {}
    for id_, prediction in found.items():
        where, value = f"{path}: {id_}", prediction.value
        if isinstance(value, list) and value and all(isinstance(tag, str) for tag in value):
            value = plain(read_tags(_tags(where, value, len(words.get(id_, value)))))
        if not (isinstance(value, list) and all(_is_span(item) for item in value)):
            raise DataError(where, "a list of [label, start, end], or of a tag for each word", repr(value)[:80])
        flaw = find_flaw(spans_of(value), len(words[id_])) if id_ in words else None
        if flaw is not None:
            raise DataError(where, "disjoint spans of the sentence's words, from 0, their ends behind them", flaw)
        read[id_] = Prediction(value=plain(spans_of(value)), scores=prediction.scores)
    return read


def _tags(where: str, tags: list[str], length: int) -> list[str]:
    wrong = next((tag for tag in tags if not is_tag(tag)), None)
    if wrong is not None or len(tags) != length:
        raise DataError(where, f"{length} tags: {OUTSIDE}, B-… or I-…", f"{len(tags)}" if wrong is None else repr(wrong))
    return tags


def _is_span(item: Any) -> bool:
    form = (str, int, int)
    return isinstance(item, list) and len(item) == 3 and all(isinstance(v, t) for v, t in zip(item, form, strict=True))
