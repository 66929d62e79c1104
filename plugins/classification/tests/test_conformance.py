import pytest

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


@pytest.mark.parametrize("name", TASKS)
class TestTasks(TaskConformance):
    @pytest.fixture
    def task(self, name, registry):
        return registry.task(name)

    @pytest.fixture
    def source(self, name, source_of):
        return source_of(name, ROWS.get(name))


@pytest.mark.parametrize(("name", "counted"), METRICS)
class TestMetrics(MetricConformance):
    @pytest.fixture
    def metric(self, name, registry):
        return registry.metric(name)

    @pytest.fixture
    def task(self, counted, registry):
        return registry.task(counted)

    @pytest.fixture
    def source(self, counted, source_of):
        return source_of(counted, ROWS.get(counted))
