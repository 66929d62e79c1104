"""What a split holds, in a line for whoever starts a run; and what of its labels is probably a slip."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median_low

from ..errors import DataWarning, counted
from ..examples import Example
from .dataset import Dataset, is_empty
from .division import Divided
from .languages import is_spaced
from .references import is_spans, labels_of
from .slices import texts

SHOWN = 8
"""Labels that are told with their counts."""


def contents(data: Dataset, split: str, labels: Sequence[str], language: str) -> str:
    """test: 200 examples: negative 87, positive 113; 14 words in the median, 212 at most; 2 with an empty text

    labels: what can be predicted, where that is a closed set
    """
    examples = data[split]
    counts = Counter(label for e in examples for label in labels_of(e)) if labels else Counter[str]()
    here = [label for label in labels if label in counts]
    shown = here if len(here) <= SHOWN else sorted(here, key=lambda label: -counts[label])[:SHOWN]
    told = ", ".join(f"{label} {counts[label]:,}" for label in shown) + f" and {len(here) - SHOWN} more" * (len(here) > SHOWN)
    lengths = [sum(len(t.split()) if is_spaced(language) else len(t) for t in texts(e)) for e in examples]
    unit = "words" if is_spaced(language) else "characters"
    empty = sum(map(is_empty, examples))
    return "; ".join([
        f"{split}: {counted(len(examples), 'example')}" + (f": {told}" if told else ""),
        f"{median_low(lengths):,} {unit} in the median, {max(lengths):,} at most",
        *([f"{empty:,} with an empty text"] if empty else []),
    ])  # fmt: skip


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
        for said in label_flaws(data[split], once=split == learned):
            warnings.warn(f"{data.name}, split {split}: {said}", DataWarning, stacklevel=2)


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
