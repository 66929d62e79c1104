"""A plugin for tests: a task whose predictions another task asks about, and a further metric; the toy model answers both."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from toy import LABELS, ToyAccuracy, ToyTask

from plmtasks import hookimpl
from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request
from plmtasks.task import Follower, Task

WORDS = 3


def sentence(number: int) -> str:
    return " ".join(f"w{number}-{word}" for word in range(WORDS))


@dataclass(frozen=True)
class Find(ToyTask):
    """How many words of a sentence are of interest? The data say the first of them, always."""

    name: str = "toy/find"

    def load(self, source: Source) -> Dataset:
        size = int(source.data or os.environ.get("TOY_EXAMPLES", "12"))

        def read() -> list[Example]:
            return [Example(id=f"s{i}", inputs={"text": sentence(i)}, reference=1) for i in range(size)]

        return Dataset(name="toy", readers={"test": read, "validation": read}, published=True)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, ClassifyAnswer)
        return Prediction(value=int(answer.scores[1] * WORDS), scores={"yes": answer.scores[1]})

    def solve(self, example: Example, request: Request) -> Answer:
        return ClassifyAnswer(scores=(0.5, 0.5))


@dataclass(frozen=True)
class Follow(ToyTask, Follower):
    """What is such a word?"""

    name: str = "toy/follow"
    follows: str = "toy/find"
    fields: Sequence[str] = ("text", "word")

    def load(self, source: Source) -> Dataset:
        found = Find().load(source)

        def read() -> list[Example]:
            return [replace(made, reference=LABELS[0]) for e in found["test"] for made in self.words(e, 1)]

        return Dataset(name="toy", readers={"test": read, "validation": read}, published=True)

    @staticmethod
    def words(example: Example, count: int) -> list[Example]:
        words = example.inputs["text"].split()[:count]
        return [
            Example(id=f"{example.id}.{i}", inputs={**example.inputs, "word": word}, cluster=example.id)
            for i, word in enumerate(words)
        ]

    def ask(self, example: Example, kind: str) -> Request:
        return Classify(text=example.inputs["text"], text_pair=example.inputs["word"], labels=LABELS)

    def show(self, example: Example, prediction: Prediction) -> str:
        return f"{example.inputs['word']}\n{prediction.value}"

    def derive(self, example: Example, prediction: Prediction) -> Sequence[Example]:
        return self.words(example, prediction.value)

    def match(self, examples: Sequence[Example], derived: Sequence[Example]) -> Sequence[Example]:
        references: Mapping[str, Any] = {e.id: e.reference for e in examples}
        found = {e.id for e in derived}
        asked = [replace(e, reference=references.get(e.id, "nothing")) for e in derived]
        return [*asked, *(e for e in examples if e.id not in found)]


class Lengths(ToyAccuracy):
    name = "toy_lengths"

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Any:
        import numpy as np

        return np.array([[len(p.value), 1] for p in predictions], dtype=float)


@hookimpl
def register_tasks() -> list[Task]:
    return [Find(), Follow()]


@hookimpl
def register_metrics() -> list[Metric]:
    return [Lengths()]
