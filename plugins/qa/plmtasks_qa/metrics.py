"""Exact match, F1 and accuracy, as the official scorers of question answering count them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from plmtasks.data import LETTERS, dimension
from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Means, Metric, ScoreInfo, Value, metric, ratio

from .overlap import bag_f1, cmrc_f1, cmrc_normalize, normalize, normalize_mlqa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task


@dataclass(frozen=True)
class Squad(Means):
    """Exact match and F1 over the best reference, as SQuAD 1.1 or, where a question may have no answer, 2.0 counts."""

    name = "squad"
    description = "exact match and F1 as SQuAD's official scripts count them; best thresholds with no-answer probabilities"
    language: str = "en"
    may_abstain: bool = False
    """Counts as SQuAD 2.0: the empty text is an answer, and both groups have scores of their own."""

    by_mlqa: ClassVar[bool] = False
    """Whether answers are compared as MLQA's script does."""

    def means(self) -> Mapping[str, ScoreInfo]:
        groups = ("has_answer", "no_answer") if self.may_abstain else ()
        both = ("f1", "exact_match")
        return {s: ScoreInfo(mean_of=s) for s in both} | {f"{group}_{s}": ScoreInfo() for group in groups for s in both}

    def scores(self) -> Mapping[str, ScoreInfo]:
        if not self.may_abstain:
            return super().scores()
        threshold = ScoreInfo(best=None, unit="probability", maximum=1.0)
        best = {"best_f1": ScoreInfo(), "best_exact_match": ScoreInfo()}
        return {**super().scores(), **best, **{f"{name}_threshold": threshold for name in best}}

    def bind(self, task: "Task") -> "Squad":
        return replace(self, language=task.language, may_abstain=getattr(task, "may_abstain", False))

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        rows = []
        for prediction, example in zip(predictions, examples, strict=True):
            f1, exact = self.compare(prediction.value, example.reference["text"], self.spoken(example))
            group = "has_answer" if example.reference["text"] else "no_answer"
            rows.append({"f1": f1, "exact_match": exact, f"{group}_f1": f1, f"{group}_exact_match": exact})
        return rows

    def spoken(self, example: Example) -> str:
        """The language by whose rules an example counts."""
        return self.language

    def compare(self, answer: str, references: Sequence[str], language: str | None = None) -> tuple[float, float]:
        """F1 and exact match of one answer, each 0 to 1, with the reference that is best for it.

        language: None: the task's
        """
        return _compared(answer, tuple(references), self.by_mlqa, language or self.language, self.may_abstain)

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


@dataclass(frozen=True)
class XQuad(Squad):
    """The same by the rules of English in every language, as XTREME counts XQuAD and TyDi QA.

    source: Artetxe et al. (2020), arXiv 1910.11856; `third_party/evaluate_squad.py` of https://github.com/google-research/xtreme
    """

    name = "xquad"
    description = (
        "exact match and F1 as SQuAD 1.1's official script counts them, by English rules in every language (XQuAD, XTREME)"
    )

    def bind(self, task: "Task") -> "XQuad":
        return self


@dataclass(frozen=True)
class Mlqa(Squad):
    """The same by MLQA's rules for the language of each example: its own punctuation and articles, Chinese by characters.

    source: Lewis et al. (2020), arXiv 1910.07475
    """

    name = "mlqa"
    description = "exact match and F1 as MLQA's official script counts them, by the rules of each example's language"
    by_mlqa = True

    def bind(self, task: "Task") -> "Mlqa":
        return replace(self, language=task.language)

    def spoken(self, example: Example) -> str:
        """That of the part in which it lies, else the task's."""
        return next((name.partition("=")[2] for name in example.slices if dimension(name) == "language"), self.language)


@lru_cache(maxsize=2**17)  # resamples ask for the same pairs again and again
def _compared(answer: str, references: tuple[str, ...], by_mlqa: bool, language: str, may_abstain: bool) -> tuple[float, float]:
    normal = normalize_mlqa if by_mlqa else normalize
    predicted, expected = normal(answer, language), [normal(r, language) for r in references]
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


class Match(NamedTuple):
    """How well an answer matches its best reference."""

    f1: float
    exact_match: float


@metric("cmrc", version=1, description="exact match and F1 as CMRC 2018's official script counts them")
def cmrc(prediction: str, reference: Mapping[str, Sequence[str]]) -> Match:
    """Exact match and F1 as CMRC 2018 counts them: Han characters and words, the longest common run."""
    exact = cmrc_normalize(prediction) in [cmrc_normalize(r) for r in reference["text"]]
    return Match(max(cmrc_f1(prediction, r) for r in reference["text"]), float(exact))


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

    def means(self) -> Mapping[str, ScoreInfo]:
        best = {"f1": None, "exact_match": None, "human_equivalence": 100.0}
        return {s: ScoreInfo(best=b, mean_of=None if self.minimum_agreement else s) for s, b in best.items()}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        rows: list[Mapping[str, Value]] = []
        for prediction, example in zip(predictions, examples, strict=True):
            references = [normalize(r) for r in example.reference["text"]] or [""]
            people = _human_f1(references)
            if people < self.minimum_agreement:
                rows.append({})
                continue
            predicted = normalize(prediction.value)
            f1 = _leave_one_out([_f1_or_empty(predicted, r) for r in references])
            exact = _leave_one_out([float(predicted == r) for r in references])
            rows.append({"f1": f1, "exact_match": exact, "human_equivalence": float(f1 >= people)})
        return rows


class Choice(NamedTuple):
    """The second and third are not defined where a model gave no likelihoods."""

    accuracy: float
    accuracy_bytes: float | None
    accuracy_tokens: float | None


@metric(
    "choice_accuracy", version=1, description="accuracy of the choice, also with likelihoods normalized by bytes and by tokens"
)
def choice_accuracy(prediction: str, reference: str, scores: Mapping[str, float]) -> Choice:
    """How often the likeliest choice is right: by its likelihood, by that of a byte of it, by that of a token.

    lm-evaluation-harness calls the first acc; its acc_norm divides by characters, in ASCII the same as bytes.
    """
    picks = [_picked(by, scores) for by in ("byte", "token")]
    return Choice(float(prediction == reference), *(None if pick is None else float(pick == reference) for pick in picks))


def _picked(unit: str, scores: Mapping[str, float]) -> str | None:
    """The choice that is likeliest by a unit, the first of equals: by its letter, or, of a declared task, by its text."""
    if (place := scores.get(f"pick_{unit}s")) is not None:
        return LETTERS[int(place)]
    named = {name[len(f"per_{unit}[") : -1]: value for name, value in scores.items() if name.startswith(f"per_{unit}[")}
    return max(named, key=named.__getitem__, default=None)


@dataclass(frozen=True)
class MultiRC(Metric):
    """F1 of the answers that are right, over all answers; and how many questions have all of their answers judged right.

    The examples of a cluster are the answers to one question. The right ones have the last of the task's labels.

    source: Khashabi et al. (2018), N18-1023, F1a; Wang et al. (2019), arXiv 1905.00537; the figures are those of `super_glue` of
        evaluate
    """

    name = "multirc"
    description = "F1 over all answers and exact match over questions, as SuperGLUE counts them for MultiRC"
    right: str = ""
    """The label of an answer that is right."""

    def bind(self, task: "Task") -> "MultiRC":
        """raises: MetricError if the task has no labels"""
        if not task.labels:
            raise MetricError(f"metric {self.name!r} needs a task with labels, of which the last says that an answer is right")
        return replace(self, right=task.labels[-1])

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"f1_a": ScoreInfo(), "exact_match": ScoreInfo()}

    def columns(self) -> Sequence[str]:
        return ["right", "predicted", "reference"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        pairs = [(p.value == self.right, e.reference == self.right) for p, e in zip(predictions, examples, strict=True)]
        return np.array([(said and wanted, said, wanted) for said, wanted in pairs], dtype=np.float64).reshape(-1, 3)

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """totals: (..., 3), leading axes are resamples"""
        return {"f1_a": 100 * ratio(2 * totals[..., 0], totals[..., 1] + totals[..., 2])}

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """A question that is drawn several times counts so often."""
        found: dict[str | None, dict[str, bool]] = {}
        times = Counter(e.cluster for e in examples)
        for prediction, example in zip(predictions, examples, strict=True):
            found.setdefault(example.cluster, {})[example.id] = prediction.value == example.reference
        weights = {question: times[question] / len(judged) for question, judged in found.items()}
        return {"exact_match": 100 * sum(weights[q] * all(found[q].values()) for q in found) / sum(weights.values())}


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
