"""Runs that are judged, a judge, and what people say."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

import plmtasks
from plmtasks.config import Source
from plmtasks.data import events
from plmtasks.examples import Prediction
from plmtasks.hooks import load_registry
from plmtasks.results import Result
from plmtasks.task import Judged


@pytest.fixture(scope="session")
def judged() -> Sequence[Judged]:
    """What two models said of the same questions: the right answer now and then."""
    examples = load_registry().task("qa/sample").load(Source())["validation"][:14]
    said = [["a tailor"] * len(examples), ["the baker" if i % 3 else "a tailor" for i in range(len(examples))]]
    return [
        Judged(
            task="qa/sample", model=f"model-{number}", identity=str(number) * 32, data="qa/sample", split="validation",
            examples=examples, predictions={e.id: Prediction(value=text) for e, text in zip(examples, texts, strict=True)},
        ) for number, texts in enumerate(said)
    ]  # fmt: skip


@pytest.fixture(scope="session")
def ratings(judged: Sequence[Judged], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """People's judgements of all but one example: scores, and which of two answers is better."""
    place = tmp_path_factory.mktemp("people")
    ids = [e.id for e in judged[0].examples]
    said = {
        "score": [str(1 + i % 5) for i in range(len(ids))],
        "pairwise": [("first", "second", "tie")[i % 3] for i in range(len(ids))],
    }
    for name, cells in said.items():
        with (place / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "score"), *zip(ids, [*cells[:-1], ""], strict=True)])
    return {name: place / f"{name}.csv" for name in said}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two decoders with random weights, as the transformers library writes them."""
    import transformers

    folder = tmp_path_factory.mktemp("models")
    for seed in (3, 4):
        made, place = folder / f"made{seed}", folder / f"m{seed}"
        load_registry().model("tiny-gpt").make([e.english() for e in events("train")], seed, made)
        transformers.AutoTokenizer.from_pretrained(made).save_pretrained(place)
        transformers.AutoModelForCausalLM.from_pretrained(made).save_pretrained(place)
    return [str(folder / "m3"), str(folder / "m4")]


@pytest.fixture(scope="session")
def runs(models: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """What they write in answer to the same questions."""
    output = tmp_path_factory.mktemp("runs")
    options = {"ask": "Generate", "limit": 14, "output": str(output), "quiet": True, "threads": 1, "batch_tokens": 1000}
    return [plmtasks.run("qa/sample", model, **options) for model in models]
