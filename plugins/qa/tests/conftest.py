"""What the tests of this plugin share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import plmtasks_qa
import pytest

from plmtasks.config import Source
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.task import Task


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([plmtasks_qa], installed=False)


@pytest.fixture(scope="session")
def read(registry: Registry) -> Callable[..., tuple[Example, ...]]:
    """The examples of a file through a task."""

    def read(task: str, path: Path, **columns: str) -> tuple[Example, ...]:
        data = registry.task(task).load(Source(data=str(path), columns=columns))
        return data[data.default_split()]

    return read


@pytest.fixture(scope="session")
def score(registry: Registry) -> Callable[..., dict[str, float]]:
    """The scores of predictions (or of bare answers) under a task's metric."""

    def score(task: Task, metric: str, predictions: Sequence[Any], examples: Sequence[Example]) -> dict[str, float]:
        bound = registry.metric(metric).bind(task)
        given = [p if isinstance(p, Prediction) else Prediction(value=p) for p in predictions]
        rows = bound.statistics(given, examples)
        assert rows.shape == (len(examples), len(bound.columns()))
        reduced = bound.reduce(rows.sum(0))
        scores = {name: float(value) for name, value in reduced.items()} | bound.compute(given, examples)
        assert next(iter(scores)) == next(iter(bound.scores()))
        assert set(reduced) <= set(scores) <= set(bound.scores())
        return scores

    return score
