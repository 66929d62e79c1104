"""Exact match, F1 and accuracy, as the official scorers of question answering count them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo

from .overlap import bag_f1, cmrc_f1, cmrc_normalize, normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task


class Means(Metric):
    """A metric whose scores are means, in points: each a column of sums over a column of counts."""

    @abstractmethod
    def means(self) -> Mapping[str, str]:
        """score → the column of its count; the column of its sum has the score's name"""

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {score: ScoreInfo(mean_of=score if count == "examples" else None) for score, count in self.means().items()}

    def columns(self) -> Sequence[str]:
        return [*self.means(), *dict.fromkeys(self.means().values())]

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        columns = list(self.columns())
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                score: 100 * totals[..., columns.index(score)] / totals[..., columns.index(count)]
                for score, count in self.means().items()
            }

    def rows(self, rows: Sequence[Mapping[str, float]]) -> "NDArray[Any]":
        """Named statistics as an array; what a row does not name is 0, and it counts as one example."""
        import numpy as np

        columns = self.columns()
        return np.array([[r.get(c, c == "examples") for c in columns] for r in rows], dtype=float).reshape(-1, len(columns))


@dataclass(frozen=True)
class Squad(Means):
    """Exact match and F1 over the best reference, as SQuAD 1.1 or, where a question may have no answer, 2.0 counts."""

    name = "squad"
    description = "exact match and F1 as SQuAD's official scripts count them; best thresholds with no-answer probabilities"
    language: str = "en"
    may_abstain: bool = False
    """Counts as SQuAD 2.0: the empty text is an answer, and both groups have scores of their own."""

    def means(self) -> Mapping[str, str]:
        groups = ("has_answer", "no_answer") if self.may_abstain else ()
        both = {"f1": "examples", "exact_match": "examples"}
        return both | {f"{group}_{score}": group for group in groups for score in both}

    def bind(self, task: "Task") -> "Squad":
        return replace(self, language=task.language, may_abstain=getattr(task, "may_abstain", False))

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            f1, exact = self.compare(prediction.value, example.reference["text"])
            group = "has_answer" if example.reference["text"] else "no_answer"
            rows.append({"f1": f1, "exact_match": exact, group: 1, f"{group}_f1": f1, f"{group}_exact_match": exact})
        return self.rows(rows)

    def compare(self, answer: str, references: Sequence[str]) -> tuple[float, float]:
        """F1 and exact match of one answer, each 0 to 1, with the reference that is best for it."""
        predicted = normalize(answer, self.language)
        expected = [normalize(r, self.language) for r in references]
        if not self.may_abstain:
            return max(bag_f1(predicted, e) for e in expected), float(predicted in expected)
        # SQuAD 2.0: references that normalize to nothing do not count; none left is the empty answer
        expected = [e for e in expected if e] or [""]
        f1 = max(bag_f1(predicted, e) if predicted and e else float(predicted == e) for e in expected)
        return f1, float(predicted in expected)

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """The best scores over all thresholds of the no-answer probability, if every prediction has one.

        An answer whose probability "no_answer" is above the threshold counts as abstention.

        source: the `best_exact` and `best_f1` of SQuAD 2.0's script; ties in order of the examples
        """
        if not self.may_abstain or not predictions or any("no_answer" not in p.scores for p in predictions):
            return {}
        found: dict[str, float] = {}
        compared = [self.compare(p.value, e.reference["text"]) for p, e in zip(predictions, examples, strict=True)]
        answerable = [bool(e.reference["text"]) for e in examples]
        probabilities = [p.scores["no_answer"] for p in predictions]
        for which, name in enumerate(("f1", "exact_match")):
            points = [c[which] for c in compared]
            gains = [
                points[i] if answerable[i] else -float(bool(predictions[i].value)) for i in range(len(predictions))
            ]  # fmt: skip
            score, threshold = _best_threshold(gains, probabilities, answerable.count(False))
            found |= {f"best_{name}": 100 * score / len(predictions), f"best_{name}_threshold": threshold}
        return found


def _best_threshold(gains: Sequence[float], probabilities: Sequence[float], unanswerable: int) -> tuple[float, float]:
    """The largest sum, and the threshold that gives it, when examples are answered in order of their probability.

    Nothing answered gives the number of unanswerable questions; each answer adds its gain (-1 for one too many).
    """
    current = best = float(unanswerable)
    threshold = 0.0
    for i in sorted(range(len(gains)), key=probabilities.__getitem__):
        current += gains[i]
        if current > best:
            best, threshold = current, probabilities[i]
    return best, threshold


class Cmrc(Means):
    """Exact match and F1 as CMRC 2018 counts them: Han characters and words, the longest common run."""

    name = "cmrc"
    description = "exact match and F1 as CMRC 2018's official script counts them"

    def means(self) -> Mapping[str, str]:
        return {"f1": "examples", "exact_match": "examples"}

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            references = example.reference["text"]
            exact = cmrc_normalize(prediction.value) in [cmrc_normalize(r) for r in references]
            rows.append({"f1": max(cmrc_f1(prediction.value, r) for r in references), "exact_match": float(exact)})
        return self.rows(rows)
