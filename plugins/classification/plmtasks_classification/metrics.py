"""How well labels are predicted: every score from counts that add up."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

OUTSIDE = "outside"
"""The column for predictions that are no label of the task."""


def label_set(value: Any) -> frozenset[str]:
    """What a reference or prediction names: one label, several, or nothing readable (None: one label that is none)."""
    return frozenset(value) if isinstance(value, (list, tuple)) else frozenset([value])


class Accuracy(Metric):
    """Predictions that are wholly right; where there are several labels, exactly those."""

    name = "accuracy"
    description = "predictions that are right (of several labels: all, and no other)"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"accuracy": ScoreInfo(mean_of="right")}

    def columns(self) -> Sequence[str]:
        return ["right", "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        right = [label_set(p.value) == label_set(e.reference) for p, e in zip(predictions, examples, strict=True)]
        return np.column_stack([np.array(right, dtype=np.float64), np.ones(len(right))])

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        return {"accuracy": 100 * ratio(totals[..., 0], totals[..., 1])}


class AccuracyNorm(Metric):
    """Accuracy where the choice is the one with the highest log-likelihood per UTF-8 byte, or per token.

    Only answers to `Choose` have lengths: for all others the scores are nan.
    """

    name = "accuracy_norm"
    description = "accuracy of choices by log-likelihood per byte and per token"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"accuracy_norm_bytes": ScoreInfo(), "accuracy_norm_tokens": ScoreInfo()}

    def columns(self) -> Sequence[str]:
        return ["right_per_byte", "right_per_token", "chosen"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        rows = np.zeros((len(predictions), 3))
        for i, (p, e) in enumerate(zip(predictions, examples, strict=True)):
            per_byte, per_token = best_named("per_byte", p.scores), best_named("per_token", p.scores)
            if per_byte is not None and per_token is not None:
                rows[i] = per_byte == e.reference, per_token == e.reference, 1
        return rows

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        return {
            "accuracy_norm_bytes": 100 * ratio(totals[..., 0], totals[..., 2]),
            "accuracy_norm_tokens": 100 * ratio(totals[..., 1], totals[..., 2]),
        }


def best_named(what: str, scores: Mapping[str, float]) -> str | None:
    """The label with the highest of the scores `what[label]`, the first of equals; None if there is none."""
    named = {name[len(what) + 1 : -1]: value for name, value in scores.items() if name.startswith(f"{what}[")}
    return max(named, key=named.__getitem__) if named else None


class LabelCounts(Metric):
    """The margins of the confusion matrix and its diagonal, from which the scores below follow.

    Columns, for each of L labels: how often right, how often predicted, how often in the reference; then the predictions
    outside the labels, and the examples. k = 3 L + 2.
    """

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = tuple(labels)

    def bind(self, task: "Task") -> "LabelCounts":
        return type(self)(task.labels)

    def columns(self) -> Sequence[str]:
        counts = ("right", "predicted", "reference")
        return [*(f"{count}[{label}]" for count in counts for label in self.labels), OUTSIDE, "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        """raises: MetricError if the task has no labels, or a reference lies outside them"""
        import numpy as np

        if not self.labels:
            raise MetricError(f"metric {self.name!r} needs a task with labels")
        place, size = {label: i for i, label in enumerate(self.labels)}, len(self.labels)
        rows = np.zeros((len(predictions), 3 * size + 2))
        rows[:, -1] = 1
        for row, p, e in zip(rows, predictions, examples, strict=True):
            predicted, reference = label_set(p.value), label_set(e.reference)
            if not reference <= place.keys():
                known = f"the labels are: {', '.join(self.labels)}"
                raise MetricError(f"example {e.id!r} has the reference {e.reference!r}", known)
            for label in predicted:
                row[size + place[label] if label in place else -2] += 1
            for label in reference:
                row[2 * size + place[label]] = 1
                row[place[label]] = label in predicted
        return rows

    def parts(self, totals: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]":
        """(right, predicted, reference) of shape (..., L), (outside, examples) of shape (...)."""
        size = len(self.labels)
        right, predicted, reference = (totals[..., i * size : (i + 1) * size] for i in range(3))
        return right, predicted, reference, totals[..., -2], totals[..., -1]


class F1(LabelCounts):
    """F1 of each label, their mean, and F1 of all decisions together.

    A label that neither a reference nor a prediction names has no F1, and no part in the mean; a label never predicted
    has the precision 0, and one that no reference names the recall 0. Predictions outside the labels lower the micro
    average, which for single labels is the accuracy. The same figures as scikit-learn's `f1_score` with
    zero_division=0: macro over the labels that occur, micro over all that occurs, outside included.
    """

    name = "f1"
    description = "F1 of each label, macro and micro averaged, with precision and recall"

    def scores(self) -> Mapping[str, ScoreInfo]:
        of_labels = [f"{what}[{label}]" for label in self.labels for what in ("f1", "precision", "recall")]
        return {name: ScoreInfo() for name in ("f1_macro", "f1_micro", *of_labels)}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        right, predicted, reference, outside, _ = self.parts(totals)
        occurs = predicted + reference > 0
        f1 = 100 * ratio(2 * right, predicted + reference)
        precision = np.where(occurs & (predicted == 0), 0.0, 100 * ratio(right, predicted))
        recall = np.where(occurs & (reference == 0), 0.0, 100 * ratio(right, reference))
        scores = {
            "f1_macro": ratio(np.where(occurs, f1, 0).sum(-1), occurs.sum(-1)),
            "f1_micro": 100 * ratio(2 * right.sum(-1), predicted.sum(-1) + reference.sum(-1) + outside),
        }
        for i, label in enumerate(self.labels):
            scores |= {f"f1[{label}]": f1[..., i], f"precision[{label}]": precision[..., i], f"recall[{label}]": recall[..., i]}
        return scores


class Matthews(LabelCounts):
    """Matthews correlation of predictions and references, for two labels or more, times 100.

    0 if all predictions are the same; not defined if all references are.
    source: Gorodkin (2004), doi 10.1016/j.compbiolchem.2004.09.006, its R_K; scikit-learn's `matthews_corrcoef`
    """

    name = "matthews"
    description = "Matthews correlation coefficient, for two labels or more"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"matthews": ScoreInfo(minimum=-100.0)}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        right, predicted, reference, outside, examples = self.parts(totals)
        covariance = right.sum(-1) * examples - (predicted * reference).sum(-1)
        of_predictions = examples**2 - (predicted**2).sum(-1) - outside**2
        of_references = examples**2 - (reference**2).sum(-1)
        correlation = np.where(of_predictions == 0, 0.0, ratio(covariance, np.sqrt(of_predictions * of_references)))
        return {"matthews": 100 * np.where(of_references == 0, np.nan, correlation)}


class MultiLabel(LabelCounts):
    """Scores of sets of labels: the mean F1 of the examples, and the share of wrong decisions.

    An example without labels for which none is predicted has the F1 1. What is predicted outside the labels lowers F1
    and is a wrong decision too. Otherwise the same figures as scikit-learn's `f1_score(average="samples",
    zero_division=1)` and `hamming_loss`.
    """

    name = "multi_label"
    description = "F1 of each example's set of labels, and Hamming loss"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"f1_samples": ScoreInfo(mean_of="f1"), "hamming_loss": ScoreInfo(best=0.0, higher_is_better=False)}

    def columns(self) -> Sequence[str]:
        return ["f1", "wrong", "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        right, predicted, reference, outside, ones = self.parts(super().statistics(predictions, examples))
        named = predicted.sum(-1) + outside + reference.sum(-1)
        f1 = np.where(named == 0, 1.0, ratio(2 * right.sum(-1), named))
        return np.column_stack([f1, named - 2 * right.sum(-1), ones])

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        f1, wrong, examples = totals[..., 0], totals[..., 1], totals[..., 2]
        return {"f1_samples": 100 * ratio(f1, examples), "hamming_loss": 100 * ratio(wrong, examples * len(self.labels))}


METRICS = (Accuracy(), F1(), Matthews(), AccuracyNorm(), MultiLabel())
