"""Requests of every built-in kind with the answers of a perfect model; what is wrong with an answer, and when two are alike."""

import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from .. import requests as kinds
from ..data import ROLES, SENTIMENTS, Event, events
from ..reading import bio_tags, may_follow, sure_choice, sure_label, sure_text
from ..requests import Answer, Request, to_json

Pair = tuple[Request, Answer]

LABELS = tuple(sorted(SENTIMENTS))
TAGS = bio_tags(ROLES)


def solved(kind: str, count: int = 10) -> list[Pair]:
    """Requests about the built-in sentences, and their answers; none for a kind that is not built in."""
    return [pair for event in events("train", count) for pair in _solved(event) if pair[0].kind() == kind]


def _solved(event: Event) -> Iterator[Pair]:
    text, agent, thing = event.english(), f"the {event.agent.en}", f"the {event.thing.en}"
    tags = tuple(
        f"{'BI'[min(place, 1)]}-{role}" if role else "O"
        for phrase, role in event.phrases() for place, _ in enumerate(phrase.split())
    )  # fmt: skip
    span = kinds.Span(start=text.index(thing), end=text.index(thing) + len(thing), score=1.0)
    yield kinds.Classify(text=text, labels=LABELS), sure_label(LABELS, [event.sentiment])
    yield kinds.Regress(text=text, low=0.0, high=10.0), kinds.RegressAnswer(value=event.degree)
    yield kinds.Tag(words=tuple(text.split()), labels=TAGS, marked=(tags.index("B-V"),)), kinds.TagAnswer(labels=tags)
    yield kinds.ExtractSpan(question=f"what was {event.verb.en} ?", context=text), kinds.ExtractSpanAnswer(spans=(span,))
    yield kinds.Choose(instruction="What mood is it?", text=text, choices=LABELS), sure_choice(LABELS, [event.sentiment])
    yield kinds.LogLikelihood(text=text), sure_text(text)
    yield (
        kinds.Generate(instruction="Who was it?", text=text, max_new_tokens=8),
        kinds.GenerateAnswer(text=agent),
    )


@singledispatch
def wrong_with(request: Any, answer: Any) -> str:
    """What is wrong with an answer; nothing if it is what its type says, or its kind is not built in."""
    return ""


@wrong_with.register
def _(request: kinds.Classify, answer: Any) -> str:
    if len(answer.scores) != len(request.labels):
        return f"{len(request.labels)} labels have {len(answer.scores)} scores"
    if not all(0 <= s <= 1 for s in answer.scores):
        return "a score is no probability"
    sums = request.multi_label or math.isclose(sum(answer.scores), 1, abs_tol=1e-3)
    return "" if sums else f"the scores sum to {sum(answer.scores):.4f}"


@wrong_with.register
def _(request: kinds.Regress, answer: Any) -> str:
    return "" if math.isfinite(answer.value) else f"{answer.value} is no number"


@wrong_with.register
def _(request: kinds.Tag, answer: Any) -> str:
    if len(answer.labels) != len(request.words):
        return f"{len(request.words)} words have {len(answer.labels)} labels"
    strangers = sorted(set(answer.labels) - set(request.labels))
    if strangers:
        return f"{strangers[0]!r} is none of the labels"
    begun = any(label.startswith("B-") for label in request.labels)
    pairs = zip(("O", *answer.labels), answer.labels, strict=False)
    return next((f"{label} behind {before}" for before, label in pairs if begun and not may_follow(before, label)), "")


@wrong_with.register
def _(request: kinds.ExtractSpan, answer: Any) -> str:
    scores = [span.score for span in answer.spans]
    if not answer.spans and request.context.strip():
        return "no span"
    if not all(0 <= span.start < span.end <= len(request.context) for span in answer.spans):
        return f"a span outside the {len(request.context)} characters of the context"
    if not all(0 <= score <= 1 for score in (*scores, answer.no_answer)):
        return "a score is no probability"
    if scores != sorted(scores, reverse=True):
        return "the best span does not come first"
    return "no answer is likely, where the request may not abstain" if answer.no_answer and not request.may_abstain else ""


@wrong_with.register
def _(request: kinds.Choose, answer: Any) -> str:
    if len(answer.choices) != len(request.choices):
        return f"{len(request.choices)} choices have {len(answer.choices)} likelihoods"
    return next(filter(None, map(_unlikely, request.choices, answer.choices)), "")


@wrong_with.register
def _(request: kinds.LogLikelihood, answer: Any) -> str:
    if answer.words != len(request.text.split()):
        return f"the text has {len(request.text.split())} words, not {answer.words}"
    if not 0 <= answer.likeliest <= answer.tokens:
        return f"{answer.likeliest} of {answer.tokens} tokens are the likeliest"
    return _unlikely(request.text, answer)


@wrong_with.register
def _(request: kinds.Generate, answer: Any) -> str:
    return next((f"the text goes on behind {stop!r}" for stop in request.stop if stop in answer.text), "")


def _unlikely(text: str, found: kinds.Likelihood | kinds.LogLikelihoodAnswer) -> str:
    if not found.log_likelihood <= 1e-6:
        return f"a log-likelihood of {found.log_likelihood}"
    if found.bytes != len(text.encode()):
        return f"{text!r} has {len(text.encode())} bytes, not {found.bytes}"
    return "" if found.tokens > 0 else "a text of no tokens"


def close(one: Answer, two: Answer, tolerance: float) -> bool:
    """Whether two answers have the same texts, and numbers that are close."""
    return type(one) is type(two) and _alike(to_json(one), to_json(two), tolerance)


def _alike(one: Any, two: Any, tolerance: float) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_alike(value, two[key], tolerance) for key, value in one.items())
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_alike(a, b, tolerance) for a, b in zip(one, two, strict=True))
    if isinstance(one, float) or isinstance(two, float):
        return math.isclose(one, two, rel_tol=tolerance, abs_tol=tolerance)
    return bool(one == two)
