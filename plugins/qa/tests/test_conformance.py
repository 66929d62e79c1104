import json

import pytest

from plmtasks.config import Source
from plmtasks.testing import MetricConformance, TaskConformance

ROWS = {
    "qa/multiple-choice": [
        {"id": str(i), "question": f"What is {i} and 1 ?", "choices": [str(2 * i), str(i + 1), "none"], "answer": "CB"[i % 3 > 0]}
        for i in range(12)
    ],
    "qa/squad_v2": [
        {"id": str(i), "question": "What flew ?", "context": f"A {thing} flew away at {i} .", "answers": [thing] * (i % 4 > 0)}
        for i, thing in enumerate(["red kite", "bird"] * 6)
    ],
}
"""task → rows of a file, where it has no data built in"""

TASKS = [
    "qa/sample",
    "qa/multiple-choice",
    "qa/squad_v2",
]
METRICS = [
    ("squad", "qa/sample"),
    ("squad", "qa/squad_v2"),
    ("cmrc", "qa/sample"),
    ("conversation", "qa/sample"),
    ("choice_accuracy", "qa/multiple-choice"),
]
"""A metric, and a task whose predictions it counts."""


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """task → where its examples come from"""
    folder = tmp_path_factory.mktemp("rows")
    found = {}
    for i, (task, rows) in enumerate(ROWS.items()):
        path = folder / f"{i}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        found[task] = Source(data=str(path))
    return found


@pytest.mark.parametrize("name", TASKS)
class TestTasks(TaskConformance):
    @pytest.fixture
    def task(self, name, registry):
        return registry.task(name)

    @pytest.fixture
    def source(self, name, files):
        return files.get(name, Source())


@pytest.mark.parametrize(("name", "counted"), METRICS)
class TestMetrics(MetricConformance):
    @pytest.fixture
    def metric(self, name, registry):
        return registry.metric(name)

    @pytest.fixture
    def task(self, counted, registry):
        return registry.task(counted)

    @pytest.fixture
    def source(self, counted, files):
        return files.get(counted, Source())
