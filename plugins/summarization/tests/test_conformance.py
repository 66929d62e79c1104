import pytest
from by_name import MetricByName, TaskByName


@pytest.mark.parametrize("name", ["summarization/sample", "summarization/sample-zh"])
class TestTasks(TaskByName):
    pass


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("rouge", "summarization/sample"),
        ("rouge", "summarization/sample-zh"),
        ("summary_style", "summarization/sample"),
    ],
)
class TestMetrics(MetricByName):
    pass
