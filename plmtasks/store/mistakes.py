"""Which examples of a run were wrong, and what was taken for what."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ..errors import InputError, did_you_mean, listed
from ..hooks import Registry
from ..results import Result
from .comparison import Changed, Comparison, rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["label", "labels", "spans", "other"]
"""What is predicted: one label, any number of them, labelled spans of words, or anything else."""

Span = tuple[str, int, int]
"""A label, and the words [start, end) that have it."""

TOLERANCE = 1e-6
"""By which a single example's score may differ from the best: sums in another order."""


@dataclass(frozen=True, kw_only=True)
class JudgedExample:
    """An example of a run, and what became of it."""

    id: str
    inputs: Mapping[str, Any]
    reference: Any
    prediction: Any
    right: bool | None
    """Whether its own score is the best one, or the prediction is the reference; None: it was skipped."""
    score: float | None
    """Of this example alone; None where it is not defined."""
    confidence: float | None
    """The probability of what was predicted; of several labels, how sure the surest wrong one was. None: nobody told."""
    slices: Sequence[str]
    missed: Sequence[Any] = ()
    """The labels, or the labelled spans, of the reference that were not predicted."""
    invented: Sequence[Any] = ()
    """Those that were predicted and are none of the reference's."""
    unfinished: bool = False
    """The model's thinking did not end, so that there is no answer."""

    @property
    def errors(self) -> int:
        """How many labels or spans are wrong."""
        return len(self.missed) + len(self.invented)

    @property
    def labels(self) -> set[str]:
        """Those with which it was wrong."""
        return {label_of(one) for one in (*self.missed, *self.invented)}


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """What was taken for what."""

    kind: Kind
    labels: Sequence[str]
    """Those that any reference or prediction has, in the task's order, then what else was predicted."""
    counts: Mapping[tuple[str | None, str | None], int]
    """How often a reference was predicted as what. (label, None): it was missed; (None, label): it was invented."""

    def of_reference(self, label: str | None) -> int:
        """How often it is right."""
        return sum(count for (reference, _), count in self.counts.items() if reference == label)

    @cached_property
    def rows(self) -> Sequence[str | None]:
        """The labels of references; None: of what was invented, if there is any."""
        return [*self.labels, *([None] if any(reference is None for reference, _ in self.counts) else [])]

    @cached_property
    def columns(self) -> Sequence[str | None]:
        """The labels of predictions; None: of what was missed, if there is any."""
        return [*self.labels, *([None] if any(prediction is None for _, prediction in self.counts) else [])]

    @cached_property
    def confused(self) -> Sequence[tuple[str | None, str | None, int]]:
        """What was taken for something else: reference, prediction and how often, the most frequent first."""
        place = {label: i for i, label in enumerate((*self.labels, None))}
        wrong = [(a, b, count) for (a, b), count in self.counts.items() if a != b]
        return sorted(wrong, key=lambda found: (-found[2], place[found[0]], place[found[1]]))


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """All examples of a run, each with whether it was right."""

    result: Result
    kind: Kind
    by: tuple[str, str] | None
    """The metric and the score that say what is right; None: it is what is the reference itself."""
    why: str
    """Why no score says it, if none does."""
    judged: Sequence[JudgedExample] = field(repr=False)
    """In the order of the data set."""

    @property
    def answered(self) -> int:
        return sum(one.right is not None for one in self.judged)

    @cached_property
    def wrong(self) -> Sequence[JudgedExample]:
        """The most confident first; where no confidence is told the worst score, and of equal scores the most errors."""
        best = _best(self.result, self.by) if self.by else 0.0

        def key(one: JudgedExample) -> tuple[float, float, int]:
            confidence = -1.0 if one.confidence is None else one.confidence
            return -confidence, 0.0 if one.score is None else -abs(one.score - best), -one.errors

        return sorted((one for one in self.judged if one.right is False), key=key)

    def with_label(self, label: str | None) -> Sequence[JudgedExample]:
        """The wrong ones in which the label was missed, or stands in the place of what is right; None: all.

        raises: InputError if neither a reference nor a prediction has it
        """
        if label is None:
            return self.wrong
        confusion = self.confusion
        if confusion is None:
            raise InputError(f"{self.result.task} predicts no labels", "leave out --label")
        if label not in confusion.labels:
            hints = (*did_you_mean(label, confusion.labels), f"there are {listed(confusion.labels, 20)}")
            raise InputError(f"no reference and no prediction has the label {label!r}", *hints)
        return [one for one in self.wrong if label in one.labels]

    @cached_property
    def confusion(self) -> Confusion | None:
        """What was taken for what; None where no labels are predicted.

        Of spans those with the same ends are held against each other; of several labels, a missed one was taken for no other.
        """
        if self.kind == "other":
            return None
        answered = [one for one in self.judged if one.right is not None]
        counts = Counter(pair for one in answered for pair in _pairs(self.kind, one))
        found = dict.fromkeys(label for pair in counts for label in pair if label is not None)
        task = self.result.record["task"]["labels"]
        ordered = [*(label for label in task if label in found), *sorted(found.keys() - {*task})]
        return Confusion(kind=self.kind, labels=ordered, counts=counts)


def mistakes(result: Result, registry: Registry) -> Mistakes:
    """Which examples of a run were wrong.

    An example is right where it has, alone, the best value of the first score that has one and is counted example by example,
    the main score before others; and where the prediction is the reference.

    raises: DataError for a run without its predictions
    """
    lines = list(result.predictions())
    kind = _kind(lines, result.record["task"]["labels"])
    by, values, why = _scores(result, registry, len(lines))
    best = _best(result, by) if by else 0.0
    judged = [_judged(kind, line, value, best) for line, value in zip(lines, values, strict=True)]
    return Mistakes(result=result, kind=kind, by=by, why=why, judged=judged)


def _best(result: Result, by: tuple[str, str]) -> float:
    return float(result.record["scores"][by[0]][by[1]]["best"])


def _scores(result: Result, registry: Registry, n: int) -> tuple[tuple[str, str] | None, Sequence[float | None], str]:
    """The score that says what is right, its value of each example, and why there is none."""
    import numpy as np

    main, why = tuple(result.record["primary_metric"]), "none of its scores is counted example by example"
    named = [(m, s) for m, scores in result.record["scores"].items() for s, told in scores.items() if told["best"] is not None]
    reduced: dict[str, Mapping[str, NDArray[Any]]] = {}
    for metric, score in sorted(named, key=lambda name: name != main):
        try:
            if metric not in reduced:
                counted = rows(result, metric, registry)
                with np.errstate(over="ignore", invalid="ignore"):  # a perplexity of one text may be beyond all numbers
                    reduced[metric] = counted.metric.reduce(counted.values)
        except InputError as e:
            reduced[metric], why = {}, e.message
        values = reduced[metric].get(score)
        if values is not None and len(values) == n and (defined := np.isfinite(values)).any():
            told = [float(v) if there else None for v, there in zip(values, defined, strict=True)]
            return (metric, score), told, ""
    return None, [None] * n, why


def _judged(kind: Kind, line: Mapping[str, Any], value: float | None, best: float) -> JudgedExample:
    reference, prediction = line["reference"], line["prediction"]
    wanted, found = _items(kind, reference), _items(kind, prediction)
    missed, invented = [x for x in wanted if x not in found], [x for x in found if x not in wanted]
    right: bool | None = None
    unfinished = bool(line.get("unfinished"))
    if not line.get("skipped"):
        scored = value is not None and abs(value - best) <= TOLERANCE * max(1.0, abs(best))
        same = not missed and not invented if kind != "other" else prediction == reference or prediction in texts(reference)
        right = scored or (same and reference is not None and prediction is not None and not unfinished)
    return JudgedExample(
        id=line["id"], inputs=line["inputs"], reference=reference, prediction=prediction, right=right, score=value,
        confidence=_confidence(line["scores"], missed, invented), slices=line["slices"], missed=missed, invented=invented,
        unfinished=unfinished,
    )  # fmt: skip


def _confidence(scores: Mapping[str, Any], missed: Iterable[Any], invented: Iterable[Any]) -> float | None:
    """How sure a prediction was; of several labels how sure of the surest one that is wrong."""
    if (told := _number(scores.get("confidence"))) is not None:
        return told
    sure = [_number(scores.get(f"probability[{label}]")) for label in invented]
    unsure = [_number(scores.get(f"probability[{label}]")) for label in missed]
    return max((*(p for p in sure if p is not None), *(1 - p for p in unsure if p is not None)), default=None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


# ── two runs ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Together:
    """What two runs on the same examples get wrong; where one of them was confident, its most confident errors come first."""

    both: Sequence[Changed]
    first: Sequence[Changed]
    """The first alone."""
    second: Sequence[Changed]
    right: int
    """Examples on which both are right."""


def together(made: Comparison, registry: Registry) -> Together:
    """What both runs of a comparison get wrong, and what only one does; an example that one skipped is in neither.

    raises: DataError for a run without its predictions
    """
    a, b = mistakes(made.first, registry), mistakes(made.second, registry)
    pairs = {one.id: (one, other) for one, other in zip(a.judged, b.judged, strict=True)}

    def told(found: Iterable[JudgedExample], right: tuple[bool, bool]) -> list[Changed]:
        chosen = [pairs[one.id] for one in found]
        return [_pair(*pair) for pair in chosen if (pair[0].right, pair[1].right) == right]

    return Together(
        both=told(a.wrong, (False, False)), first=told(a.wrong, (False, True)), second=told(b.wrong, (True, False)),
        right=sum(bool(one.right and other.right) for one, other in pairs.values()),
    )  # fmt: skip


def _pair(a: JudgedExample, b: JudgedExample) -> Changed:
    return Changed(
        id=a.id, inputs=a.inputs, reference=a.reference, predictions=(a.prediction, b.prediction), scores=(a.score, b.score),
        slices=a.slices,
    )  # fmt: skip


# ── what is predicted ─────────────────────────────────────────────────────────────────────────────────────────────


def _kind(lines: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Kind:
    found = [line["reference"] for line in lines if line["reference"] is not None]
    found += [line["prediction"] for line in lines if line["prediction"] is not None]
    if labels and all(isinstance(one, str) for one in found):
        return "label"
    if labels and all(isinstance(one, list) and all(isinstance(part, str) for part in one) for one in found) and any(found):
        return "labels"
    if found and all(isinstance(one, list) and all(map(_is_span, one)) for one in found) and any(found):
        return "spans"
    return "other"


def _is_span(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str) and all(type(v) is int for v in value[1:])


def label_of(item: str | Span) -> str:
    """The label of a labelled span, or the label itself."""
    return item if isinstance(item, str) else item[0]


def _items(kind: Kind, value: Any) -> list[Any]:
    """The labels, or the spans, of a reference or a prediction; none of what was not told, or is no label."""
    if value is None or kind == "other":
        return []
    return [value] if kind == "label" else list(map(tuple, value)) if kind == "spans" else list(value)


def texts(reference: Any) -> list[str]:
    """The texts that are right, where a reference is one or several of them."""
    if isinstance(reference, dict):
        reference = reference.get("text")
    found = reference if isinstance(reference, list) else [reference]
    return found if all(isinstance(one, str) for one in found) else []


def _pairs(kind: Kind, one: JudgedExample) -> Iterator[tuple[str | None, str | None]]:
    """What was taken for what in one example; what is right among it."""
    if kind == "label":
        yield from [(one.reference, one.prediction)] if (one.reference, one.prediction) != (None, None) else []
        return
    right = [label_of(item) for item in _items(kind, one.reference) if item not in one.missed]
    yield from zip(right, right, strict=True)
    if kind == "labels":
        yield from [*((x, None) for x in one.missed), *((None, x) for x in one.invented)]
        return
    invented = list(one.invented)
    for label, *ends in one.missed:
        other = next((span for span in invented if list(span[1:]) == ends), None)
        if other is not None:
            invented.remove(other)
        yield label, other[0] if other is not None else None
    yield from ((None, label) for label, *_ in invented)
