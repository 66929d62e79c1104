"""Precision, recall and F1 of labelled spans, as the official scorers of role labelling and named entities count them."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric, ScoreInfo, ratio
from plmtasks.reading import WordSpan, spans_to_tags

from .predictions import TAGS_RIGHT
from .spans import spans_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.task import Task

Item = tuple[str, Hashable]
"""A label, and what has it."""

UNSEEN = "unseen"
"""Counts what has a label that is none of the task's."""

COUNTS = ("correct", "excess", "missed")
MEASURES = ("f1", "precision", "recall")


class SpanScore(Metric):
    """Counts of what is correct, excess and missed, for each label and in all.

    Columns: the three counts of each of the L labels, then of all labels that the task does not have; then what a subclass
    adds. A label that is neither in a reference nor predicted has no scores; one never predicted has the precision 0, one in
    no reference the recall 0.
    """

    left_out: frozenset[str] = frozenset()
    """Labels that do not count in the overall scores."""
    more: Mapping[str, tuple[str, str]] = {}
    """Further scores in points: the column of their sum and that of their count."""

    def __init__(self, labels: Sequence[str] = ()) -> None:
        self.labels = tuple(labels)

    def bind(self, task: "Task") -> "SpanScore":
        return type(self)(tuple(dict.fromkeys(self.label_of(label) for label in task.labels)))

    def label_of(self, label: str) -> str:
        """The label under which a span's label counts."""
        return label

    @abstractmethod
    def items(self, spans: Iterable[WordSpan]) -> set[Item]:
        """What is compared: correct is what is the same in prediction and reference."""

    def more_counts(self, prediction: Prediction, example: Example) -> Mapping[str, float]:
        """The columns beside the labels' counts."""
        return {}

    @property
    def rows(self) -> tuple[str, ...]:
        return (*self.labels, UNSEEN)

    def scores(self) -> Mapping[str, ScoreInfo]:
        of_labels = [f"{measure}[{label}]" for label in self.rows for measure in MEASURES]
        return {name: ScoreInfo() for name in (*MEASURES, *self.more, *of_labels)}

    def columns(self) -> Sequence[str]:
        further = dict.fromkeys(column for pair in self.more.values() for column in pair)
        return [*(f"{count}[{label}]" for label in self.rows for count in COUNTS), *further]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        columns = list(self.columns())
        place = {column: i for i, column in enumerate(columns)}
        start = {label: 3 * i for i, label in enumerate(self.rows)}
        rows = np.zeros((len(predictions), len(columns)))
        for row, p, e in zip(rows, predictions, examples, strict=True):
            predicted, reference = spans_of(p.value), spans_of(e.reference)
            found, wanted = self.items(predicted), self.items(reference)
            for offset, items in enumerate((found & wanted, found - wanted, wanted - found)):
                for label, _ in items:
                    row[start.get(label, start[UNSEEN]) + offset] += 1
            for column, count in self.more_counts(p, e).items():
                row[place[column]] = count
            if p.unfinished:  # that there is nothing may be right, but was not said
                row[[place[part] for part, _ in self.more.values()]] = 0
        return rows

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        columns = list(self.columns())
        counts = totals[..., : 3 * len(self.rows)].reshape(*totals.shape[:-1], len(self.rows), 3)
        counted = np.array([label not in self.left_out for label in self.rows])
        scores = dict(zip(MEASURES, measures(counts[..., counted, :].sum(-2)), strict=True))
        for name, (part, whole) in self.more.items():
            scores[name] = 100 * ratio(totals[..., columns.index(part)], totals[..., columns.index(whole)])
        of_labels = measures(counts)
        for i, label in enumerate(self.rows):
            scores |= {f"{measure}[{label}]": values[..., i] for measure, values in zip(MEASURES, of_labels, strict=True)}
        return scores


def measures(counts: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any], NDArray[Any]]":
    """F1, precision and recall in points, nan where nothing is counted.

    counts: (..., 3), what is correct, excess and missed
    """
    import numpy as np

    correct, excess, missed = counts[..., 0], counts[..., 1], counts[..., 2]
    occurs = correct + excess + missed > 0
    precision = 100 * np.nan_to_num(ratio(correct, correct + excess))
    recall = 100 * np.nan_to_num(ratio(correct, correct + missed))
    f1 = np.nan_to_num(ratio(2 * precision * recall, precision + recall))
    return tuple(np.where(occurs, values, np.nan) for values in (f1, precision, recall))  # type: ignore[return-value]


class SrlEval(SpanScore):
    """Arguments as `srl-eval.pl` of CoNLL-2005 counts them.

    A C-X behind an X is a further part of the last X before it, one without an X is an X. An argument is correct if its role
    and all of its parts are. R-X is a role of its own; V does not count in the overall scores. A proposition is perfect if no
    argument but V is excess or missed; those that no reference has do not count there.

    source: Carreras and Màrquez (2005), https://aclanthology.org/W05-0620
    """

    name = "srl_eval"
    description = "precision, recall and F1 of roles, and perfect propositions, as srl-eval.pl counts them"
    left_out = frozenset({"V"})
    more = {"perfect_propositions": ("perfect", "propositions")}

    def label_of(self, label: str) -> str:
        return label.removeprefix("C-")

    def items(self, spans: Iterable[WordSpan]) -> set[Item]:
        parts: list[tuple[str, list[tuple[int, int]]]] = []
        last: dict[str, list[tuple[int, int]]] = {}
        for label, start, end in sorted(spans, key=lambda s: s.start):
            role = self.label_of(label)
            if role == label or role not in last:
                last[role] = []
                parts.append((role, last[role]))
            last[role].append((start, end))
        return {(role, tuple(places)) for role, places in parts}

    def more_counts(self, prediction: Prediction, example: Example) -> Mapping[str, float]:
        found, wanted = self.items(spans_of(prediction.value)), self.items(spans_of(example.reference))
        wrong = {role for role, _ in found ^ wanted} - self.left_out
        counts = bool(example.reference)
        return {"perfect": counts and not wrong, "propositions": counts}


class ConllEval(SpanScore):
    """Spans as `conlleval` of CoNLL-2000 counts them: correct if label, start and end are.

    Accuracy is over words: of predictions given as tags, those that are the reference's letter for letter, in whatever scheme
    each file is written; of spans, those of the tags of IOB2 that stand for them.
    """

    name = "conlleval"
    description = "precision, recall and F1 of spans of each type and in all, and accuracy of tags, as conlleval counts them"
    version = 2
    more = {"accuracy": ("tags_right", "words")}

    def items(self, spans: Iterable[WordSpan]) -> set[Item]:
        return {(label, (start, end)) for label, start, end in spans}

    def more_counts(self, prediction: Prediction, example: Example) -> Mapping[str, float]:
        length = len(example.inputs["words"])
        right = prediction.scores.get(TAGS_RIGHT)
        if right is None:
            # a span that goes on behind the sentence is excess, and no word's tag
            inside = [span for span in spans_of(prediction.value) if span.end <= length]
            pairs = zip(spans_to_tags(inside, length), spans_to_tags(spans_of(example.reference), length), strict=True)
            right = sum(a == b for a, b in pairs)
        return {"tags_right": right, "words": length}


class MacroF1(ConllEval):
    """The mean F1 of the types of spans that occur, each counted as `conlleval` does: MultiCoNER ranks by it."""

    name = "conlleval_macro"
    description = "mean F1 of the types of spans, as conlleval counts each"
    version = 1
    more: dict[str, tuple[str, str]] = {}

    def more_counts(self, prediction: Prediction, example: Example) -> Mapping[str, float]:
        return {}

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"f1_macro": ScoreInfo()}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        import numpy as np

        of_labels = super().reduce(totals)
        f1 = np.stack([of_labels[f"f1[{label}]"] for label in self.rows], axis=-1)
        return {"f1_macro": ratio(np.nan_to_num(f1).sum(-1), (~np.isnan(f1)).sum(-1))}


class SeqEval(Metric):
    """Roles as seqeval counts spans, in all: a C-X is a span of its own; V does not count."""

    name = "seqeval"
    description = "precision, recall and F1 of roles as seqeval counts spans, without V"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {name: ScoreInfo() for name in MEASURES}

    def columns(self) -> Sequence[str]:
        return COUNTS

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        pairs = [(self._items(p.value), self._items(e.reference)) for p, e in zip(predictions, examples, strict=True)]
        return _count(pairs)

    def _items(self, value: Any) -> set[WordSpan]:
        return {span for span in spans_of(value) if span.label != "V"}

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        return dict(zip(MEASURES, measures(totals), strict=True))


class PredicateScore(Metric):
    """Which words are predicates, and which of them have the right sense: the number of the roleset.

    With the prefix "sense_" a predicate is correct only if its sense is; "sense_accuracy" is over the predicates found.
    """

    name = "predicates"
    description = "precision, recall and F1 of predicates, without and with their senses"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {name: ScoreInfo() for name in (*MEASURES, *(f"sense_{name}" for name in MEASURES), "sense_accuracy")}

    def columns(self) -> Sequence[str]:
        return (*COUNTS, *(f"sense_{count}" for count in COUNTS))

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        import numpy as np

        pairs = [(set(spans_of(p.value)), set(spans_of(e.reference))) for p, e in zip(predictions, examples, strict=True)]
        places = [({s.start for s in found}, {s.start for s in wanted}) for found, wanted in pairs]
        return np.hstack([_count(places), _count(pairs)])

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        found, sensed = measures(totals[..., :3]), measures(totals[..., 3:])
        scores = dict(zip((*MEASURES, *(f"sense_{name}" for name in MEASURES)), (*found, *sensed), strict=True))
        return {**scores, "sense_accuracy": 100 * ratio(totals[..., 3], totals[..., 0])}


def _count(pairs: "Sequence[tuple[set[Any], set[Any]]]") -> "NDArray[Any]":
    """What is correct, excess and missed in each pair of what is found and what is wanted, (n, 3)."""
    import numpy as np

    rows = [(len(found & wanted), len(found - wanted), len(wanted - found)) for found, wanted in pairs]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


METRICS = (SrlEval(), SeqEval(), PredicateScore(), ConllEval(), MacroF1())
