"""What most data sets should be. One may rightly be otherwise: these are hints, no laws."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from ..data import texts, words
from ..errors import counted
from ..examples import Example
from ..scoring import find, main_score
from .checks import NotApplicable, expect, laws
from .subject import Solved, TaskSubject, told

TRAIN = "train"

IMBALANCE = 10
"""A label that is so many times as frequent as another."""

TOKENS = 512
"""Where the positions of most encoders end."""

TOKENS_A_WORD = 4 / 3
"""Of English in subword vocabularies; a guess, for a text that no tokenizer has seen."""

SHOWN = 3
"""Of the examples that a check finds."""


def labels_are_balanced(subject: TaskSubject) -> None:
    """No label is ten times as frequent as another of its split, and the train split has every label."""
    labels = subject.bound.labels
    references = {split: [e.reference for e in examples] for split, examples in subject.whole.items()}
    counts = {split: Counter(r for r in found if isinstance(r, str) and r in labels) for split, found in references.items()}
    if not any(counts.values()):
        raise NotApplicable("its references are no labels")
    uneven = {}
    for split, count in counts.items():
        there = sorted(count.values()) or [0]
        missing = split == TRAIN and len(count) < len(set(labels))
        if there[-1] >= IMBALANCE * there[0] or missing:
            uneven[split] = {label: count[label] for label in labels}
    expect(not uneven, f"labels are far from equally frequent in {', '.join(uneven)}", uneven)


def no_example_stands_twice(subject: TaskSubject) -> None:
    """No two examples of a split have the same inputs."""
    twice = {split: same for split, examples in subject.whole.items() if (same := _same(examples))}
    counts = "; ".join(f"{split}: {_count(sum(map(len, same)))} of {len(subject.whole[split])}" for split, same in twice.items())
    shown = [told(e) for same in twice.values() for e in same[0][:SHOWN]][:SHOWN]
    expect(not twice, f"inputs that stand more than once ({counts})", shown)


def same_inputs_have_one_reference(subject: TaskSubject) -> None:
    """The same inputs have the same reference, wherever they stand."""
    everything = [e for examples in subject.whole.values() for e in examples]
    conflicts = [same for same in _same(everything) if len({repr(e.reference) for e in same}) > 1]
    message = f"{_count(sum(map(len, conflicts)))} of {len(everything)} have the inputs of another one and another reference"
    expect(not conflicts, message, [told(e) for e in (conflicts or [[]])[0][:SHOWN]])


def no_other_split_was_trained_on(subject: TaskSubject) -> None:
    """No example of another split stands in the train split, whole or by many words in a row."""
    if TRAIN not in subject.whole or len(subject.whole) < 2:
        raise NotApplicable(f"it has no split {TRAIN} beside another")
    overlaps, shown = [], []
    for split, examples in subject.whole.items():
        overlap = find(examples, subject.whole[TRAIN], TRAIN) if split != TRAIN else None
        if overlap and overlap.ngram:
            part = len(overlap.ngram - overlap.exact)
            overlaps.append(f"{split}: {len(overlap.exact)} whole, {part} by {overlap.n} words in a row, of {len(examples)}")
            shown += [told(e) for e in examples if e.id in overlap.ngram][:SHOWN]
    expect(not overlaps, f"examples that stand in the train split too ({'; '.join(overlaps)})", shown)


def texts_have_the_usual_length(subject: TaskSubject) -> None:
    """No text is empty, and few models would cut a question: it has some 512 tokens at most."""
    everything = [e for examples in subject.whole.values() for e in examples]
    empty = [e for e in everything if any(not text.strip() for text in texts(e))]
    lengths = [sum(len(words(text)) for text in texts(e)) for e in everything]
    long = [e for e, length in zip(everything, lengths, strict=True) if TOKENS_A_WORD * length > TOKENS]
    longest = max(lengths, default=0)
    problems = [
        *([f"{_count(len(empty))} with an empty text"] if empty else []),
        *([f"{_count(len(long))} over {TOKENS} tokens or so, the longest of {longest} words"] if long else []),
    ]
    expect(not problems, "; ".join(problems), [told(e) for e in (empty or long)[:1]])


def references_can_be_met(subject: TaskSubject) -> None:
    """Every reference can be rewarded: its solved answer alone has the best value, and a generated one is short enough."""
    metric = subject.metrics[0] if subject.metrics else None
    main = "" if metric is None else main_score(metric)
    best = None if metric is None else metric.scores()[main].best
    lost: dict[str, list[Solved]] = {}
    for split, examples in subject.whole.items():
        for kind in subject.bound.asks:
            asked = [Solved(subject.bound, e, kind) for e in examples]
            long = [a for a in asked if len(" ".join(a.answer.texts()).split()) > _allowed(a)]
            if long:
                lost[f"{split}, {kind}: {_count(len(long))} longer than the {_allowed(long[0])} tokens allowed"] = long
            if metric is None or best is None or not asked:
                continue
            scores = metric.reduce(metric.statistics([a.prediction for a in asked], examples)).get(main)
            less = [] if scores is None else [a for a, score in zip(asked, scores, strict=True) if abs(score - best) > 1e-6]
            if less:
                lost[f"{split}, {kind}: {_count(len(less))} cannot get {metric.name}'s {best:g}"] = less
    expect(not lost, "; ".join(lost), [a.shown() for a in next(iter(lost.values()), [])[:1]])


def _allowed(asked: Solved) -> float:
    """Tokens of a generated answer; a word is one at least."""
    most = asked.request.most_tokens()
    return math.inf if most is None else most


def _same(examples: Sequence[Example]) -> list[list[Example]]:
    """The examples whose inputs are those of others, together."""
    found = defaultdict[str, list[Example]](list)
    for e in examples:
        found[repr(sorted(e.inputs.items()))].append(e)
    return [same for same in found.values() if len(same) > 1]


def _count(n: int) -> str:
    return counted(n, "example")


DATA_CHECKS = laws(__name__)
"""Name → check of a task's data: what it finds is a hint."""
