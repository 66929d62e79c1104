"""The base class of a metric: rows of sufficient statistics for pairs, scores for their sums."""

import ast
import hashlib
import inspect
import math
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, update_wrapper
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin, get_type_hints

from .errors import MetricError
from .examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .task import Task

Value = float | tuple[float, float] | None
"""What one example adds to a mean: a number; a sum and what it is divided by; None where the example does not count."""


@dataclass(frozen=True, kw_only=True)
class ScoreInfo:
    """What one named score means."""

    best: float | None = 100.0
    """The value that solved answers give; None: it has no best value."""
    higher_is_better: bool = True
    unit: str = "points"
    """points, or what else it counts; "kind": runs that differ in it are never compared."""
    minimum: float | None = 0.0
    maximum: float | None = 100.0
    mean_of: str | None = None
    """The column whose mean this is (times 100 for points), where the score is a plain proportion or mean."""
    resampled: bool = True
    """Whether scores of resamples tell how sure it is; not so where examples that are drawn twice change what is counted."""

    @property
    def rewards(self) -> bool:
        """Whether it gives points for what is right, and none for what is wrong."""
        return self.higher_is_better and self.minimum == 0 and (self.unit == "points" or self.best == self.maximum is not None)

    @property
    def right(self) -> float:
        """What a mean's column has for an example that is all right."""
        return 1.0 if self.unit == "points" else self.best or math.inf


class Metric(ABC):
    """Maps predictions and their examples to sufficient statistics, and their sum to named scores.

    From the rows follow exact aggregation, confidence intervals, paired tests and slices.
    """

    name: str
    version: ClassVar[int] = 1
    """Raised whenever the same predictions would get another score."""
    description: str = ""
    main: str = ""
    """The score by which runs are ranked, where a task wants another than the first."""

    def bind(self, task: "Task") -> "Metric":
        """This metric, knowing the task's labels and language."""
        return self

    @abstractmethod
    def scores(self) -> Mapping[str, ScoreInfo]:
        """The scores that it gives, the main one first."""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names of the k statistics."""

    @abstractmethod
    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        """One row of statistics for each of n predictions.

        returns: float64, shape (n, k)
        """

    @abstractmethod
    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """Scores from summed rows.

        totals: (..., k), leading axes are resamples
        returns: each score with shape (...); nan where it is not defined
        """

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """Further scores that are no function of a sum (a best threshold, an area under a curve); none by default.

        Their intervals come from computing them anew on each of some hundred resamples.
        """
        return {}

    def selected(
        self, predictions: Sequence[Prediction], examples: Sequence[Example]
    ) -> Callable[[Iterable[int]], Mapping[str, float]]:
        """What computes those scores of pairs among these, given their positions: what all selections share is made once."""

        def computed(positions: Iterable[int]) -> Mapping[str, float]:
            chosen = list(positions)
            return self.compute([predictions[i] for i in chosen], [examples[i] for i in chosen])

        return computed

    def signature(self) -> str:
        """What a reader needs to repeat the figure: library, version, options."""
        return f"{self.name} v{self.version}"


def ratio(part: "NDArray[Any]", whole: "NDArray[Any]") -> "NDArray[Any]":
    """part / whole of arrays whose shapes broadcast, in float64; nan where whole is 0: a score of nothing is not defined."""
    import numpy as np

    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    quotient: NDArray[Any] = np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)
    return quotient


class Means(Metric):
    """A metric whose scores are means of what each example has by itself. A subclass says `means` and `values`.

    Columns: for each mean the sum of its values; for each that some examples count for more than others, or not at all, what
    it is divided by, as "weight[score]"; the number of examples.
    """

    @abstractmethod
    def means(self) -> Mapping[str, ScoreInfo]:
        """The scores that are means, the main one first; every example counts alike where `mean_of` is the score's own name."""

    @abstractmethod
    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        """For each prediction the value of each score, 0 to 1 where the score counts points; a score left out is None."""

    def scores(self) -> Mapping[str, ScoreInfo]:
        """The means; a subclass that has a `compute` adds its scores."""
        return self.means()

    def columns(self) -> Sequence[str]:
        """The scores' names, "weight[score]" of those to which not every example counts alike, and "examples"."""
        means = self.means()
        return [*means, *(f"weight[{name}]" for name, info in means.items() if info.mean_of is None), "examples"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> "NDArray[Any]":
        """One row of sums and weights for each of n predictions, (n, k).

        raises: MetricError if an example has no value for a score to which every example counts
        """
        import numpy as np

        means, values = self.means(), zip(self.values(predictions, examples), predictions, examples, strict=True)
        rows = chain.from_iterable(self._row(means, found, e, unfinished=p.unfinished) for found, p, e in values)
        return np.fromiter(rows, dtype=np.float64).reshape(-1, len(self.columns()))

    def _row(
        self, means: Mapping[str, ScoreInfo], values: Mapping[str, Value], example: Example, *, unfinished: bool
    ) -> list[float]:
        sums, weights = [], []
        for name, info in means.items():
            value = values.get(name)
            above, below = value if isinstance(value, tuple) else (0.0, 0.0) if value is None else (value, 1.0)
            if info.mean_of is None:
                weights.append(below)
            elif below != 1:
                raise MetricError(
                    f"metric {self.name!r} gave {value!r} as {name!r} of example {example.id!r}",
                    "a number is expected, as every example counts alike: annotate it as `float | None` where that is not so",
                )
            sums.append(0.0 if unfinished and info.rewards else above)
        return [*sums, *weights, 1.0]

    def reduce(self, totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
        """The means, times 100 for points; nan where nothing counted.

        totals: (..., k), leading axes are resamples
        """

        columns, found = list(self.columns()), {}
        for place, (name, info) in enumerate(self.means().items()):
            mean = ratio(totals[..., place], totals[..., columns.index("examples" if info.mean_of else f"weight[{name}]")])
            found[name] = 100 * mean if info.unit == "points" else mean
        return found


def mean(values: Sequence[float]) -> float:
    """The plain mean: as an aggregation, what makes a score a sum."""
    return math.fsum(values) / len(values)


class Aggregated(Means):
    """A metric whose scores are any functions of what each example has by itself.

    A subclass says `scores`, `values` and `aggregations`. A score whose aggregation is `mean` is a sum, as of `Means`: exact over
    processes, in slices and in resamples. The others are made of values that are kept, so that a resample counts no example anew.
    """

    @abstractmethod
    def aggregations(self) -> Mapping[str, Callable[[Sequence[Any]], float]]:
        """How each score is made of its examples' values, `mean` or another function; from 0 to 1 where the score counts points.

        It is never given nothing, and gives nan where the score is not defined.
        """

    @abstractmethod
    def scores(self) -> Mapping[str, ScoreInfo]:
        """The scores, the main one first; every example counts alike for a mean whose `mean_of` is its own name."""

    @abstractmethod
    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        """For each prediction the value of each score, as its aggregation takes it; one that is left out does not count."""

    def means(self) -> Mapping[str, ScoreInfo]:
        """The scores whose aggregation is `mean`."""
        how = self.aggregations()
        return {name: info for name, info in self.scores().items() if how[name] is mean}

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        """The scores whose aggregation is another function.

        raises: MetricError if an aggregation raises ArithmeticError or ValueError; such resamples are left out
        """
        return dict(self.selected(predictions, examples)(range(len(examples))))

    def selected(
        self, predictions: Sequence[Prediction], examples: Sequence[Example]
    ) -> Callable[[Iterable[int]], Mapping[str, float]]:
        others = {name: function for name, function in self.aggregations().items() if function is not mean}
        rows, infos = self.values(predictions, examples) if others else (), self.scores()

        def computed(positions: Iterable[int]) -> Mapping[str, float]:
            chosen = [rows[i] for i in positions] if others else []
            kept = {name: [row[name] for row in chosen if row.get(name) is not None] for name in others}
            return {n: self._aggregated(n, kept[n]) * (100 if infos[n].unit == "points" else 1) for n in others}

        return computed

    def _aggregated(self, name: str, values: Sequence[Any]) -> float:
        try:
            return float(self.aggregations()[name](values)) if values else math.nan
        except (ArithmeticError, ValueError) as e:
            raise MetricError(
                f"{name!r} of metric {self.name!r} is not defined for {len(values)} values: {type(e).__name__}: {e}",
                f"the first: {values[0]!r:.80}",
            ) from e


def metric(
    name: str, scores: ScoreInfo | Mapping[str, ScoreInfo] | None = None, *, version: int | None = None, description: str = ""
) -> "Callable[[Callable[..., Any]], FunctionMetric]":
    """Makes a metric of a function of one example: its scores are the means of what the function returns.

        @metric("exact_match")
        def exact_match(prediction, reference) -> float:
            return prediction.strip() == reference

    The function is given what it names: `prediction` and `scores`, the value and the named numbers of what was predicted;
    `reference` and `inputs` of the example; `task`, for its labels or language. It returns a number, from 0 to 1 where the score
    counts points; or several by name, as a mapping whose names stand in `scores`, or as a NamedTuple. In place of a number,
    None is an example that does not count, and a pair the sum and the number that it is divided by: `-> float | None` says that
    not every example counts alike.

    scores: what the score means, where it is not points from 0 to 100, the more the better; of several, by name
    version: raised whenever the same predictions would get another score; None: a hash of the function's own source stands in
        its place, which does not see what the function calls
    description: the first line of the function's docstring, if none is given

    raises: TypeError if the function names something else, or returns several numbers whose names nobody says
    """

    return lambda function: FunctionMetric(name, function, scores, version, description)


GIVEN: Mapping[str, Callable[[Prediction, Example, "Task | None"], Any]] = {
    "prediction": lambda p, e, t: p.value, "scores": lambda p, e, t: p.scores, "reference": lambda p, e, t: e.reference,
    "inputs": lambda p, e, t: e.inputs, "task": lambda p, e, t: t,
}  # fmt: skip
"""What a metric's function can be given, by the names of its parameters."""


class FunctionMetric(Means):
    """The metric that `metric` makes of a function; it can still be called as one."""

    def __init__(
        self, name: str, function: Callable[..., Any], scores: ScoreInfo | Mapping[str, ScoreInfo] | None, version: int | None,
        description: str,
    ) -> None:  # fmt: skip
        """raises: TypeError, as `metric`"""
        update_wrapper(self, function)  # its module is the one to blame
        self.name, self.function, self.stated = name, function, version
        self._means = self._meant(scores)
        self.description = description or (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
        self.task: Task | None = None
        self.given = tuple(inspect.signature(function).parameters)
        strange = [parameter for parameter in self.given if parameter not in GIVEN]
        if strange:
            raise TypeError(f"metric {name!r} asks for {strange[0]!r}; it can be given {', '.join(GIVEN)}")

    def _meant(self, scores: ScoreInfo | Mapping[str, ScoreInfo] | None) -> Mapping[str, ScoreInfo]:
        """What the scores mean: every example counts alike where the return type says plain numbers."""
        told = SimpleNamespace(__annotations__={"return": self.function.__annotations__.get("return", float)})
        returned = get_type_hints(told, self.function.__globals__)["return"]
        if hasattr(returned, "_fields"):
            hints = get_type_hints(returned)
        elif issubclass(get_origin(returned) or object, Mapping) or isinstance(scores, Mapping):
            hints = dict.fromkeys(scores if isinstance(scores, Mapping) else (), (get_args(returned) or (float,))[-1])
        else:
            hints = {self.name: returned}
        if not hints:
            raise TypeError(f"metric {self.name!r} returns several numbers: say their names, {{name: ScoreInfo(), …}}")
        infos = {n: scores.get(n, ScoreInfo()) if isinstance(scores, Mapping) else scores or ScoreInfo() for n in hints}
        return {n: replace(info, mean_of=n if hints[n] in (float, int, bool) else None) for n, info in infos.items()}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def bind(self, task: "Task") -> "FunctionMetric":
        bound = copy(self)
        bound.task = task
        return bound

    def means(self) -> Mapping[str, ScoreInfo]:
        return self._means

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        pairs = zip(predictions, examples, strict=True)
        return [self._named(self.function(*(GIVEN[name](p, e, self.task) for name in self.given))) for p, e in pairs]

    def _named(self, value: Any) -> Mapping[str, Value]:
        """raises: MetricError for names that were not declared"""
        several = value._asdict() if hasattr(value, "_asdict") else value
        if not isinstance(several, Mapping):
            return {next(iter(self._means)): value}
        strange = [name for name in several if name not in self._means]
        if strange:
            raise MetricError(f"metric {self.name!r} gave {strange[0]!r}, which is none of its scores", *self._means)
        return several

    def signature(self) -> str:
        """Its name with its version, or with the hash of its source.

        raises: MetricError if no version is stated and there is no source
        """
        return f"{self.name} {self._source_hash if self.stated is None else f'v{self.stated}'}"

    @cached_property
    def _source_hash(self) -> str:
        """Of the function without comments, docstring and layout. 16 hexadecimal digits.

        raises: MetricError if there is no source
        """
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.function)))
        except (OSError, SyntaxError) as e:
            raise MetricError(f"metric {self.name!r} has no source to tell it by", "state its version: version=1") from e
        [definition] = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        if ast.get_docstring(definition) is not None:
            definition.body = definition.body[1:]
        return hashlib.sha256(ast.unparse(definition).encode()).hexdigest()[:16]
