"""What the tests of this plugin share."""

from collections.abc import Callable, Sequence
from pathlib import Path

import plmtasks_summarization
import pytest

from plmtasks.config import Source
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.metric import Metric


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([plmtasks_summarization], installed=False)


@pytest.fixture(scope="session")
def read(registry: Registry) -> Callable[..., tuple[Example, ...]]:
    """The examples of a file or folder through a task."""

    def read(task: str, path: Path, **columns: str) -> tuple[Example, ...]:
        data = registry.task(f"summarization/{task}").load(Source(data=str(path), columns=columns))
        return data[data.default_split()]

    return read


@pytest.fixture(scope="session")
def score() -> Callable[..., dict[str, float]]:
    """The scores of summaries under a metric."""

    def score(metric: Metric, summaries: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        rows = metric.statistics([Prediction(value=s) for s in summaries], examples)
        assert rows.shape == (len(examples), len(metric.columns()))
        reduced = {name: float(value) for name, value in metric.reduce(rows.sum(0)).items()}
        assert list(reduced) == list(metric.scores())
        return reduced

    return score


@pytest.fixture(scope="session")
def example() -> Callable[..., Example]:
    def example(*summaries: str, text: str = "the cat sat on the mat", id: str = "1") -> Example:
        return Example(id=id, inputs={"text": text}, reference=list(summaries))

    return example
