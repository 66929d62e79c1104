import pytest
from by_name import MetricByName, TaskByName


@pytest.mark.parametrize("name", ["translation/sample", "translation/sample-zh-en"])
class TestTasks(TaskByName):
    pass


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("bleu", "translation/sample"),
        ("bleu", "translation/sample-zh-en"),
        ("bleu:char", "translation/sample"),
        ("chrf", "translation/sample"),
        ("chrf++", "translation/sample-zh-en"),
        ("ter", "translation/sample"),
        ("ter", "translation/sample-zh-en"),
    ],
)
class TestMetrics(MetricByName):
    pass
