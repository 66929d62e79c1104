"""What the tests of this plugin share: tiny models made once, and requests for every kind."""

from collections.abc import Callable
from typing import Any

import pytest
from plmtasks_transformers.answering.loaded import Loaded
from plmtasks_transformers.checkpoints.architectures import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from plmtasks_transformers.models import Pretrained
from plmtasks_transformers.models.scratch import TINY

from plmtasks.config import ModelSettings
from plmtasks.data import events
from plmtasks.requests import Answer, Request  # fmt: skip
from plmtasks.testing import solved

PAIRS = [
    (ENCODER, "Classify"), (ENCODER, "Regress"), (ENCODER, "Choose"), (ENCODER, "Tag"), (ENCODER, "ExtractSpan"),
    (ENCODER, "LogLikelihood"),
    (DECODER, "Choose"), (DECODER, "LogLikelihood"), (DECODER, "Generate"),
    (SEQUENCE_TO_SEQUENCE, "Choose"), (SEQUENCE_TO_SEQUENCE, "LogLikelihood"), (SEQUENCE_TO_SEQUENCE, "Generate"),
]  # fmt: skip
"""Every family with every kind that it answers."""


@pytest.fixture(scope="session")
def examples() -> Callable[..., tuple[list[Request], list[Answer]]]:
    """Requests of a kind with their solved answers."""

    def examples(kind: str, count: int = 10) -> tuple[list[Request], list[Answer]]:
        pairs = solved(kind, count)
        return [r for r, _ in pairs], [a for _, a in pairs]

    return examples


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pretrained]:
    """Family → a tiny model with random weights, whose tokenizer knows the samples in both languages."""
    texts = [t for e in events("train") for t in (e.english(), e.chinese(), e.sentiment, "What mood is it?\nAnswer:")]
    return {t.family: t.make(texts, 0, tmp_path_factory.mktemp(t.name)) for t in TINY}


@pytest.fixture
def load(tiny: dict[str, Pretrained]) -> Callable[..., Loaded]:
    """A tiny model in memory (or another), ready for requests like a form."""

    def load(model: str | Pretrained, example_request: Request, **settings: Any) -> Loaded:
        model = tiny[model] if isinstance(model, str) else model
        return model.load(example_request, ModelSettings(**{"dtype": "float32", **settings}), "cpu")

    return load


def numbers(value: Any) -> list[float]:
    """All numbers in a value of plain JSON, in order."""
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [float(value)] if isinstance(value, (int, float)) else []


@pytest.fixture(scope="session")
def close() -> Callable[[Answer, Answer], bool]:
    """Whether two answers have the same texts, and numbers within 1e-5 of each other."""
    from plmtasks.requests import to_json

    def close(one: Answer, other: Answer) -> bool:
        a, b = to_json(one), to_json(other)
        texts = [str([v for v in x.values() if isinstance(v, str)]) for x in (a, b)]
        return texts[0] == texts[1] and numbers(a) == pytest.approx(numbers(b), rel=1e-5, abs=1e-5)

    return close


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if {"family", "kind"} <= set(metafunc.fixturenames):
        metafunc.parametrize(("family", "kind"), PAIRS)
