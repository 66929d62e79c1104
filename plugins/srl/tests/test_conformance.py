import pytest

from plmtasks.testing import MetricConformance, TaskConformance

TASKS = [
    "srl/sample",
    "srl/sample-zh",
    "srl/predicates-sample",
    "srl/predicates-sample-zh",
]
METRICS = [
    ("srl_eval", "srl/sample"),
    ("seqeval", "srl/sample"),
    ("conlleval", "srl/sample"),
    ("predicates", "srl/predicates-sample"),
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
