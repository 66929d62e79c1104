"""A caller and a plugin author, whose types have to fit ours."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import plmtasks
from plmtasks import hookimpl
from plmtasks.config import ModelSettings, Source
from plmtasks.data import Dataset, open_dataset
from plmtasks.engine import Engine, Job, Jobs, Standing, Workers
from plmtasks.errors import DataError, ModelError, PlmtasksError
from plmtasks.examples import Example, Prediction
from plmtasks.files import read_records
from plmtasks.formats import Format, Written
from plmtasks.hooks import Registry
from plmtasks.metric import Metric, ScoreInfo
from plmtasks.model import Cost, LoadedModel, Model, Provider
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request, from_json, to_json
from plmtasks.results import Result, read_results
from plmtasks.statistics import Interval, bootstrap
from plmtasks.task import Perturbation, Task, WordPerturbation


@dataclass(frozen=True, kw_only=True)
class CountAnswer(Answer):
    count: int


@dataclass(frozen=True, kw_only=True)
class Count(Request):
    answer_type = CountAnswer
    text: str


class Parity(Task):
    name = "numbers/parity"
    asks = ("Classify", "Count")
    metrics = ("hits",)
    labels = ("even", "odd")
    fields = ("text",)

    def load(self, source: Source) -> Dataset:
        def read(path: Path) -> Iterator[Example]:
            for where, row in read_records(path):
                if "text" not in row:
                    raise DataError(where, "a text", "none")
                yield Example(id=where, inputs={"text": row["text"]}, reference="even")

        return open_dataset(source, read, name=self.name)

    def ask(self, example: Example, kind: str) -> Request:
        text: str = example.inputs["text"]
        return Classify(text=text, labels=self.labels) if kind == "Classify" else Count(text=text)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        if isinstance(answer, ClassifyAnswer):
            return Prediction(value=self.labels[answer.scores[1] > answer.scores[0]], scores={"confidence": max(answer.scores)})
        assert isinstance(answer, CountAnswer)
        return Prediction(value=self.labels[answer.count % 2])

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, Classify):
            return ClassifyAnswer(scores=tuple(float(label == example.reference) for label in request.labels))
        return CountAnswer(count=self.labels.index(example.reference))


class Counter(Model):
    name = "counter"
    answers = ("Count",)

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"version": self.version, "threads": settings.threads}

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        if not isinstance(example_request, Count):
            raise ModelError(f"{self.name} cannot answer {example_request.kind()}")
        return LoadedCounter()


class LoadedCounter(LoadedModel):
    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=sum(map(len, request.texts()))) for request in requests]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return [CountAnswer(count=len(request.text)) for request in requests if isinstance(request, Count)]


class Counters(Provider):
    scheme = "counter"

    def make(self, name: str) -> Counter:
        return Counter()


class Hits(Metric):
    name = "hits"

    def bind(self, task: Task) -> Metric:
        return self

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"hits": ScoreInfo(mean_of="right")}

    def columns(self) -> Sequence[str]:
        return ["right", "n"]

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> NDArray[np.float64]:
        rows = [(p.value == e.reference, 1) for p, e in zip(predictions, examples, strict=True)]
        return np.array(rows, dtype=np.float64)

    def reduce(self, totals: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        return {"hits": 100 * totals[..., 0] / totals[..., 1]}


class Shout(WordPerturbation):
    name = "shout"

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        return [word.upper() if draw.random() > 0.5 else word for word in words]


class Nobody(Workers, Jobs):
    count, threads = 1, 1

    def ask(self, call: str, *args: str) -> Any:
        raise PlmtasksError(f"nobody answers {call}", *args)

    def deal(self, config: str, plan: str, batches: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        return iter([(batch, plan.encode()) for batch in batches])

    def look(self) -> Mapping[str, Standing]:
        return {"one": Standing(state="failed", note="nobody does it", log=Path("log"))}


class Nowhere(Engine):
    name = "nowhere"

    def workers(self, count: int, threads: int) -> AbstractContextManager[Workers]:
        return nullcontext(Nobody())

    def jobs(self, jobs: Sequence[Job], folder: Path, *, begin: bool = True) -> AbstractContextManager[Jobs]:
        return nullcontext(Nobody())


class Names(Format):
    name = "names"
    description = "the name of each run's task"

    def write(self, results: Sequence[Result], path: Path, registry: Registry) -> Written:
        path.write_text("\n".join(registry.task(result.task).name for result in results))
        return Written(files=[path], said=f"{len(results)} names")


@hookimpl
def register_tasks() -> Iterable[Task | Provider]:
    return [Parity()]


@hookimpl
def register_models() -> Iterable[Model | Provider]:
    return [Counter(), Counters()]


@hookimpl
def register_metrics() -> Iterable[Metric | Provider]:
    return [Hits()]


@hookimpl
def register_requests() -> Iterable[type[Request]]:
    return [Count]


@hookimpl
def register_perturbations() -> Iterable[Perturbation | Provider]:
    return [Shout()]


@hookimpl
def register_formats() -> Iterable[Format]:
    return [Names()]


@hookimpl
def register_suites() -> Iterable[Path]:
    return [Path(__file__).with_name("suite.toml")]


@hookimpl
def register_engines() -> Iterable[Engine]:
    return [Nowhere()]


@hookimpl
def report(result: Result) -> None:
    print(result.task, result.score)


def main() -> None:
    try:
        result = plmtasks.run("numbers/parity", "counter", limit=10, output="results")
    except PlmtasksError as e:
        raise SystemExit(e.exit_code) from e
    value: float | None = result.score
    for name, score in result.scores().items():
        print(name, score, value)
    folder: Path = plmtasks.train("qa/sample", "tiny-bert", "out")
    for answer in plmtasks.predict("numbers/parity", "counter", ["12", {"text": "13"}]):
        print(answer["prediction"], folder)
    several: Result = plmtasks.run(["numbers/parity"], "counter", seed=[0, 1], data=Path("x.csv"))[0]
    board: str = plmtasks.leaderboard(several, "results", columns=["speed"]).to_markdown()
    wrong: list[str] = [one.id for one in plmtasks.mistakes(result)]
    folder = result.checkpoint or folder
    print(wrong, result.slices().to_pandas(), plmtasks.load_results(["results"]) + plmtasks.load_results())
    best: float | None = plmtasks.load_results("results", model="counter")[0].score
    print(board, best, plmtasks.compare(result, several).n, plmtasks.score("numbers/parity", {"1": "even"}, split="test").scores)
    found: list[Result] = read_results("results")
    rows: NDArray[np.float64] = np.ones((len(found), 2))
    intervals: dict[str, Interval] = bootstrap(rows, Hits().reduce, proportions={"hits": 0})
    low: float | None = intervals["hits"].low
    again: Any = from_json(Count, to_json(Count(text="12")))
    print(low, again)
