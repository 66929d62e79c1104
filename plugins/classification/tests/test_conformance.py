import json

import pytest

from plmtasks.config import Source
from plmtasks.testing import MetricConformance, TaskConformance

ROWS = {
    "classification/custom": [
        {"text": f"text {i}", "label": [label for n, label in enumerate(("calm", "glad", "sad")) if i + n & 2 or i == n]}
        for i in range(12)
    ]
}
"""task → rows of a file, where it has no data built in"""

TASKS = [
    "classification/sample",
    "classification/custom",
]
METRICS = [
    ("accuracy", "classification/sample"),
    ("f1", "classification/sample"),
    ("matthews", "classification/sample"),
    ("accuracy_norm", "classification/sample"),
    ("f1", "classification/custom"),
    ("multi_label", "classification/custom"),
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
