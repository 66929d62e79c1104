"""What a metric is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .task import Task


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

    def signature(self) -> str:
        """What a reader needs to repeat the figure: library, version, options."""
        return f"{self.name} v{self.version}"


def ratio(part: "NDArray[Any]", whole: "NDArray[Any]") -> "NDArray[Any]":
    """part / whole of arrays whose shapes broadcast, in float64; nan where whole is 0: a score of nothing is not defined."""
    import numpy as np

    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    quotient: NDArray[Any] = np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole != 0)
    return quotient
