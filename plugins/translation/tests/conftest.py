"""What the tests of this plugin share."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import plmtasks_translation
import pytest

from plmtasks.config import Source
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.task import Task


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([plmtasks_translation], installed=False)


@pytest.fixture(scope="session")
def read(registry: Registry) -> Callable[..., tuple[Example, ...]]:
    """The examples of a file or folder through a task."""

    def read(path: Path, task: str = "translation/text-en-de", split: str | None = None, **columns: str) -> tuple[Example, ...]:
        data = registry.task(task).load(Source(data=str(path), columns=columns))
        return data[split or data.default_split()]

    return read


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files: text as it is, a list as JSON lines; packed if the name ends in .gz. Returns the last one's path."""

    def write(**files: Any) -> Path:
        for name, value in files.items():
            path = tmp_path / name.replace("__", "-").replace("_", ".")
            text = value if isinstance(value, str) else "\n".join(json.dumps(v, ensure_ascii=False) for v in value)
            path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
        return path

    return write


@pytest.fixture(scope="session")
def score(registry: Registry) -> Callable[..., float]:
    """The main score of predictions (or of bare texts) under a metric that is bound to a task."""

    def score(task: Task, metric: str, predictions: Sequence[Any], examples: Sequence[Example]) -> float:
        bound = registry.metric(metric).bind(task)
        given = [p if isinstance(p, Prediction) else Prediction(value=p) for p in predictions]
        rows = bound.statistics(given, examples)
        assert rows.shape == (len(examples), len(bound.columns()))
        [(name, value)] = bound.reduce(rows.sum(0)).items()
        assert [name] == list(bound.scores())
        return float(value)

    return score
