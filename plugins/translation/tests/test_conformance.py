import pytest

from plmtasks.testing import MetricConformance, TaskConformance

TASKS = [
    "translation/sample",
    "translation/sample-zh-en",
]
METRICS = [
    ("bleu", "translation/sample"),
    ("bleu", "translation/sample-zh-en"),
    ("bleu:char", "translation/sample"),
    ("chrf", "translation/sample"),
    ("chrf++", "translation/sample-zh-en"),
    ("ter", "translation/sample"),
    ("ter", "translation/sample-zh-en"),
]
"""A metric, and a task whose predictions it counts."""


@pytest.mark.parametrize("name", TASKS)
class TestTasks(TaskConformance):
    @pytest.fixture
    def task(self, name, registry):
        return registry.task(name)


@pytest.mark.parametrize(("name", "counted"), METRICS)
class TestMetrics(MetricConformance):
    @pytest.fixture
    def metric(self, name, registry):
        return registry.metric(name)

    @pytest.fixture
    def task(self, counted, registry):
        return registry.task(counted)
