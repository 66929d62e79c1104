"""What a task is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .examples import Example, Prediction
from .requests import Answer, Request

if TYPE_CHECKING:
    from .config import Source
    from .data import Dataset


class Task(ABC):
    """Turns examples into requests and answers into predictions.

    A task is a value: it is not changed by a run. It never sees a tensor. `ask` and `read` are given examples whose
    reference is hidden; `solve` alone sees it.
    """

    name: str
    """"classification/sst2": the plugin's word, a slash, the variant."""
    version: ClassVar[int] = 1
    """Raised whenever the same data and answers would be asked, read or solved differently."""
    asks: Sequence[str]
    """The kinds of request by which it can be asked, the preferred first."""
    metrics: Sequence[str]
    """Names of metrics; the first score of the first is the task's main score."""
    language: str = "en"
    """ISO 639-1 code of the texts."""
    labels: tuple[str, ...] = ()
    """What can be predicted, where that is a closed set; metrics have a column for each and one for all else."""
    description: str = ""
    """One line for `plmtasks list tasks`."""

    @abstractmethod
    def load(self, source: "Source") -> "Dataset":
        """The task's splits, from its own data set or from `source`.

        raises: DataError with file and line where the data is not what its format says
        """

    def bind(self, data: "Dataset") -> "Task":
        """This task, knowing what only the data tells (its labels, say)."""
        return self

    @abstractmethod
    def ask(self, example: Example, kind: str) -> Request:
        """The request of this kind that the example poses. `example` has no reference."""

    @abstractmethod
    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """What the answer means in the reference's terms. `example` has no reference."""

    @abstractmethod
    def solve(self, example: Example, request: Request) -> Answer:
        """The answer that a perfect model would give: the target of training, and the proof that nothing is lost."""

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Somebody else's predictions, id → prediction, in the formats that the task's field uses.

        By default JSON lines with "id" and "prediction", or one prediction a line in the order of the examples.

        raises: DataError with file and line
        """
        from .data import read_predictions

        return read_predictions(path, examples)

    def facts(self) -> dict[str, Any]:
        """What of the task belongs in a run's identity."""
        return {"name": self.name, "version": self.version, "language": self.language, "labels": list(self.labels)}
