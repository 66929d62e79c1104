"""What a metric of the evaluate library is given, by the types that it declares."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import spans_to_tags

TEXTS = ("the teacher kindly sold the old basket in the station .", "a pilot sadly lost the green lamp in the garden .")
UNREADABLE = -1
"""The number of a prediction that is none of the labels."""


class Unfit(Exception):
    """A value that a feature does not take; the text tells why."""


def wanted(
    features: Any, predictions: Sequence[Prediction], examples: Sequence[Example], labels: Sequence[str], name: str
) -> dict[str, list[Any]]:
    """Column → its values, by the first of the metric's sets of features that takes all of them.

    labels: whose places are the numbers that stand for them

    raises: MetricError if none does
    """
    reasons = []
    for option in _options(features):
        try:
            pairs = list(zip(predictions, examples, strict=True))
            return {column: [_input(column, feature, p, e, labels) for p, e in pairs] for column, feature in option.items()}
        except Unfit as e:
            reasons.append(str(e))
    shown = [f"a prediction: {predictions[0].value!r:.80}", f"its reference: {examples[0].reference!r:.80}"] if examples else []
    raise MetricError(f"{name} cannot take such predictions: {'; or '.join(dict.fromkeys(reasons))}", *shown)


def made_up(features: Any) -> dict[str, list[Any]]:
    """Two pairs of right predictions, of the types of the first set of features."""
    return {column: [_made(feature, i) for i in range(2)] for column, feature in _options(features)[0].items()}


def _options(features: Any) -> list[Mapping[str, Any]]:
    return list(features) if isinstance(features, (list, tuple)) else [features]


def _made(feature: Any, i: int) -> Any:
    if isinstance(feature, Mapping):
        return {name: _made(inner, i) for name, inner in feature.items()}
    inner = _inner(feature)
    if inner is not None:
        return [_made(inner, i)]
    return {"int": i, "float": float(i), "string": TEXTS[i], "bool": bool(i)}[_type(feature)]


def _inner(feature: Any) -> Any:
    """What a list holds; None: it is no list."""
    if isinstance(feature, (list, tuple)):
        return feature[0]
    return getattr(feature, "feature", None)


def _type(feature: Any) -> str:
    """int, float, string or bool

    raises: Unfit
    """
    name = str(getattr(feature, "dtype", ""))
    found = next((kind for kind in ("int", "float", "string", "bool") if kind in name), None)
    if found is None:
        raise Unfit(f"it wants {feature}, which no task gives")
    return found


def _input(column: str, feature: Any, prediction: Prediction, example: Example, labels: Sequence[str]) -> Any:
    """raises: Unfit"""
    if column == "predictions":
        if isinstance(feature, Mapping):
            return _named(feature, {
                "id": example.id, "prediction_text": prediction.value,
                "no_answer_probability": float(prediction.scores.get("no_answer", 0.0)),
            })  # fmt: skip
        return _fitted(prediction.value, feature, example, labels, predicted=True)
    if column == "references":
        if isinstance(feature, Mapping):
            return _named(feature, {"id": example.id, "answers": example.reference})
        return _fitted(example.reference, feature, example, labels, predicted=False)
    if column == "prediction_scores":
        chances = [prediction.scores.get(f"probability[{label}]") for label in labels]
        if None in chances or not chances:
            raise Unfit("it wants the probabilities of labels, which these predictions do not have")
        if _inner(feature) is None and len(chances) != 2:
            raise Unfit(f"it wants the probability of the second of two labels, and there are {len(chances)}")
        return chances if _inner(feature) is not None else chances[1]
    if column in ("sources", "source"):
        source = example.inputs.get("source", example.inputs.get("text"))
        if isinstance(source, str):
            return source
    raise Unfit(f"it wants {column!r}, which no task gives")


def _named(feature: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """raises: Unfit for a field that is not known, or is not of its type"""
    strangers = [name for name in feature if name not in known]
    if strangers:
        raise Unfit(f"it wants {strangers[0]!r}, which no task gives")
    for name, value in known.items():
        answers = isinstance(value, Mapping) and {"text", "answer_start"} <= value.keys()
        if name in feature and not (answers if name == "answers" else isinstance(value, (str, float))):
            raise Unfit("it takes answers to questions: a text, and references with texts and offsets")
    return {name: _only(feature[name], known[name]) for name in feature}


def _only(feature: Any, value: Any) -> Any:
    """Of an object, what the feature has."""
    return {name: value[name] for name in feature} if isinstance(feature, Mapping) and isinstance(value, Mapping) else value


def _fitted(value: Any, feature: Any, example: Example, labels: Sequence[str], *, predicted: bool) -> Any:
    """The value as the feature wants it.

    raises: Unfit
    """
    inner = _inner(feature)
    if inner is None:
        return FITTED[_type(feature)](value, labels, predicted)
    if _inner(inner) is not None or isinstance(inner, Mapping):
        raise Unfit(f"it wants {feature}, which no task gives")
    if _type(inner) == "string":
        return _strings(value, example, predicted=predicted)
    if not isinstance(value, (list, tuple)):
        raise Unfit("it takes several labels each")
    if all(isinstance(item, str) for item in value) and labels:
        return [int(label in value) for label in labels]
    return [FITTED[_type(inner)](item, (), predicted) for item in value]


def _strings(value: Any, example: Example, *, predicted: bool) -> list[str]:
    """Tags of words, or the texts of all references."""
    words = example.inputs.get("words")
    if isinstance(value, Mapping) and "text" in value:
        value = value["text"]
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value) and (value or words is None):
        return list(value)
    if isinstance(value, (list, tuple)) and words is not None and all(len(item) == 3 for item in value):
        return spans_to_tags(value, len(words))
    if isinstance(value, str) and not predicted:
        return [value]
    raise Unfit("it takes lists of texts, or tags of words")


def _integer(value: Any, labels: Sequence[str], predicted: bool) -> int:
    if isinstance(value, (bool, int)) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    if isinstance(value, str) and value in labels:
        return list(labels).index(value)
    if predicted and labels and (value is None or isinstance(value, str)):
        return UNREADABLE
    raise Unfit("it takes whole numbers, or labels of a task that has some")


def _number(value: Any, labels: Sequence[str], predicted: bool) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Unfit("it takes numbers") from None


def _text(value: Any, labels: Sequence[str], predicted: bool) -> str:
    if isinstance(value, Mapping) and "text" in value:
        value = value["text"]
    if isinstance(value, (list, tuple)) and not predicted and all(isinstance(item, str) for item in value):
        if len(value) != 1:
            raise Unfit(f"it takes one reference a prediction, and there are {len(value)}")
        value = value[0]
    if value is None and predicted:
        return ""
    if not isinstance(value, str):
        raise Unfit("it takes texts")
    return value


def _truth(value: Any, labels: Sequence[str], predicted: bool) -> bool:
    if not isinstance(value, bool):
        raise Unfit("it takes true and false")
    return value


FITTED: Mapping[str, Callable[[Any, Sequence[str], bool], Any]] = {
    "int": _integer, "float": _number, "string": _text, "bool": _truth,
}  # fmt: skip
"""Type of a single value → what makes it"""
