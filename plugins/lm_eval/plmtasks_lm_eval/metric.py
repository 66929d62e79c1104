"""lm-eval's own metrics of its tasks, as one metric."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Aggregated, ScoreInfo, mean

from .asking import as_answers, responses
from .measures import Measure, values, values_of_most
from .refusals import quiet, refused
from .task import METRIC, LmEvalTask, lm_eval_version

if TYPE_CHECKING:
    from plmtasks.task import Task


SHARES = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
"""Metrics of lm-eval that are the share of documents that are right, so that a document alone is right or wrong."""

PER_TEXT = ("acc_norm", "acc_bytes", "acc_mutual_info")
"""Metrics of lm-eval that take choices for texts of some length and likelihood."""


def _info(one: Measure) -> ScoreInfo:
    share = one.is_mean and one.higher_is_better and one.metric in SHARES
    return ScoreInfo(
        best=1.0 if share else None, unit=METRIC, minimum=0.0 if share else None, maximum=1.0 if share else None,
        higher_is_better=one.higher_is_better, mean_of=one.name if one.is_mean and one.of_all else None,
    )  # fmt: skip


def _votes(prediction: Prediction) -> Sequence[int]:
    """Which of its texts say anything; all, where none is finished."""
    finished = [time for time, one in enumerate(prediction.repeats) if not one.unfinished]
    return finished or range(len(prediction.repeats))


def _of_scores(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what divides by a length, or takes the likelihood of a choice by itself away: scores of choices have neither."""
    return {name: None if name.partition(",")[0] in PER_TEXT else value for name, value in found.items()}


def _none_true(value: Any) -> Any:
    """A document's value of which a share is counted, with nothing right; any other as it is."""
    flags = isinstance(value, list) and value and all(isinstance(one, bool) for one in value)
    return [False] * len(value) if flags else value


class LmEvalMetric(Aggregated):
    """Filters, metrics and aggregations of lm-eval's own task, on their own scale."""

    name = METRIC
    description = "the metrics that a task of lm-evaluation-harness is scored by there, on their own scale"

    def __init__(self) -> None:
        self.task: LmEvalTask | None = None
        self.measures: Sequence[Measure] = ()
        self._last: tuple[Sequence[Prediction], Sequence[Mapping[str, Any]]] = (), ()

    def bind(self, task: "Task") -> "LmEvalMetric":
        """This metric with the scores of a task, or of what a run tells of one whose file is not there.

        raises: InputError for a task that is not lm-eval's
        """
        told: Any = getattr(task, "lm_eval", None)
        if not isinstance(task, LmEvalTask) and told is None:
            raise InputError(f"metric {self.name!r} scores the tasks of lm-eval alone, not {task.name}")
        bound = copy(self)
        bound.task, bound._last = (task, ((), ())) if isinstance(task, LmEvalTask) else (None, ((), ()))
        bound.measures = bound.task.measures if bound.task else [Measure(**one) for one in told["measures"]]
        return bound

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {one.name: _info(one) for one in self.measures}

    def aggregations(self) -> Mapping[str, Callable[[Sequence[Any]], float]]:
        return {one.name: mean if one.is_mean else partial(self._aggregated_by, one.metric) for one in self.measures}

    def _aggregated_by(self, metric: str, found: Sequence[Any]) -> float:
        with refused(f"lm-eval's aggregation of {metric}"):
            try:
                return float(self._made.aggregation()[metric](found))
            except (ArithmeticError, ValueError) as e:
                undefined = e
        raise undefined  # the core leaves such resamples out

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        """What lm-eval's `process_results` makes of each document, its filters before it.

        raises: MetricError without the documents; InputError where lm-eval fails
        """
        kept, found = self._last
        if len(kept) != len(predictions) or any(a is not b for a, b in zip(kept, predictions, strict=True)):
            found = self._processed(predictions, examples)
            self._last = tuple(predictions), found
        return found

    def _processed(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        from .data import compiled_once, seeded

        made, task = self._made, self.task
        assert task is not None
        assert task.documents is not None
        if not task.how.trust_remote_code and getattr(made, "UNSAFE_CODE", False):
            raise InputError(f"{task.name} runs what is predicted as code", "whoever lets it says --trust-remote-code")
        instances = [task.documents.instances[example.id] for example in examples]

        def said(predicted: Sequence[Prediction]) -> list[list[Any]]:
            pairs = zip(predicted, examples, instances, strict=True)
            return [one for p, e, several in pairs for one in responses(several, as_answers(e.inputs, p.value))]

        with quiet(), seeded(), compiled_once(), refused(f"lm-eval cannot score {task.name}"):
            if not predictions or not predictions[0].repeats:
                found = values(made, instances, said(predictions))
            else:
                drawn = [said(one) for one in zip(*(p.repeats for p in predictions), strict=True)]
                found = values_of_most(made, instances, drawn, [_votes(p) for p in predictions])
        return [
            self._of_nothing(one) if prediction.unfinished else _of_scores(one) if "scored" in prediction.scores else one
            for one, prediction in zip(found, predictions, strict=True)
        ]

    def _of_nothing(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """What no answer is given: an empty text may be right by a metric's rules, but nobody said it."""
        means = [one.name for one in self.measures if one.is_mean and one.higher_is_better]
        return {
            name: min(value, 0) if name in means and value is not None else _none_true(value) for name, value in found.items()
        }

    @property
    def _made(self) -> Any:
        """raises: MetricError if the documents are not loaded"""
        if self.task is None or self.task.documents is None:
            raise MetricError(f"{self.task.name if self.task else 'a task of lm-eval'} is scored with its documents alone")
        return self.task.documents.made

    def signature(self) -> str:
        return f"{self.name} {lm_eval_version()}"
