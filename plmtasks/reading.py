"""What an answer says in few words: the label that a text names, the choice that is likeliest, the spans that tags mark."""

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import MetricError
from .examples import Example, Prediction
from .requests import ChooseAnswer, ClassifyAnswer, Likelihood, LogLikelihoodAnswer

WRONG = -1000.0
"""The log-likelihood of a choice that a perfect model does not make: low enough to have no probability."""

SURROUNDINGS = " \t\"'`*.,:;!?()[]。，：；！？“”‘’「」『』"
"""What models like to put around a word."""

_ENDS = re.compile(r"(?!\w|[-'’]\w)")
"""Where a word ends."""

_NUMBER_ENDS = re.compile(r"(?!\w|[-–'’.,:]\w|[ \u00a0\u202f]\d{3}(?!\d))")
"""Where a number ends: what decimals, thousands, a range or a time follow is only a part of it."""

_NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:[,'’ \u00a0\u202f]\d{3})+(?!\d)|\d+)?(?:\.\d+)?(?:e[-+]?\d{1,3})?", re.ASCII)
"""A number as it is written in English, with its sign, thousands, decimals and exponent."""


def named(text: str, words: Iterable[str]) -> str | None:
    """The word, or the words of one label, at the head of a generated text; None if it is none of them.

    Quotes and the like may stand around it, case does not matter, and more words may follow. A number is a whole number:
    neither "1.5" nor "10" names the label 1, but "1.0" does.
    """
    text, known = text.strip(), list(words)
    if text in known:
        return text
    folded = {word.casefold(): word for word in known}
    said = text.casefold()
    bare = said.lstrip(SURROUNDINGS)
    point = said[: len(said) - len(bare)].endswith((".", ","))
    # the longest first: a label may begin with another
    for word in sorted(folded, key=len, reverse=True):
        ends = _NUMBER_ENDS if word[-1:].isdigit() else _ENDS
        starts = said.startswith(word) or (bare.startswith(word) and not (point and word[0].isdigit()))
        if word and starts and ends.match(said if said.startswith(word) else bare, len(word)):
            return folded[word]
    value = None if point else _number(bare)
    return next((word for word in known if value is not None and _number(word.casefold(), whole=True) == value), None)


def _number(text: str, *, whole: bool = False) -> Decimal | None:
    """The number at the head of a text, or that the whole of it is."""
    found = _NUMBER.match(text)
    assert found is not None
    ends = found.end() == len(text) if whole else _NUMBER_ENDS.match(text, found.end())
    digits = re.sub(r"[,'’ \u00a0\u202f]", "", found[0]).replace("−", "-")
    return Decimal(digits) if ends and any(c.isdigit() for c in digits.partition("e")[0]) else None


def first_line(text: str) -> str:
    """The first line that is not blank, without space around it."""
    return next((line for line in text.split("\n") if line.strip()), "").strip()


def by_label(labels: Sequence[str], answer: ClassifyAnswer) -> Prediction:
    """The likeliest label, the first of equals.

    scores: its probability "confidence", and "probability[label]" of each
    """
    best = answer.scores.index(max(answer.scores))
    scores = {"confidence": answer.scores[best], **_each("probability", labels, answer.scores)}
    return Prediction(value=labels[best], scores=scores)


def by_choice(names: Sequence[str], answer: ChooseAnswer) -> Prediction:
    """The likeliest choice, the first of equals, by the name that goes with it.

    scores: as of `by_label`, and the log-likelihoods "per_byte[name]" and "per_token[name]", where they are those of texts
    """
    likelihoods = [c.log_likelihood for c in answer.choices]
    best = max(range(len(names)), key=likelihoods.__getitem__)
    weights = [math.exp(value - likelihoods[best]) for value in likelihoods]
    chances = [weight / sum(weights) for weight in weights]
    scores = {"confidence": chances[best], **_each("probability", names, chances)}
    if not answer.scored:
        scores |= _each("per_byte", names, [c.log_likelihood / max(1, c.bytes) for c in answer.choices])
        scores |= _each("per_token", names, [c.log_likelihood / max(1, c.tokens) for c in answer.choices])
    return Prediction(value=names[best], scores=scores)


def _each(what: str, names: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return dict(zip(_named_each(what, tuple(names)), values, strict=True))


@lru_cache(256)
def _named_each(what: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The same texts for all predictions of the same labels, of which there may be a million."""
    return tuple(f"{what}[{name}]" for name in names)


def sure_label(labels: Sequence[str], right: Iterable[str]) -> ClassifyAnswer:
    """What a perfect model answers that knows which label, or labels, are right."""
    wanted = set(right)
    return ClassifyAnswer(scores=tuple(float(label in wanted) for label in labels))


def sure_choice(choices: Sequence[str], right: Iterable[str]) -> ChooseAnswer:
    """What a perfect model answers that knows which choice is right."""
    wanted = set(right)
    likelihoods = [0.0 if choice in wanted else WRONG for choice in choices]
    pairs = zip(choices, likelihoods, strict=True)
    return ChooseAnswer(choices=tuple(Likelihood(log_likelihood=v, tokens=1, bytes=len(c.encode())) for c, v in pairs))


def compared_texts(prediction: Prediction, example: Example, metrics: str) -> tuple[str, list[str]]:
    """The text that was written, and those that it is compared with: the reference, which is a text or a list of some.

    metrics: their names, as the message says them: "bleu, chrf and ter are"

    raises: MetricError if the task does not compare texts
    """
    found = [example.reference] if isinstance(example.reference, str) else example.reference
    if not (isinstance(found, (list, tuple)) and found and all(isinstance(text, str) for text in (prediction.value, *found))):
        compared = f"predicted {prediction.value!r:.60}, reference {found!r:.60}"
        said = f"example {example.id!r} cannot be compared as a text: {compared}"
        raise MetricError(said, f"{metrics} for tasks whose answers and references are texts")
    return prediction.value, list(found)


OUTSIDE = "O"
"""The tag of a word in no span."""


class WordSpan(NamedTuple):
    """Words [start, end) of a sentence, counted from 0, and what they are; in JSON the list [label, start, end]."""

    label: str
    start: int
    end: int


def bio_tags(labels: Iterable[str]) -> tuple[str, ...]:
    """All tags of BIO (IOB2) for these labels: "O", then "B-label" and "I-label" of each."""
    return (OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in "BI"))


def spans_to_tags(spans: Iterable[Sequence[Any]], length: int) -> list[str]:
    """A tag for each word in BIO (IOB2): B- at the first word of a span, I- at its others, O outside of all.

    spans: (label, start, end), disjoint, and within the sentence
    length: words of the sentence
    """
    tags = [OUTSIDE] * length
    for label, start, end in spans:
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return tags


def tags_to_spans(tags: Iterable[str]) -> list[WordSpan]:
    """The spans of tags in IOB1, IOB2 or IOBES, in the order of the words; any tags at all give disjoint spans.

    An I- or E- that continues nothing opens a span, as in conlleval, the scorer of CoNLL-2000, and in seqeval's `get_entities`.

    source: Tjong Kim Sang and Buchholz (2000), W00-0726
    """
    spans: list[WordSpan] = []
    current = None  # the label of a span that may go on
    for i, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if tag == OUTSIDE:
            current = None
            continue
        if prefix in ("B", "S") or label != current:
            spans.append(WordSpan(label, i, i + 1))
        else:
            spans[-1] = spans[-1]._replace(end=i + 1)
        current = None if prefix in ("E", "S") else label
    return spans


def may_follow(before: str, tag: str) -> bool:
    """Whether BIO (IOB2) has a tag behind another, "O" before the first word: an I- only behind a B- or I- of its label."""
    return not tag.startswith("I-") or before in (tag, f"B-{tag[2:]}")


def by_likelihood(answer: LogLikelihoodAnswer) -> Prediction:
    """The log-likelihood of a text.

    scores: "tokens", "words", "bytes", "likeliest", and "pseudo", 1 for a pseudo-likelihood
    """
    names = ("tokens", "words", "bytes", "likeliest", "pseudo")
    return Prediction(value=answer.log_likelihood, scores={name: float(getattr(answer, name)) for name in names})


def sure_text(text: str) -> LogLikelihoodAnswer:
    """What a perfect model answers that has no doubt of a text; a word is a token of it."""
    words = len(text.split())
    return LogLikelihoodAnswer(log_likelihood=0.0, tokens=words, words=words, bytes=len(text.encode()), likeliest=words)
