"""A metric of plmtasks as one of the evaluate library."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import tags_to_spans

if TYPE_CHECKING:
    import evaluate

    from plmtasks.hooks import Registry
    from plmtasks.metric import Metric
    from plmtasks.task import Task

FORMS: Mapping[str, str] = {
    "ExtractSpan": "answers",
    "Tag": "spans",
    "Classify": "labels",
    "Choose": "labels",
    "Regress": "numbers",
    "LogLikelihood": "text",
}
"""A kind of request → what its tasks' predictions and references are; others are texts with several references."""


def as_evaluate(metric: "str | Metric", task: "str | Task | None" = None, labels: Sequence[str] = ()) -> "evaluate.Metric":
    """The metric as an object of evaluate: with `compute`, `add` and `add_batch`, for `evaluate.combine` and a Trainer's
    `compute_metrics`. Its scores are plmtasks' own, points 0 to 100.

    task: whose labels, language and form of references it counts by; None: the first installed task that is scored by it
    labels: in the order of their numbers, where predictions and references are numbers; the task's if none are given

    Predictions and references are what plmtasks has, or what evaluate's metrics take: label numbers or names, texts with
    one reference or a list of them, squad's objects, lists of IOB2 tags.

    raises: UnknownNameError; MetricError, from `compute`, for what it cannot score
    """
    import evaluate
    from datasets import Features, Value

    from plmtasks.hooks import load_registry

    registry = load_registry()
    of = registry.metric(metric) if isinstance(metric, str) else metric
    by = registry.task(task) if isinstance(task, str) else task if task is not None else _first_task(of, registry)
    if by is not None and labels:
        by = by.labelled(labels)
    bound = of.bind(by) if by is not None else of
    known = tuple(labels) or (tuple(by.labels) if by is not None else ())
    form = next((FORMS[kind] for kind in by.asks if kind in FORMS), "texts") if by is not None else "labels"

    class Exported(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
        """What evaluate keeps of each pair is its JSON, so that any form of it passes."""

        def _info(self) -> Any:
            return evaluate.MetricInfo(
                description=bound.description, citation="", inputs_description=f"{form} of {by.name if by else 'any task'}",
                features=Features({"predictions": Value("string"), "references": Value("string")}),
            )  # fmt: skip

        def add_batch(self, *, predictions: Any = None, references: Any = None, **more: Any) -> None:
            """Keeps pairs."""  # evaluate adds to it
            super().add_batch(predictions=[*map(_kept, predictions)], references=[*map(_kept, references)], **more)

        def add(self, *, prediction: Any = None, reference: Any = None, **more: Any) -> None:
            """Keeps a pair."""
            # evaluate.combine gives both by the names of the columns
            pair = {"predictions": prediction, "references": reference, **more}
            super().add(
                **{name: _kept(value) if name in ("predictions", "references") else value for name, value in pair.items()}
            )

        def _compute(self, *, predictions: Any = None, references: Any = None, **more: Any) -> dict[str, float]:
            if more:
                raise MetricError(f"metric {bound.name!r} of plmtasks takes no option {next(iter(more))!r}")
            pairs = zip(map(json.loads, predictions), map(json.loads, references), strict=True)
            return _scored(bound, [READ[form](p, r, known) for p, r in pairs])

    Exported.__name__ = re.sub(r"\W+", "_", bound.name).strip("_")  # evaluate names a metric by its class
    return Exported()


def _first_task(metric: "Metric", registry: "Registry") -> "Task | None":
    return next((registry.task(name) for name, task in registry.items["task"].items() if metric.name in task.metrics), None)


def _kept(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=lambda other: other.tolist())  # arrays and numbers of numpy and torch


Pair = tuple[Prediction, Example]


def _scored(metric: "Metric", pairs: Sequence[Pair]) -> dict[str, float]:
    """raises: MetricError"""
    predictions, examples = [p for p, _ in pairs], [replace(e, id=str(i)) for i, (_, e) in enumerate(pairs)]
    try:
        totals = metric.statistics(predictions, examples).sum(axis=0)
        found = {**metric.reduce(totals), **metric.compute(predictions, examples)}
    except (TypeError, AttributeError, KeyError, IndexError, ValueError) as e:
        raise MetricError(
            f"metric {metric.name!r} cannot score such predictions: {type(e).__name__}: {e}",
            f"a prediction: {predictions[0].value!r:.80}, its reference: {examples[0].reference!r:.80}",
        ) from e
    return {name: float(value) for name, value in found.items()}  # type: ignore[arg-type]  # numbers and arrays of none


def _pair(prediction: Any, reference: Any, **inputs: Any) -> Pair:
    return Prediction(value=prediction), Example(id="", inputs=inputs, reference=reference)


def _label(value: Any, labels: Sequence[str]) -> Any:
    """The label of a number; of a row of zeros and ones as long as the labels, those at the ones."""
    if isinstance(value, list):
        if labels and len(value) == len(labels) and all(item in (0, 1) for item in value):
            return sorted(label for label, held in zip(labels, value, strict=True) if held)
        return [_label(item, labels) for item in value]
    if isinstance(value, int) and labels:
        return labels[value] if 0 <= value < len(labels) else None
    return value


def _labels(prediction: Any, reference: Any, labels: Sequence[str]) -> Pair:
    return _pair(_label(prediction, labels), _label(reference, labels))


def _answers(prediction: Any, reference: Any, labels: Sequence[str]) -> Pair:
    scores = {}
    if isinstance(prediction, dict):
        scores = {"no_answer": prediction["no_answer_probability"]} if "no_answer_probability" in prediction else {}
        prediction = prediction.get("prediction_text")
    if isinstance(reference, dict):
        reference = reference.get("answers", reference)
    elif isinstance(reference, (str, list)):
        reference = {"text": [reference] if isinstance(reference, str) else reference}
    read, example = _pair(prediction, reference)
    return replace(read, scores=scores), example


def _spans(prediction: Any, reference: Any, labels: Sequence[str]) -> Pair:
    if not all(isinstance(tag, str) for tag in (*prediction, *reference)):
        return _pair(prediction, reference)
    # what the words are does not matter, but how many
    return _pair(*([list(span) for span in tags_to_spans(tags)] for tags in (prediction, reference)), words=reference)


def _texts(prediction: Any, reference: Any, labels: Sequence[str]) -> Pair:
    return _pair(prediction, [reference] if isinstance(reference, str) else reference)


def _as_they_are(prediction: Any, reference: Any, labels: Sequence[str]) -> Pair:
    return _pair(prediction, reference)


READ: Mapping[str, Callable[[Any, Any, Sequence[str]], Pair]] = {
    "labels": _labels, "answers": _answers, "spans": _spans, "texts": _texts, "text": _as_they_are,
    "numbers": _as_they_are,
}  # fmt: skip
"""Form → what plmtasks makes of a prediction and its reference"""
