"""A task and the data on which it is checked, asked and solved."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from ..config import Source
from ..data import Dataset, draw
from ..errors import UnknownNameError
from ..examples import Example, Prediction, fingerprint
from ..hooks import Registry, load_registry
from ..metric import Metric
from ..requests import Answer, Request, to_json
from ..task import Task


class Solved(NamedTuple):
    """One example, asked and solved."""

    example: Example
    request: Request
    answer: Answer
    prediction: Prediction
    """What the task reads of the solved answer."""

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.example.id, "inputs": self.example.inputs, "reference": self.example.reference,
            "request": to_json(self.request), "solved": to_json(self.answer),
            "prediction": self.prediction.value, "scores": dict(self.prediction.scores),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TaskSubject:
    """A task and the data on which it is checked."""

    task: Task
    source: Source = field(default_factory=Source)
    """Where the examples come from, if not from the task's own data set."""
    registry: Registry = field(default_factory=load_registry)
    """Where its metrics and kinds of request are found."""
    limit: int = 50
    """At most so many examples of each split are asked, drawn by their ids."""

    @cached_property
    def data(self) -> Dataset:
        return self.task.load(self.source)

    @cached_property
    def bound(self) -> Task:
        """The task as a run has it."""
        return self.task.bind(self.data)

    @cached_property
    def whole(self) -> Mapping[str, tuple[Example, ...]]:
        """split → all of its examples, be their ids unique or not"""
        return {split: tuple(reader()) for split, reader in self.data.readers.items()}

    @cached_property
    def examples(self) -> Mapping[str, tuple[Example, ...]]:
        """split → the examples that are asked, of each id one"""
        return {split: draw(tuple({e.id: e for e in examples}.values()), self.limit) for split, examples in self.whole.items()}

    @cached_property
    def metrics(self) -> list[Metric]:
        """Those of the task's metrics that there are, bound to it."""
        metrics = []
        for name in self.bound.metrics:
            with suppress(UnknownNameError):
                metrics.append(self.registry.metric(name))
        return [metric.bind(self.bound) for metric in metrics]

    def each(self) -> Iterator[tuple[str, str, Example]]:
        """(split, kind, example) of everything that is asked."""
        for split, examples in self.examples.items():
            for kind in self.bound.asks:
                for example in examples:
                    yield split, kind, example

    def solved(self, split: str, kind: str) -> list[Solved]:
        """The examples of a split, asked by this kind, with what is read of the solved answers."""
        key = (split, kind)
        if key not in self._solved:
            self._solved[key] = [solve(self.bound, example, kind) for example in self.examples[split]]
        return self._solved[key]

    @cached_property
    def _solved(self) -> dict[tuple[str, str], list[Solved]]:
        return {}


def solve(task: Task, example: Example, kind: str) -> Solved:
    """An example through ask, solve and read."""
    request = task.ask(example.hidden(), kind)
    answer = task.solve(example, request)
    return Solved(example, request, answer, task.read(example.hidden(), request, answer))


def seen(place: tuple[Task, Source, int]) -> dict[str, Any]:
    """What must be the same in every process."""
    subject = TaskSubject(task=place[0], source=place[1], limit=place[2], registry=Registry())
    return {
        "examples": {split: fingerprint(examples) for split, examples in subject.examples.items()},
        "requests": {
            f"{split}, {kind}": [subject.bound.ask(e.hidden(), kind).key() for e in subject.examples[split]]
            for split in subject.examples for kind in subject.bound.asks
        },
        "facts": json.loads(json.dumps(subject.bound.config())),
    }  # fmt: skip
