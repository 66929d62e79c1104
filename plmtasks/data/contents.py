"""What a split holds, in a line for whoever starts a run; and what of its labels is probably a slip."""

import json
import warnings
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from ..errors import DataWarning, counted
from ..examples import Example
from ..requests import strings
from .dataset import Dataset, is_empty
from .division import Divided
from .languages import has_script
from .places import Places
from .references import is_spans, labels_of
from .slices import texts

SHOWN = 8
"""Labels that are told with their counts."""

UNSPACED_SCRIPTS = ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan")

SEEN = 100
"""Texts by which it is told whether words are set apart."""

SHORT = 40
"""Characters of a text that is named."""


def contents(data: Dataset, split: str, labels: Sequence[str]) -> str:
    """test: 200 examples: negative 87, positive 113; 14 words in the median, 212 at most; 2 with an empty text; 7 repeat another

    labels: what can be predicted, where that is a closed set; else it is told how long references are
    """
    examples = data[split]
    counts = Counter(label for e in examples for label in labels_of(e)) if labels else Counter[str]()
    here = [label for label in labels if label in counts]
    shown = here if len(here) <= SHOWN else sorted(here, key=lambda label: -counts[label])[:SHOWN]
    told = ", ".join(f"{_named(label)} {counts[label]:,}" for label in shown)
    told += f" and {len(here) - SHOWN} more" * (len(here) > SHOWN)
    references = [] if labels else [found for e in examples if (found := _texts_of(e.reference)) is not None]
    numbers = [e.reference for e in examples if isinstance(e.reference, float)]
    written = [found[:1] for found in references if found]
    empty = sum(map(is_empty, examples))
    again = [] if data.published else _again(examples)
    repeated = len(again) - len({*map(_asked, again)})
    return "; ".join([
        f"{split}: {counted(len(examples), 'example')}" + (f": {told}" if told else ""),
        _lengths(list(strings(e.inputs) if e.prompted else texts(e)) for e in examples),
        *([f"references: {_lengths(written)}"] if written else []),
        *([f"references: {min(numbers):g} to {max(numbers):g}, {_median(numbers):g} in the median"] if numbers else []),
        *([f"{len(references) - len(written):,} without an answer"] if len(written) < len(references) else []),
        *([f"{empty:,} with an empty text"] if empty else []),
        *([f"{repeated:,} {'repeats' if repeated == 1 else 'repeat'} another"] if repeated else []),
    ])  # fmt: skip


def _named(label: str) -> str:
    """A label beside a count; one that might be taken for a count itself stands in quotes."""
    return label if any(map(str.isalpha, label)) else repr(label)


def _texts_of(reference: Any) -> list[str] | None:
    """The texts of a reference that is written, or stands in a context; None: it is none."""
    found = reference.get("text") if isinstance(reference, Mapping) else reference
    found = [found] if isinstance(found, str) else found
    return list(found) if isinstance(found, (list, tuple)) and all(isinstance(one, str) for one in found) else None


def _lengths(found: Iterable[Sequence[str]]) -> str:
    """How long the texts of each example are together: in words, or in characters where words are not set apart."""
    from statistics import median_low

    found = iter(found)
    first = list(islice(found, SEEN))
    seen = [text for some in first for text in some]
    spaced = 2 * sum(has_script(text, *UNSPACED_SCRIPTS) for text in seen) <= len(seen)
    lengths = [sum([len(text.split()) if spaced else len(text) for text in some]) for some in chain(first, found)]
    return f"{counted(median_low(lengths), 'word' if spaced else 'character')} in the median, {max(lengths):,} at most"


_text = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=str).encode


def _asked(example: Example) -> Hashable:
    """Of examples that ask the same it is the same."""
    values = list(example.inputs.items())
    return values[0] if len(values) == 1 and isinstance(values[0][1], str) else _text(example.inputs)


def _again(examples: Sequence[Example]) -> list[Example]:
    """Those that ask what others ask too."""
    return [examples[place] for place in Places(len(examples), lambda place: _asked(examples[place])).again()]


def warn_of_labels(data: Dataset, splits: Iterable[str], *, learned: str | None) -> None:
    """Warns of labels that are probably a slip in a user's own data.

    data: of a task whose predictions are labels
    learned: the split that a model learns from, of which a label should occur more than once; None: none
    """
    if data.published:
        return
    if isinstance(data, Divided):  # one part may well have one of a label
        warn_of_labels(data.whole, [data.of], learned=data.of)
        return
    for split in splits:
        where = f"{data.name}, split {split}" if len(data.splits) > 1 else data.name
        for said in label_flaws(data[split], once=split == learned):
            warnings.warn(f"{where}: {said}", DataWarning, stacklevel=2)


def label_flaws(examples: Sequence[Example], *, once: bool) -> Iterator[str]:
    """What of the labels is probably a slip, and what to do.

    once: also those that occur once, which nothing can be learned of
    """
    counts = Counter(label for e in examples for label in labels_of(e))
    spellings: dict[str, list[str]] = {}
    for label in counts:
        spellings.setdefault("".join(label.casefold().split()), []).append(label)
    alike = [sorted(same, key=lambda label: -counts[label]) for same in spellings.values() if len(same) > 1]
    for same in alike[:SHOWN]:
        found = " and ".join(f"{label!r} ({counts[label]:,})" for label in same)
        yield f"the labels {found} differ in case or white space alone: if they are one, write them alike in the file"
    told = {label for same in alike for label in same}
    single = [label for label, n in counts.items() if n == 1 and label not in told]
    if once and 0 < len(single) < len(counts) and not any(is_spans(e.reference) for e in examples if e.reference):
        more = f" and {len(single) - SHOWN} more" * (len(single) > SHOWN)
        names = ", ".join(f"{label!r:.40}" for label in single[:SHOWN]) + more
        occur = counted(len(single), "label occurs", "labels occur")
        yield f"{occur} once, too seldom to be learned: {names}; correct what is a slip, else add examples or leave them out"
    yield from _contradictions(examples)


def _contradictions(examples: Sequence[Example]) -> Iterator[str]:
    """The same text with one label here and another there, of which a model can have one alone."""
    first: dict[Hashable, str] = {}
    labelled = [e for e in _again(examples) if isinstance(e.reference, str)]
    more = {text for e in labelled if first.setdefault(text := _asked(e), e.reference) != e.reference}
    found: dict[Hashable, dict[str, Example]] = {}
    for example in labelled if more else ():
        if (text := _asked(example)) in more:
            found.setdefault(text, {}).setdefault(example.reference, example)
    if doubtful := list(found.values()):
        text = " ".join(texts(next(iter(doubtful[0].values()))))
        stand = counted(len(doubtful), "text stands", "texts stand")
        shown = text if len(text) <= SHORT else f"{text[:SHORT]}…"
        example_of = f"{shown!r}: {' and '.join(map(repr, sorted(doubtful[0])))}"
        yield f"{stand} there with more than one label, such as {example_of}; keep the one that is right"


def _median(numbers: Sequence[float]) -> float:
    from statistics import median  # takes some milliseconds to import

    return median(numbers)
