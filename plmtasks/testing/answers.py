"""When an answer is what its type says, and when two are alike."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihood,
    LogLikelihoodAnswer,
    Tag,
    TagAnswer,
    to_json,
)


def _classify(request: Classify, answer: ClassifyAnswer) -> str:
    scores = answer.scores
    if len(scores) != len(request.labels):
        return f"{len(request.labels)} labels have {len(scores)} scores"
    if not all(0 <= s <= 1 for s in scores):
        return "a score is no probability"
    if not request.multi_label and not math.isclose(sum(scores), 1, abs_tol=1e-3):
        return f"the scores sum to {sum(scores):.4f}"
    return ""


def _tag(request: Tag, answer: TagAnswer) -> str:
    if len(answer.labels) != len(request.words):
        return f"{len(request.words)} words have {len(answer.labels)} labels"
    strangers = sorted(set(answer.labels) - set(request.labels))
    if strangers:
        return f"{strangers[0]!r} is none of the labels"
    begun = any(label.startswith("B-") for label in request.labels)
    for before, label in zip(("O", *answer.labels), answer.labels, strict=False):
        if begun and label.startswith("I-") and before not in (label, f"B-{label[2:]}"):
            return f"{label} behind {before}"
    return ""


def _extract_span(request: ExtractSpan, answer: ExtractSpanAnswer) -> str:
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


def _choose(request: Choose, answer: ChooseAnswer) -> str:
    if len(answer.choices) != len(request.choices):
        return f"{len(request.choices)} choices have {len(answer.choices)} likelihoods"
    return next(filter(None, map(_likelihood, request.choices, answer.choices)), "")


def _likelihood(text: str, found: Likelihood | LogLikelihoodAnswer) -> str:
    if not found.log_likelihood <= 1e-6:
        return f"a log-likelihood of {found.log_likelihood}"
    if found.bytes != len(text.encode()):
        return f"{text!r} has {len(text.encode())} bytes, not {found.bytes}"
    return "" if found.tokens > 0 else "a text of no tokens"


def _score(request: LogLikelihood, answer: LogLikelihoodAnswer) -> str:
    if answer.words != len(request.text.split()):
        return f"the text has {len(request.text.split())} words, not {answer.words}"
    if not 0 <= answer.likeliest <= answer.tokens:
        return f"{answer.likeliest} of {answer.tokens} tokens are the likeliest"
    return _likelihood(request.text, answer)


def _generate(request: Generate, answer: GenerateAnswer) -> str:
    return next((f"the text goes on behind {stop!r}" for stop in request.stop if stop in answer.text), "")


WELL_FORMED: Mapping[str, Callable[[Any, Any], str]] = {
    "Classify": _classify, "Tag": _tag, "ExtractSpan": _extract_span, "Choose": _choose, "LogLikelihood": _score,
    "Generate": _generate,
}  # fmt: skip
"""kind → what is wrong with an answer; nothing if it is well-formed"""


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
