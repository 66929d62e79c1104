"""What the tests of this plugin share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import plmtasks_language_modeling
import pytest

from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.task import Task


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([plmtasks_language_modeling], installed=False)


@pytest.fixture(scope="session")
def load(registry: Registry) -> Callable[..., Dataset]:
    """A file through a task."""

    def load(task: str, path: Path, **columns: str) -> Dataset:
        return registry.task(f"language_modeling/{task}").load(Source(data=str(path), columns=columns))

    return load


@pytest.fixture(scope="session")
def score(registry: Registry) -> Callable[..., dict[str, float]]:
    """The scores of predictions under a task's metric."""

    def score(task: Task, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        metric = registry.metric(task.metrics[0]).bind(task)
        rows = metric.statistics(predictions, examples)
        assert rows.shape == (len(examples), len(metric.columns()))
        found = {name: float(v) for name, v in metric.reduce(rows.sum(0)).items()} | metric.compute(predictions, examples)
        assert set(found) == set(metric.scores())
        return found

    return score
