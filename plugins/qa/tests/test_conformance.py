import pytest
from by_name import MetricByName, TaskByName

ROWS = {
    "qa/multiple-choice": [
        {"id": str(i), "question": f"What is {i} and 1 ?", "choices": [str(2 * i), str(i + 1), "none"], "answer": "CB"[i % 3 > 0]}
        for i in range(12)
    ],
    "qa/squad_v2": [
        {"id": str(i), "question": "What flew ?", "context": f"A {thing} flew away at {i} .", "answers": [thing] * (i % 4 > 0)}
        for i, thing in enumerate(["red kite", "bird"] * 6)
    ],
    "qa/multirc": [
        {
            "paragraph": f"Ann met {i} birds and a kite.",
            "question": "What was met?",
            "answer": f"thing {a} of {i}",
            "label": int(a > 0),
            "idx": {"paragraph": i, "question": i, "answer": a},
        }
        for i in range(4)
        for a in range(3)
    ],
}
"""task → rows of a file, where it has no data built in"""


@pytest.mark.parametrize("name", ["qa/sample", "qa/multiple-choice", "qa/squad_v2"])
class TestTasks(TaskByName):
    rows = ROWS


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("squad", "qa/sample"),
        ("squad", "qa/squad_v2"),
        ("cmrc", "qa/sample"),
        ("conversation", "qa/sample"),
        ("choice_accuracy", "qa/multiple-choice"),
        ("multirc", "qa/multirc"),
    ],
)
class TestMetrics(MetricByName):
    rows = ROWS
