"""Several texts drawn for the same question: how they are asked, which answer most of them give, and what they score."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, MetricError
from ..examples import Example, Prediction
from ..metric import Aggregated, Metric, ScoreInfo, ratio
from ..requests import Answer, Generate, Request, Several
from .metrics import count, main_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..task import Task

ALMOST = 1 - 1e-9
"""From here a value of an example counts as right."""


def repeated(request: Request, repeats: int) -> Several:
    """The same question so many times, each with texts of its own; of several requests about an example, all of them each time.

    raises: InputError if no text is asked for
    """
    if not any(isinstance(one, Generate) for one in request.each()):
        said = f"a {request.kind()} request cannot be repeated: --repeats draws texts"
        raise InputError(said, "--ask Generate, if the task and the model know that; else leave --repeats out")
    each = ((i, one) for i in range(repeats) for one in request.each())
    return Several(requests=tuple(replace(one, repeat=i) if isinstance(one, Generate) else one for i, one in each))


def apart(request: Request, drawn: Sequence[Request], answers: Sequence[Answer]) -> Iterator[tuple[Request, Answer]]:
    """Each of the repeats of a request, as it is asked once, and its answer.

    drawn, answers: those of `repeated`
    """
    size = len(request.each())
    for i in range(0, len(drawn), size):
        once = replace(request, requests=tuple(drawn[i : i + size])) if isinstance(request, Several) else drawn[i]
        yield once, request.joined(answers[i : i + size])


def majority(repeats: Sequence[Prediction]) -> Prediction:
    """What most of the texts say, of equally many what came first; with all of them. What is unfinished says nothing."""
    said = [one for one in repeats if not one.unfinished] or repeats
    keys = [json.dumps(one.value, sort_keys=True) for one in said]
    [(most, _)] = Counter(keys).most_common(1)  # the first of equals
    return replace(said[keys.index(most)], repeats=tuple(repeats), reasoning="")


def counted_repeats(predictions: Iterable[Prediction]) -> int:
    """How many texts each of these predictions was made of; 1 where they differ in that, or there are none."""
    numbers = {len(prediction.repeats) for prediction in predictions}
    return max(1, numbers.pop()) if len(numbers) == 1 else 1


def over_repeats(metrics: Sequence[Metric], repeats: int) -> list[Metric]:
    """The metrics as they score so many texts for each question; one text is scored as ever."""
    return [Repeated(metric, repeats) if repeats > 1 else metric for metric in metrics]


def of_one(metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics as they score one text for each question."""
    return [metric.metric if isinstance(metric, Repeated) else metric for metric in metrics]


def keeps_values(metric: Metric) -> bool:
    """Whether scores that are no sums are made of values that are kept, so that those of parts and resamples take little."""
    return any(isinstance(one, Aggregated) for one in of_one([metric]))


def pass_at(k: int, n: int, right: int) -> float:
    """The probability that of k texts, drawn without replacement from n of which some are right, one at least is.

    source: Chen et al. (2021), arXiv 2107.03374: 1 - C(n - right, k) / C(n, k), as a product of what is near 1
    """
    if n - right < k:
        return 1.0
    wrong = 1.0
    for i in range(n - right + 1, n + 1):
        wrong *= 1 - k / i
    return 1 - wrong


@dataclass(frozen=True)
class Repeated(Metric):
    """A metric over several texts for each question.

    Of each of its scores there is `score_avg@n`, of all texts counted together: for a mean of examples the mean over the texts;
    and `score_maj@n`, of what most texts say. Of a mean of examples by which one can be right, because its value is the best
    there is, there is `score_pass@k` too, for k = 1, 2, 4, … and n.
    """

    metric: Metric
    """Of one text."""
    repeats: int
    name: str = field(init=False)
    description: str = field(init=False)
    main: str = field(init=False)

    def __post_init__(self) -> None:
        told = {"name": self.metric.name, "description": self.metric.description}
        for field_name, value in {**told, "main": f"{main_score(self.metric)}_avg@{self.repeats}"}.items():
            object.__setattr__(self, field_name, value)

    def bind(self, task: "Task") -> "Repeated":
        return Repeated(self.metric.bind(task), self.repeats)

    @property
    def ks(self) -> Sequence[int]:
        return sorted({*(2**i for i in range(self.repeats.bit_length())), self.repeats})

    def passing(self) -> Iterator[tuple[str, int, int]]:
        """Each score of which a text can be right, the column that says it, and each k."""
        columns = list(self.metric.columns())
        for name, info in self.metric.scores().items():
            if info.mean_of is not None and info.rewards and info.best == info.maximum:
                yield from ((name, columns.index(info.mean_of), k) for k in self.ks)

    def scores(self) -> Mapping[str, ScoreInfo]:
        found: dict[str, ScoreInfo] = {}
        passing = list(self.passing())
        for name, info in self.metric.scores().items():
            column = info.mean_of
            found[f"{name}_avg@{self.repeats}"] = replace(info, mean_of=column and f"all {column}")
            for of, _, k in passing:
                if of == name:
                    found[f"{name}_pass@{k}"] = replace(info, mean_of=f"{name}_pass@{k}")
            found[f"{name}_maj@{self.repeats}"] = replace(info, mean_of=column and f"majority {column}")
        return found

    def columns(self) -> Sequence[str]:
        own = self.metric.columns()
        each = (f"{name}_pass@{k}" for name, _, k in self.passing())
        return [*(f"all {c}" for c in own), *(f"majority {c}" for c in own), *each, "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        """The means over the texts, the rows of what most say, and for each k how likely one of so many texts is right.

        raises: MetricError if a prediction was not made of so many texts
        """
        import numpy as np

        each = np.stack([count(self.metric, one, examples) for one in self._each(predictions)])
        most, infos = count(self.metric, predictions, examples), self.metric.scores()
        chances = []
        for name, at, k in self.passing():
            right = (each[:, :, at] >= ALMOST * infos[name].right).sum(axis=0)
            chances.append([pass_at(k, self.repeats, n) for n in right.tolist()])
        passed = [np.array(one, dtype=np.float64).reshape(-1, 1) for one in chances]
        return np.hstack([each.mean(axis=0), most, *passed, np.ones((len(examples), 1))])

    def _each(self, predictions: Sequence[Prediction]) -> list[list[Prediction]]:
        other = next((p for p in predictions if len(p.repeats) != self.repeats), None)
        if other is not None:
            raise MetricError(f"a prediction was made of {len(other.repeats)} texts, not of {self.repeats}: {other.value!r:.80}")
        return [[p.repeats[i] for p in predictions] for i in range(self.repeats)]

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        k = len(self.metric.columns())
        whole, most = self.metric.reduce(totals[..., :k] * self.repeats), self.metric.reduce(totals[..., k : 2 * k])
        found = {f"{name}_avg@{self.repeats}": value for name, value in whole.items()}
        for at, (name, _, number) in enumerate(self.passing()):
            best = self.metric.scores()[name].best
            found[f"{name}_pass@{number}"] = ratio(totals[..., 2 * k + at], totals[..., -1]) * best
        return found | {f"{name}_maj@{self.repeats}": value for name, value in most.items()}

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Of scores that are no function of a sum the mean over the texts, and what most of them say scored."""
        return dict(self.selected(predictions, examples)(range(len(examples))))

    def selected(
        self, predictions: Sequence[Prediction], examples: Sequence[Example]
    ) -> Callable[[Iterable[int]], Mapping[str, float]]:
        every = [self.metric.selected(one, examples) for one in self._each(predictions)]
        most = self.metric.selected(predictions, examples)

        def computed(positions: Iterable[int]) -> Mapping[str, float]:
            chosen = list(positions)
            found, voted = [one(chosen) for one in every], most(chosen)
            names = [name for name in found[0] if all(name in one for one in found)]
            means = {f"{name}_avg@{self.repeats}": sum(one[name] for one in found) / self.repeats for name in names}
            return means | {f"{name}_maj@{self.repeats}": value for name, value in voted.items()}

        return computed

    def signature(self) -> str:
        return f"{self.metric.signature()}|{self.repeats} repeats"
