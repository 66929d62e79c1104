"""A task and the data on which it is checked, asked and solved."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..config import Source
from ..data import Dataset, draw
from ..errors import UnknownNameError
from ..examples import Example, Prediction, fingerprint
from ..hooks import Registry, load_registry
from ..metric import Metric
from ..requests import Answer, Request, to_json
from ..task import Task


def told(example: Example | None, **more: Any) -> dict[str, Any]:
    """An example and what there is to say of it, as a check shows it."""
    return {} if example is None else {"id": example.id, "inputs": example.inputs, "reference": example.reference, **more}


@dataclass(frozen=True)
class Solved:
    """An example that a task is asked by a kind; what comes of it is made when it is wanted."""

    task: Task
    example: Example
    kind: str

    @cached_property
    def request(self) -> Request:
        return self.task.ask(self.example.hidden(), self.kind)

    @cached_property
    def answer(self) -> Answer:
        """That of a perfect model."""
        return self.task.solve(self.example, self.request)

    @cached_property
    def prediction(self) -> Prediction:
        """What the task reads of it."""
        return self.task.read(self.example.hidden(), self.request, self.answer)

    def shown(self) -> dict[str, Any]:
        return told(
            self.example, request=to_json(self.request), solved=to_json(self.answer),
            prediction=self.prediction.value, scores=dict(self.prediction.scores),
        )  # fmt: skip


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
        """split → the examples that are asked, of each id one whose reference is public; a split of no others is left out"""
        public = {split: {e.id: e for e in examples if not e.undisclosed} for split, examples in self.whole.items()}
        return {split: draw(tuple(found.values()), self.limit) for split, found in public.items() if found}

    @cached_property
    def metrics(self) -> list[Metric]:
        """Those of the task's metrics that there are, bound to it."""
        metrics = []
        for name in self.bound.metrics:
            with suppress(UnknownNameError):
                metrics.append(self.registry.metric(name))
        return [metric.bind(self.bound) for metric in metrics]

    @cached_property
    def solved(self) -> Mapping[tuple[str, str], list[Solved]]:
        """(split, kind) → the examples of the split, asked by this kind"""
        return {
            (split, kind): [Solved(self.bound, e, kind) for e in examples]
            for split, examples in self.examples.items() for kind in self.bound.asks
        }  # fmt: skip

    def each(self) -> Iterator[tuple[str, Solved]]:
        """Everything that is asked, and where: "split, kind"."""
        return ((", ".join(place), a) for place, asked in self.solved.items() for a in asked)


def seen(place: tuple[Task, Source, int]) -> dict[str, Any]:
    """What must be the same in every process."""
    subject = TaskSubject(task=place[0], source=place[1], limit=place[2], registry=Registry())
    return {
        "examples": {split: fingerprint(examples) for split, examples in subject.examples.items()},
        "requests": {", ".join(place): [a.request.key() for a in asked] for place, asked in subject.solved.items()},
        "facts": json.loads(json.dumps(subject.bound.config())),
    }
