"""What is asked about each example, and the answers read as predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..errors import PlmtasksError
from ..examples import Example, Prediction
from ..requests import Answer, Request
from ..task import Task


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Examples, and what a model is asked about each of them."""

    examples: Sequence[Example]
    requests: Sequence[Request]
    """One for each example."""

    @cached_property
    def keys(self) -> Sequence[str]:
        """The requests' keys, in their order."""
        return [request.key() for request in self.requests]

    def read_each(self, task: Task, answers: Mapping[str, Answer]) -> list[Prediction | None]:
        """A prediction for each example; None where there is no answer.

        answers: by request key
        """
        return [
            task.read(example.hidden(), request, answers[key]) if key in answers else None
            for example, request, key in zip(self.examples, self.requests, self.keys, strict=True)
        ]

    def read(self, task: Task, answers: Mapping[str, Answer], skipped: frozenset[str]) -> dict[str, Prediction]:
        """The predictions for all examples that were not skipped, by the example's id.

        skipped: keys of requests that were left out by policy

        raises: PlmtasksError if an example has no answer
        """
        predictions = {}
        for example, key, prediction in zip(self.examples, self.keys, self.read_each(task, answers), strict=True):
            if prediction is not None:
                predictions[example.id] = prediction
            elif key not in skipped:
                raise PlmtasksError(f"example {example.id!r} was not answered")
        return predictions
