"""A stranger's kind of request is treated as ours are: shots, labels, checks of likelihoods, settings, what a run is called."""

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import toy

from plmtasks import hookimpl
from plmtasks.config import Generation, ModelSettings, RunConfig, Source, run_config
from plmtasks.data import Dataset
from plmtasks.errors import InputError, PlmtasksError
from plmtasks.evaluation import run
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.model import Cost, LoadedModel, Model
from plmtasks.requests import Answer, Generate, LogLikelihood, Prompted, Request, Turn
from plmtasks.task import Task

TOKENS = 3


@dataclass(frozen=True, kw_only=True)
class WeighAnswer(Answer):
    weights: tuple[float, ...]
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Weigh(Prompted):
    """How likely is each side, behind what was weighed before?"""

    answer_type = WeighAnswer
    sides: tuple[str, ...]

    def label_set(self) -> tuple[str, ...]:
        return self.sides

    def labels_in(self, answer: WeighAnswer) -> Sequence[str]:
        return [self.answered(answer)]

    def answered(self, answer: WeighAnswer) -> str:
        return self.sides[answer.weights.index(max(answer.weights))]

    def most_tokens(self) -> int:
        return TOKENS

    def likelihoods(self, answer: WeighAnswer) -> Iterator[tuple[str, int]]:
        return ((side, answer.tokens) for side in self.sides)


@dataclass(frozen=True, kw_only=True)
class Scales(toy.ToyTask):
    """Is the number even? Asked by weighing."""

    name: str = "toy/scales"
    asks: Sequence[str] = ("Weigh",)

    def load(self, source: Source) -> Dataset:
        def read() -> list[Example]:
            return [Example(id=f"n{i}", inputs={"text": str(i)}, reference=toy.LABELS[i % 2 == 0]) for i in range(12)]

        return Dataset(name="toy", readers={"train": read, "test": lambda: read()[:4]}, published=True)

    def ask(self, example: Example, kind: str) -> Request:
        return Weigh(instruction="Even?", text=example.inputs["text"], sides=self.labels)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(request, Weigh)
        return Prediction(value=request.answered(answer))

    def solve(self, example: Example, request: Request) -> Answer:
        return WeighAnswer(weights=tuple(float(label == example.reference) for label in self.labels), tokens=1)


@dataclass(frozen=True, kw_only=True)
class Weigher(Model):
    name: str
    tokens: int = 1
    answers: Sequence[str] = ("Weigh",)

    def identity(self, form: Request, settings: ModelSettings) -> dict[str, Any]:
        return {"weights": "none"}

    def load(self, form: Request, settings: ModelSettings, device: str) -> LoadedModel:
        return LoadedWeigher(self.tokens)


class LoadedWeigher(LoadedModel):
    """Says what the last shot says."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=1) for _ in requests]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        found: list[Answer] = []
        for r in requests:
            assert isinstance(r, Weigh)
            last = r.shots[-1].answer if r.shots else r.sides[0]
            found.append(WeighAnswer(weights=tuple(float(side == last) for side in r.sides), tokens=self.tokens))
        return found


def plugin() -> types.ModuleType:
    module = types.ModuleType("scales")
    module.register_requests = hookimpl(lambda: [Weigh], specname="register_requests")  # type: ignore[attr-defined]
    module.register_tasks = hookimpl(lambda: [Scales()], specname="register_tasks")  # type: ignore[attr-defined]
    models: list[Model] = [Weigher(name="weigher"), Weigher(name="tokenless", tokens=0)]
    module.register_models = hookimpl(lambda: models, specname="register_models")  # type: ignore[attr-defined]
    return module


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, plugin()], installed=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    options: Mapping[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    return run_config("toy/scales", "weigher", output=str(tmp_path), **options)


def test_solved_examples_stand_before_it(config: RunConfig, registry: Registry) -> None:
    result = run([replace(config, shots=2)], registry)[0]
    assert result.record["protocol"]["how"] == "2-shot"
    assert result.record["protocol"]["shots"] == 2
    assert {row["prediction"] for row in result.predictions()} <= set(toy.LABELS)
    plain = run([config], registry)[0]
    assert plain.record["protocol"]["how"] == "zero-shot"
    assert {row["prediction"] for row in plain.predictions()} == {toy.LABELS[0]}
    # the seed of the shots is told apart from what the runs of other seeds have in common
    assert result.record["seed"]["recipe"] == run([replace(config, shots=2, seed=1)], registry)[0].record["seed"]["recipe"]


def test_a_likelihood_of_no_token_is_a_fault(config: RunConfig, registry: Registry) -> None:
    with pytest.raises(PlmtasksError, match="a model gave 'no' a likelihood, and has no token for it"):
        run([replace(config, model="tokenless")], registry)


def test_settings_of_generation_and_prompt_matter_to_it() -> None:
    asked = Weigh(text="1", sides=("a", "b"))
    settings = ModelSettings(generation=Generation(temperature=0.5), prompt="chat", stride=3)
    assert settings.that_matter(asked) == replace(settings, stride=0)


@pytest.mark.parametrize(
    ("asked", "prompt", "matters"),
    [
        (Generate(text="", turns=(Turn(role="user", content="a"),), exact=True), "chat", ("chat", "b")),
        (Generate(text="a", exact=True), "chat", ("plain", "b")), (Generate(text="a", exact=True), "raw", ("plain", "b")),
        (LogLikelihood(text="a", disjoint=True), "chat", ("plain", "")), (Generate(text="a"), "chat", ("chat", "b")),
    ],
)  # fmt: skip
def test_how_a_task_was_to_make_its_own_prompts_is_told(asked: Request, prompt: Any, matters: Any) -> None:
    found = ModelSettings(prompt=prompt, system="b").that_matter(asked)
    assert (found.prompt, found.system) == matters


@dataclass(frozen=True, kw_only=True)
class Bare(Request):
    """One that tells nothing of itself."""

    answer_type = WeighAnswer
    text: str


class Asked(Scales):
    def ask(self, example: Example, kind: str) -> Request:
        return Bare(text=example.inputs["text"])


def test_one_that_tells_nothing_has_none_of_that(config: RunConfig) -> None:
    asked = Bare(text="1")
    assert ModelSettings(generation=Generation(temperature=0.5), prompt="chat", stride=3).that_matter(asked) == ModelSettings()
    assert asked.label_set() is None
    assert asked.labels_in(WeighAnswer(weights=(), tokens=0)) == ()
    module = plugin()
    task: Task = Asked(asks=("Bare",))
    module.register_tasks = hookimpl(lambda: [task], specname="register_tasks")  # type: ignore[attr-defined]
    module.register_models = hookimpl(lambda: [Weigher(name="weigher", answers=("Bare",))], specname="register_models")  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="a Bare request takes no shots"):
        run([replace(config, shots=2)], load_registry([toy, module], installed=False))
