import pytest

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
