import pytest

from plmtasks.testing import MetricConformance, TaskConformance

ROWS = {
    "language_modeling/text": [
        {"text": f"the {thing} flew away at {i} ."} for i, thing in enumerate(("kite", "bird", "lamp") * 3)
    ],
    "language_modeling/story": [
        {"prompt": f"once there were {i} {thing}", "story": f"and then the {thing} flew {'far ' * i}away ."}
        for i, thing in enumerate(("kites", "birds", "lamps") * 3, 1)
    ],
}
"""task → rows of a file, where it has no data built in"""

TASKS = [
    "language_modeling/sample",
    "language_modeling/text",
    "language_modeling/story",
]
METRICS = [
    ("last_word", "language_modeling/sample"),
    ("perplexity", "language_modeling/text"),
    ("open_ended", "language_modeling/story"),
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
