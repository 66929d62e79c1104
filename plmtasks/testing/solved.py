"""A few requests of every built-in kind, with the answers that a perfect model would give."""

from collections.abc import Callable, Mapping, Sequence

from ..data import ROLES, SENTIMENTS, Event, events
from ..reading import bio_tags
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
    Request,
    Span,
    Tag,
    TagAnswer,
)

Pair = tuple[Request, Answer]

LABELS = tuple(sorted(SENTIMENTS))
TAGS = bio_tags(ROLES)


def solved(kind: str, count: int = 10) -> list[Pair]:
    """Requests about the built-in sentences, and their answers; none for a kind that is not built in."""
    return [KINDS[kind](event) for event in events("train", count)] if kind in KINDS else []


def _classify(event: Event) -> Pair:
    scores = tuple(float(label == event.sentiment) for label in LABELS)
    return Classify(text=event.english(), labels=LABELS), ClassifyAnswer(scores=scores)


def _tag(event: Event) -> Pair:
    words = tuple(event.english().split())
    tags = tuple(
        f"{'BI'[min(place, 1)]}-{role}" if role else "O"
        for phrase, role in event.phrases() for place, _ in enumerate(phrase.split())
    )  # fmt: skip
    return Tag(words=words, labels=TAGS, marked=(tags.index("B-V"),)), TagAnswer(labels=tags)


def _extract_span(event: Event) -> Pair:
    context, answer = event.english(), f"the {event.thing.en}"
    span = Span(start=context.index(answer), end=context.index(answer) + len(answer), score=1.0)
    return ExtractSpan(question=f"what was {event.verb.en} ?", context=context), ExtractSpanAnswer(spans=(span,))


def _choose(event: Event) -> Pair:
    chosen = tuple(Likelihood(log_likelihood=0.0 if s == event.sentiment else -1000.0, tokens=1, bytes=len(s)) for s in LABELS)
    return Choose(instruction="What mood is it?", text=event.english(), choices=LABELS), ChooseAnswer(choices=chosen)


def _score(event: Event) -> Pair:
    text = event.english()
    words = len(text.split())
    answer = LogLikelihoodAnswer(log_likelihood=0.0, tokens=words, words=words, bytes=len(text.encode()), likeliest=words)
    return LogLikelihood(text=text), answer


def _generate(event: Event) -> Pair:
    request = Generate(instruction="Who was it?", text=event.english(), max_new_tokens=8)
    return request, GenerateAnswer(text=f"the {event.agent.en}")


KINDS: Mapping[str, Callable[[Event], Pair]] = {
    "Classify": _classify, "Tag": _tag, "ExtractSpan": _extract_span, "Choose": _choose, "LogLikelihood": _score,
    "Generate": _generate,
}  # fmt: skip


def all_solved(kinds: Sequence[str]) -> dict[str, list[Pair]]:
    """kind → requests with their answers, for those of the kinds that are built in."""
    return {kind: solved(kind) for kind in kinds if kind in KINDS}
