"""Exact match, F1 and accuracy, as the official scorers of question answering count them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, ratio

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
        columns = list(self.columns())
        return {
            score: 100 * ratio(totals[..., columns.index(score)], totals[..., columns.index(count)])
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

    def scores(self) -> Mapping[str, ScoreInfo]:
        if not self.may_abstain:
            return super().scores()
        threshold = ScoreInfo(best=None, unit="probability", maximum=1.0)
        best = {"best_f1": ScoreInfo(), "best_exact_match": ScoreInfo()}
        return {**super().scores(), **best, **{f"{name}_threshold": threshold for name in best}}

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
        return _compared(answer, tuple(references), self.language, self.may_abstain)

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


@lru_cache(maxsize=2**17)  # resamples ask for the same pairs again and again
def _compared(answer: str, references: tuple[str, ...], language: str, may_abstain: bool) -> tuple[float, float]:
    predicted = normalize(answer, language)
    expected = [normalize(r, language) for r in references]
    if not may_abstain:
        return max(bag_f1(predicted, e) for e in expected), float(predicted in expected)
    # SQuAD 2.0: references that normalize to nothing do not count; none left is the empty answer
    expected = [e for e in expected if e] or [""]
    f1 = max(_f1_or_empty(predicted, e) for e in expected)
    return f1, float(predicted in expected)


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


@dataclass(frozen=True)
class Conversation(Means):
    """F1 and exact match as CoQA and QuAC count them: against all references but one, each left out in turn.

    So a system is compared with as many references as each annotator is; a solved answer need not reach 100. QuAC's
    questions on which annotators agree too little do not count. QuAC's HEQ-Q, how often a system is at least as good
    as the annotators, is `human_equivalence`; HEQ-D, over whole dialogues, is no sum over questions and left out.

    source: Reddy et al. (2019), arXiv 1808.07042; Choi et al. (2018), arXiv 1808.07036
    """

    name = "conversation"
    description = "F1, exact match and human equivalence as CoQA's and QuAC's official scripts count them"
    minimum_agreement: float = 0.0
    """The annotators' own F1 below which a question does not count; QuAC has 0.4."""

    def bind(self, task: "Task") -> "Conversation":
        return replace(self, minimum_agreement=getattr(task, "minimum_agreement", 0.0))

    def means(self) -> Mapping[str, str]:
        return dict.fromkeys(("f1", "exact_match", "human_equivalence"), "agreed" if self.minimum_agreement else "examples")

    def scores(self) -> Mapping[str, ScoreInfo]:
        infos = super().scores()
        return {s: replace(info, best=100.0 if s == "human_equivalence" else None) for s, info in infos.items()}

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        rows: list[Mapping[str, float]] = []
        for prediction, example in zip(predictions, examples, strict=True):
            references = [normalize(r) for r in example.reference["text"]] or [""]
            people = _human_f1(references)
            if people < self.minimum_agreement:
                rows.append({})
                continue
            predicted = normalize(prediction.value)
            f1 = _leave_one_out([_f1_or_empty(predicted, r) for r in references])
            exact = _leave_one_out([float(predicted == r) for r in references])
            rows.append({"f1": f1, "exact_match": exact, "human_equivalence": float(f1 >= people), "agreed": 1})
        return self.rows(rows)


class ChoiceAccuracy(Means):
    """How often the likeliest choice is right: by its likelihood, by that of a byte of it, by that of a token.

    The second and third are not defined where a model gave no likelihoods. lm-evaluation-harness calls the first acc; its
    acc_norm divides by characters, in ASCII the same as bytes.
    """

    name = "choice_accuracy"
    description = "accuracy of the choice, also with likelihoods normalized by bytes and by tokens"

    def means(self) -> Mapping[str, str]:
        return {"accuracy": "examples", "accuracy_bytes": "likelihoods", "accuracy_tokens": "likelihoods"}

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            row = {"accuracy": float(prediction.value == example.reference)}
            if "pick_bytes" in prediction.scores:
                right = ord(example.reference) - ord("A")
                row |= {f"accuracy_{by}": float(prediction.scores[f"pick_{by}"] == right) for by in ("bytes", "tokens")}
                row["likelihoods"] = 1
            rows.append(row)
        return self.rows(rows)


def _f1_or_empty(predicted: str, expected: str) -> float:
    """F1 where the empty text is an answer like others."""
    return bag_f1(predicted, expected) if predicted and expected else float(predicted == expected)


def _leave_one_out(values: Sequence[float]) -> float:
    """The mean, over references left out, of the largest value among the others; one reference alone is kept."""
    first, *others = sorted(values, reverse=True)
    return (first * len(others) + others[0]) / len(values) if others else first


def _human_f1(references: Sequence[str]) -> float:
    """How well each reference does against the others, in the mean; 1 for one alone."""
    if len(references) == 1:
        return 1.0
    return sum(
        max(_f1_or_empty(r, other) for j, other in enumerate(references) if j != i) for i, r in enumerate(references)
    ) / len(references)  # fmt: skip
