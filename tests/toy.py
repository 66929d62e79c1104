"""A plugin for tests of the house: a task and a model that need no weights, and faults on demand.

Environment: TOY_EXAMPLES (how many), TOY_SLEEP and TOY_SLEEP_<process> (seconds a batch), TOY_FAULT (`raise:1:3` raises,
`kill:1:3` kills process 1 in its third batch, `hold:1:3` holds its interpreter for TOY_HOLD seconds, `once:1:3` raises if
TOY_STAMP is not there), TOY_STAMP (a file that gets the
time of the fault), TOY_MEMORY (the most requests that fit into memory together), TOY_LOG (a file that gets the keys of what
was answered, a line a batch).
"""

import ctypes
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plmtasks import hookimpl
from plmtasks.config import ModelSettings, Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.formats import Format, Written
from plmtasks.hooks import Registry
from plmtasks.metric import Metric, ScoreInfo
from plmtasks.model import Cost, LoadedModel, Model
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request
from plmtasks.results import Result, read_result
from plmtasks.task import Perturbation, Rewritable, Task, WordPerturbation

LABELS = ("no", "yes")


@dataclass(frozen=True)
class ToyTask(Rewritable):
    """Is the number even?"""

    name: str = "toy/even"
    asks: Sequence[str] = ("Classify",)
    metrics: Sequence[str] = ("toy_accuracy",)
    labels: tuple[str, ...] = LABELS
    fields: Sequence[str] = ("text",)
    texts: Sequence[str] = ("text",)

    def load(self, source: Source) -> Dataset:
        def read() -> list[Example]:
            size = int(os.environ.get("TOY_EXAMPLES", "23"))
            return [
                Example(id=f"n{i}", inputs={"text": " ".join("x" * (1 + i * 7 % 11)) + f" {i}"}, reference=LABELS[i % 2 == 0])
                for i in range(size)
            ]

        return Dataset(name="toy", readers={"test": read}, published=True)

    def ask(self, example: Example, kind: str) -> Request:
        return Classify(text=example.inputs["text"], labels=LABELS)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert example.reference is None
        assert isinstance(answer, ClassifyAnswer)
        return Prediction(value=LABELS[answer.scores[1] > answer.scores[0]])

    def solve(self, example: Example, request: Request) -> Answer:
        return ClassifyAnswer(scores=tuple(float(label == example.reference) for label in LABELS))


class ToyAccuracy(Metric):
    name = "toy_accuracy"

    def scores(self) -> dict[str, ScoreInfo]:
        return {"accuracy": ScoreInfo(mean_of="right")}

    def columns(self) -> Sequence[str]:
        return ("right", "n")

    def statistics(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Any:
        import numpy as np

        right = [[p.value == e.reference, 1] for p, e in zip(predictions, examples, strict=True)]
        return np.array(right, dtype=float).reshape(-1, 2)

    def reduce(self, totals: Any) -> Any:
        import numpy as np

        with np.errstate(invalid="ignore"):
            return {"accuracy": 100 * totals[..., 0] / totals[..., 1]}


@dataclass(frozen=True)
class ToyModel(Model):
    name: str = "toy-model"
    family: str = "toy"
    answers: Sequence[str] = ("Classify",)

    def identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"weights": "none"}

    def load(self, example_request: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedToy()


class Louder(WordPerturbation):
    """Two of three texts in capitals."""

    name = "toy-louder"

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        return words if int(words[-1]) % 3 == 0 else [word.upper() for word in words]


class Lines(Format):
    """A JSON line a run."""

    name = "toy-lines"
    description = "a JSON line a run"

    def write(self, results: Sequence[Result], path: Path, registry: Registry) -> Written:
        path.write_text("".join(json.dumps(result.record) + "\n" for result in results), encoding="utf-8")
        return Written(files=[path])

    def read(self, path: Path, output: Path, tasks: Mapping[str, str]) -> list[Result]:
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            name = tasks.get(record["task"]["name"]) or tasks.get("") or record["task"]["name"]
            folder = output / record["identity"]
            folder.mkdir(parents=True)
            content = json.dumps({**record, "task": {**record["task"], "name": name}})
            (folder / "result.json").write_text(content, encoding="utf-8")
            found.append(read_result(folder))
        return found


class LoadedToy(LoadedModel):
    """Answers by a hash of the text and of its batch: a batch that is cut otherwise gives other answers."""

    batches = 0

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=len(r.text.split())) for r in requests]  # type: ignore[attr-defined]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        self.batches += 1
        me = os.environ.get("RANK", "0")
        time.sleep(float(os.environ.get(f"TOY_SLEEP_{me}", os.environ.get("TOY_SLEEP", "0"))))
        if len(requests) > int(os.environ.get("TOY_MEMORY", "99")):
            import torch

            torch.empty(2**50, dtype=torch.uint8)  # more than there is
        what, rank, batch = os.environ.get("TOY_FAULT", "none:0:0").split(":")
        if what != "none" and me == rank and self.batches == int(batch):
            stamp = Path(os.environ.get("TOY_STAMP", os.devnull))
            if what == "once" and stamp.exists():
                return self.plain(requests)
            stamp.write_text(str(time.time()))
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "leave":
                os._exit(0)
            if what == "hold":
                ctypes.PyDLL(None).sleep(int(os.environ["TOY_HOLD"]))  # without letting go of the interpreter's lock
                return self.plain(requests)
            raise RuntimeError("a fault on demand")
        return self.plain(requests)

    def plain(self, requests: Sequence[Request]) -> list[Answer]:
        together = "|".join(r.key() for r in requests)
        with Path(os.environ.get("TOY_LOG", os.devnull)).open("a") as log:
            log.write(" ".join(r.key() for r in requests) + "\n")
        scores = [int(hashlib.sha256((r.key() + together).encode()).hexdigest()[:8], 16) / 2**32 for r in requests]
        return [ClassifyAnswer(scores=(1 - s, s)) for s in scores]


@hookimpl
def register_tasks() -> list[Task]:
    return [ToyTask()]


@hookimpl
def register_models() -> list[Model]:
    return [ToyModel()]


@hookimpl
def register_perturbations() -> list[Perturbation]:
    return [Louder()]


@hookimpl
def register_formats() -> list[Format]:
    return [Lines()]


@hookimpl
def register_metrics() -> list[Metric]:
    return [ToyAccuracy()]
