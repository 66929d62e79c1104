"""What most data sets should be. One may rightly be otherwise: these are hints, no laws."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..data import texts, words
from ..errors import counted
from ..examples import Example
from ..requests import Request
from ..scoring import find, main_score
from .checks import NotApplicable, expect
from .subject import TaskSubject, solve

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
    counts = {s: Counter(e.reference for e in examples if e.reference in labels) for s, examples in _labelled(subject)}
    if not any(counts.values()):
        raise NotApplicable("its references are no labels")
    uneven = {}
    for split, count in counts.items():
        there = sorted(count.values()) or [0]
        missing = [label for label in labels if not count[label]] if split == TRAIN else []
        if there[-1] >= IMBALANCE * there[0] or missing:
            uneven[split] = {label: count[label] for label in labels}
    expect(not uneven, f"labels are far from equally frequent in {', '.join(uneven)}", uneven)


def no_example_stands_twice(subject: TaskSubject) -> None:
    """No two examples of a split have the same inputs."""
    twice = {split: same for split in subject.whole if (same := _same(subject.whole[split]))}
    counts = "; ".join(f"{split}: {_count(sum(map(len, same)))} of {len(subject.whole[split])}" for split, same in twice.items())
    expect(not twice, f"inputs that stand more than once ({counts})", _first(twice))


def same_inputs_have_one_reference(subject: TaskSubject) -> None:
    """The same inputs have the same reference, wherever they stand."""
    everything = [e for examples in subject.whole.values() for e in examples]
    conflicts = [same for same in _same(everything) if len({repr(e.reference) for e in same}) > 1]
    message = f"{_count(sum(map(len, conflicts)))} of {len(everything)} have the inputs of another one and another reference"
    expect(not conflicts, message, [_shown(e) for e in (conflicts or [[]])[0][:SHOWN]])


def no_other_split_was_trained_on(subject: TaskSubject) -> None:
    """No example of another split stands in the train split, whole or by many words in a row."""
    if TRAIN not in subject.whole or len(subject.whole) < 2:
        raise NotApplicable(f"it has no split {TRAIN} beside another")
    overlaps, shown = [], []
    for split, examples in subject.whole.items():
        if split == TRAIN:
            continue
        overlap = find(examples, subject.whole[TRAIN], TRAIN)
        if overlap.ngram:
            part = len(overlap.ngram - overlap.exact)
            overlaps.append(f"{split}: {len(overlap.exact)} whole, {part} by {overlap.n} words in a row, of {len(examples)}")
            shown += [_shown(e) for e in examples if e.id in overlap.ngram][:SHOWN]
    expect(not overlaps, f"examples that stand in the train split too ({'; '.join(overlaps)})", shown)


def texts_have_the_usual_length(subject: TaskSubject) -> None:
    """No text is empty, and few models would cut a question: it has some 512 tokens at most."""
    empty, long = [], []
    for _, examples in subject.whole.items():
        for e in examples:
            empty += [e] if any(not text.strip() for text in texts(e)) else []
            long += [e] if TOKENS_A_WORD * sum(_words(text) for text in texts(e)) > TOKENS else []
    longest = max((sum(_words(t) for t in texts(e)) for e in long), default=0)
    problems = [
        *([f"{_count(len(empty))} with an empty text"] if empty else []),
        *([f"{_count(len(long))} over {TOKENS} tokens or so, the longest of {longest} words"] if long else []),
    ]
    expect(not problems, "; ".join(problems), [_shown(e) for e in (empty or long)[:1]])


def references_can_be_met(subject: TaskSubject) -> None:
    """Every reference can be rewarded: its solved answer alone has the best value, and a generated one is short enough."""
    metric = subject.metrics[0] if subject.metrics else None
    best = metric.scores()[main_score(metric)].best if metric is not None else None
    lost: dict[str, list[Any]] = {}
    for split, examples in subject.whole.items():
        for kind in subject.bound.asks:
            asked = [solve(subject.bound, e, kind) for e in examples]
            long = [a for a in asked if len(" ".join(a.answer.texts()).split()) > _allowed(a.request)]
            if long:
                lost.setdefault(
                    f"{split}, {kind}: {_count(len(long))} longer than the {_allowed(long[0].request)} tokens allowed",
                    long,
                )
            if metric is None or best is None or not asked:
                continue
            scores = metric.reduce(metric.statistics([a.prediction for a in asked], examples)).get(main_score(metric))
            less = [] if scores is None else [a for a, score in zip(asked, scores, strict=True) if abs(score - best) > 1e-6]
            if less:
                lost.setdefault(f"{split}, {kind}: {_count(len(less))} cannot get {metric.name}'s {best:g}", less)
    expect(not lost, "; ".join(lost), [a.shown() for a in next(iter(lost.values()), [])[:1]])


def _allowed(request: Request) -> float:
    """Tokens of a generated answer; a word is one at least."""
    most = request.most_tokens()
    return math.inf if most is None else most


def _labelled(subject: TaskSubject) -> Iterator[tuple[str, Sequence[Example]]]:
    for split, examples in subject.whole.items():
        yield split, [e for e in examples if isinstance(e.reference, str)]


def _same(examples: Sequence[Example]) -> list[list[Example]]:
    """The examples whose inputs are those of others, together."""
    found = defaultdict[str, list[Example]](list)
    for e in examples:
        found[repr(sorted(e.inputs.items()))].append(e)
    return [same for same in found.values() if len(same) > 1]


def _words(text: str) -> int:
    return len(words(text))


def _count(n: int) -> str:
    return counted(n, "example")


def _first(found: Mapping[str, Sequence[Sequence[Example]]]) -> list[dict[str, Any]]:
    return [_shown(e) for groups in found.values() for e in groups[0][:SHOWN]][:SHOWN]


def _shown(example: Example) -> dict[str, Any]:
    return {"id": example.id, "inputs": example.inputs, "reference": example.reference}


DATA_CHECKS: Mapping[str, Callable[[TaskSubject], None]] = {
    check.__name__: check
    for check in (
        labels_are_balanced, no_example_stands_twice, same_inputs_have_one_reference, no_other_split_was_trained_on,
        texts_have_the_usual_length, references_can_be_met,
    )
}  # fmt: skip
"""Name → check of a task's data: what it finds is a hint."""
