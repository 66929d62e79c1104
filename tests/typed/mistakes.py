"""What a type checker has to refuse: each line that ends with `refused`, and no other."""

from collections.abc import Iterable, Sequence

import plmtasks
from plmtasks import hookimpl
from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.model import Cost, LoadedModel, Provider
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request
from plmtasks.results import Result
from plmtasks.task import Task


class WrongAnswers(Task):
    name = "wrong/answers"
    asks = ("Classify",)
    metrics = 3  # refused

    def load(self, source: Source) -> Dataset:
        return Dataset(name="wrong", readers={"test": list[str]})  # refused

    def ask(self, example: Example, kind: str) -> str:  # refused
        return str(example.inputs["text"])

    def read(self, example: Example, request: Request) -> Prediction:  # refused
        return Prediction(value=0, scores={"confidence": "high"})  # refused

    def solve(self, example: Example, request: Request) -> Answer:
        return ClassifyAnswer(scores=["1.0"])  # refused


class Unfinished(LoadedModel):
    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(tokens=1) for _ in requests]  # refused


@hookimpl
def register_tasks() -> Iterable[Task | Provider]:
    return [Unfinished()]  # refused


def use(result: Result) -> None:
    size: int = result.score  # refused
    print(size, result.metric)  # refused
    plmtasks.run("qa/sample")  # refused
    plmtasks.run("qa/sample", "tiny-bert", lmit=10)  # refused
    plmtasks.run("qa/sample", "tiny-bert", dtype="float23")  # refused
    Classify("a text", labels=("a", "b"))  # refused
    Example(id="1", inputs={}).reference = "a"  # refused
