"""How well labels are predicted: every score from counts that add up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, metric, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

OUTSIDE = "outside"
"""The column for predictions that are no label of the task."""


def label_set(value: Any) -> frozenset[str]:
    """What a reference or prediction names: one label, several, or nothing readable (None: one label that is none)."""
    return frozenset(value) if isinstance(value, (list, tuple)) else frozenset([value])


@metric("accuracy", version=1, description="predictions that are right (of several labels: all, and no other)")
def accuracy(prediction: Any, reference: Any) -> float:
    """Predictions that are wholly right; where there are several labels, exactly those."""
    return float(label_set(prediction) == label_set(reference))


class PerLength(NamedTuple):
    """Only answers to `Choose` have lengths; no others count."""

    accuracy_norm_bytes: float | None
    accuracy_norm_tokens: float | None


@metric("accuracy_norm", version=1, description="accuracy of choices by log-likelihood per byte and per token")
def accuracy_norm(scores: Mapping[str, float], reference: str) -> PerLength:
    """Accuracy where the choice is the one with the highest log-likelihood per UTF-8 byte, or per token."""
    chosen = [best_named(what, scores) for what in ("per_byte", "per_token")]
    return PerLength(*(None if label is None else float(label == reference) for label in chosen))


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

        place, size = {label: i for i, label in enumerate(self.labels)}, len(self.labels)
        rows = np.zeros((len(predictions), 3 * size + 2))
        rows[:, -1] = 1
        for row, p, e in zip(rows, predictions, examples, strict=True):
            predicted, reference = label_set(p.value), _known(self.name, self.labels, e.reference, f"example {e.id!r}")
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


class BalancedAccuracy(LabelCounts):
    """The mean recall of the labels that references have, scikit-learn's `balanced_accuracy_score`."""

    name = "balanced_accuracy"
    description = "mean recall of the labels, which counts rare and frequent ones alike"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"balanced_accuracy": ScoreInfo()}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        right, _, reference, _, _ = self.parts(totals)
        recall = np.nan_to_num(ratio(right, reference))
        return {"balanced_accuracy": 100 * ratio(recall.sum(-1), (reference > 0).sum(-1))}


class Stance(LabelCounts):
    """The mean F1 of "favor" and "against", as stances are ranked; what takes no side counts where it is mistaken for one.

    source: Mohammad et al. (2016), S16-1003, section 4; the same figure as TweetEval's evaluation script
    """

    name = "stance"
    description = 'mean F1 of the labels "favor" and "against"'
    sides = ("favor", "against")

    def bind(self, task: "Task") -> "Stance":
        """raises: MetricError if these are none of the task's labels"""
        if task.labels and not set(self.sides) <= set(task.labels):
            of = f"those of {task.name} are: {', '.join(task.labels)}"
            raise MetricError("metric 'stance' needs the labels favor and against", of)
        return Stance(task.labels)

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"f1_stance": ScoreInfo()}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        right, predicted, reference, _, _ = self.parts(totals)
        sides = [self.labels.index(side) for side in self.sides]
        there = (predicted + reference)[..., sides]
        f1 = np.nan_to_num(ratio(2 * right[..., sides], there))
        return {"f1_stance": 100 * ratio(f1.sum(-1), (there > 0).sum(-1))}


class Sets(NamedTuple):
    """How far an example's set of labels is right; of all decisions on a label the share that is wrong."""

    f1_samples: float
    hamming_loss: tuple[float, float]


@metric(
    "multi_label", {"hamming_loss": ScoreInfo(best=0.0, higher_is_better=False)}, version=1,
    description="F1 of each example's set of labels, and Hamming loss",
)  # fmt: skip
def multi_label(prediction: Any, reference: Any, task: "Task") -> Sets:
    """Scores of sets of labels: the mean F1 of the examples, and the share of wrong decisions.

    An example without labels for which none is predicted has the F1 1. What is predicted outside the labels lowers F1
    and is a wrong decision too. Otherwise the same figures as scikit-learn's `f1_score(average="samples",
    zero_division=1)` and `hamming_loss`.

    raises: MetricError if the task has no labels, or a reference lies outside them
    """
    predicted, wanted = label_set(prediction), _known("multi_label", task.labels, reference)
    right, named = len(predicted & wanted), len(predicted) + len(wanted)
    return Sets(2 * right / named if named else 1.0, (named - 2 * right, len(task.labels)))


def _known(name: str, labels: Sequence[str], reference: Any, example: str = "an example") -> frozenset[str]:
    """The reference's labels.

    raises: MetricError if there are no labels, or the reference lies outside them"""
    if not labels:
        raise MetricError(f"metric {name!r} needs a task with labels")
    if not (found := label_set(reference)) <= set(labels):
        raise MetricError(f"{example} has the reference {reference!r}", f"the labels are: {', '.join(labels)}")
    return found


class GenderParity(Metric):
    """How often both examples of a pair, which differ in the gender of a pronoun alone, get the same label.

    A pair is the examples of a cluster; one of which a single example is there does not count. What guesses one label throughout
    has 100, so that it says nothing without an accuracy.

    source: Wang et al. (2019), arXiv 1905.00537, section 3.2, after Rudinger et al. (2018), N18-2002
    """

    name = "gender_parity"
    description = "pairs that differ in the gender of a pronoun and get the same label"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"gender_parity": ScoreInfo()}

    def columns(self) -> Sequence[str]:
        return ["examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        return np.ones((len(examples), 1))

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        return {}

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """A pair that is drawn several times counts so often."""
        pairs: dict[str | None, dict[str, Any]] = {}
        times = Counter(e.cluster for e in examples)
        for prediction, example in zip(predictions, examples, strict=True):
            pairs.setdefault(example.cluster, {})[example.id] = prediction.value
        weights = {pair: times[pair] / len(found) for pair, found in pairs.items() if len(found) > 1}
        same = sum(weight for pair, weight in weights.items() if len({*pairs[pair].values()}) == 1)
        return {"gender_parity": 100 * same / sum(weights.values())} if weights else {}


METRICS = (accuracy, F1(), Matthews(), BalancedAccuracy(), Stance(), accuracy_norm, multi_label, GenderParity())
