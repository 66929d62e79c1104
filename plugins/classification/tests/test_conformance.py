import pytest
from by_name import MetricByName, TaskByName

ROWS = {
    "classification/custom": [
        {"text": f"text {i}", "label": [label for n, label in enumerate(("calm", "glad", "sad")) if i + n & 2 or i == n]}
        for i in range(12)
    ],
    "regression/custom": [
        {"text": f"text {i}", "label": i / 4, **({"text_pair": "another"} if i % 2 else {})} for i in range(12)
    ],
}
"""task → rows of a file, where it has no data built in"""


@pytest.mark.parametrize("name", ["classification/sample", "classification/custom", "regression/sample", "regression/custom"])
class TestTasks(TaskByName):
    rows = ROWS


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("accuracy", "classification/sample"),
        ("f1", "classification/sample"),
        ("matthews", "classification/sample"),
        ("accuracy_norm", "classification/sample"),
        ("f1", "classification/custom"),
        ("multi_label", "classification/custom"),
        ("correlation", "regression/sample"),
        ("regression_error", "regression/sample"),
        ("correlation", "regression/custom"),
    ],
)
class TestMetrics(MetricByName):
    rows = ROWS
