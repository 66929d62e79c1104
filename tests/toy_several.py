"""A plugin for tests: tasks that ask several requests about an example, and a model that thinks first, at times without end."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import toy

from plmtasks import hookimpl
from plmtasks.config import ModelSettings, Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.model import Cost, LoadedModel, Model
from plmtasks.requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    Request,
    Several,
    SeveralAnswer,
)
from plmtasks.task import Task

ANSWERS = ("odd", "even")
SILENT = 5
"""To one question in so many the right answer is to say nothing."""


@dataclass(frozen=True)
class Sums(Task):
    """What is the sum? To some the right answer is an empty text."""

    name: str = "several/sums"
    asks: Sequence[str] = ("Generate",)
    metrics: Sequence[str] = ("toy_accuracy",)
    fields: Sequence[str] = ("text",)

    def load(self, source: Source) -> Dataset:
        def read() -> list[Example]:
            return [Example(id=f"n{i}", inputs={"text": f"{i} + {i % 7}"}, reference=self.right(i)) for i in range(30)]

        return Dataset(name="toy", readers={"train": read, "test": lambda: read()[:20]}, published=True)

    def right(self, i: int) -> str:
        return "" if i % SILENT == 0 else str(i + i % 7)

    def ask(self, example: Example, kind: str) -> Request:
        return Generate(text=f"{example.inputs['text']} =", max_new_tokens=4)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        return Prediction(value=cast(GenerateAnswer, answer).text)

    def solve(self, example: Example, request: Request) -> Answer:
        return GenerateAnswer(text=example.reference)


@dataclass(frozen=True)
class Orders(Sums):
    """Is the first number odd or even? Asked in both orders; where these disagree, nothing is said."""

    name: str = "several/orders"
    asks: Sequence[str] = ("Choose",)

    def right(self, i: int) -> str:
        return ANSWERS[i % 2 == 0]

    def ask(self, example: Example, kind: str) -> Request:
        one = Choose(text=example.inputs["text"], choices=ANSWERS)
        return Several(requests=(one, replace(one, choices=ANSWERS[::-1])))

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        pairs = zip(cast(Several, request).requests, cast(SeveralAnswer, answer).answers, strict=True)
        first, second = (cast(Choose, one).answered(of) for one, of in pairs)
        return Prediction(value=first if first == second else "")

    def solve(self, example: Example, request: Request) -> Answer:
        asked = [cast(Choose, one).choices for one in cast(Several, request).requests]
        return SeveralAnswer(answers=tuple(_sure(choices, example.reference) for choices in asked))


@dataclass(frozen=True)
class Kinds(Orders):
    """The same by a choice and, in words of the model's own, a text."""

    name: str = "several/kinds"
    asks: Sequence[str] = ("Choose+Generate",)

    def ask(self, example: Example, kind: str) -> Request:
        text = example.inputs["text"]
        return Several(requests=(Choose(text=text, choices=ANSWERS), Generate(text=f"{text} =", max_new_tokens=4)))

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        choose, _ = cast(Several, request).requests
        chosen, written = cast(SeveralAnswer, answer).answers
        return Prediction(value=cast(Choose, choose).answered(chosen), scores={"length": float(len(next(written.texts())))})

    def solve(self, example: Example, request: Request) -> Answer:
        return SeveralAnswer(answers=(_sure(ANSWERS, example.reference), GenerateAnswer(text="1")))


def _sure(choices: Sequence[str], right: str) -> ChooseAnswer:
    found = [Likelihood(log_likelihood=0.0 if c == right else -9.0, tokens=1, bytes=len(c)) for c in choices]
    return ChooseAnswer(choices=tuple(found))


@dataclass(frozen=True)
class Thinker(Model):
    """Right at times, by a hash of what it is asked and, where texts are drawn, of the seed."""

    name: str = "toy-thinker"
    family: str = "toy"
    answers: Sequence[str] = ("Choose", "Generate")

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"weights": "none", **({"seed": settings.seed} if settings.generation.temperature else {})}

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedThinker(settings)


class LoadedThinker(toy.LoadedToy):
    """A batch is of one kind."""

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [replace(cost, group=r.kind()) for cost, r in zip(super().costs(requests), requests, strict=True)]

    def plain(self, requests: Sequence[Request]) -> list[Answer]:
        super().plain(requests)  # writes down what was asked
        return [self.chosen(r) if isinstance(r, Choose) else self.written(cast(Generate, r)) for r in requests]

    def chosen(self, request: Choose) -> Answer:
        likelihoods = [-float(_hash(request.text, choice) % 97) - 1 for choice in request.choices]
        pairs = zip(request.choices, likelihoods, strict=True)
        return ChooseAnswer(choices=tuple(Likelihood(log_likelihood=v, tokens=1, bytes=len(c)) for c, v in pairs))

    def written(self, request: Generate) -> Answer:
        drawn = (request.repeat, self.settings.seed) if self.settings.generation.temperature else ()
        luck = _hash(request.text, *drawn) % 8
        if luck == 0:
            return GenerateAnswer(text="", reasoning="so many numbers", reasoning_tokens=3, unfinished=True)
        a, b = map(int, request.text.removesuffix(" =").split(" + "))
        right = "" if a % SILENT == 0 else str(a + b)
        return GenerateAnswer(text=right if luck < 5 else str(luck), reasoning=f"{a} and {b}", reasoning_tokens=2)


def _hash(*of: Any) -> int:
    return int(hashlib.sha256(repr(of).encode()).hexdigest()[:8], 16)


@hookimpl
def register_tasks() -> list[Task]:
    return [Sums(), Orders(), Kinds()]


@hookimpl
def register_models() -> list[Model]:
    return [Thinker()]
