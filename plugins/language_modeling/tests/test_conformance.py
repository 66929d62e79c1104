import pytest
from by_name import MetricByName, TaskByName

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


@pytest.mark.parametrize("name", ["language_modeling/sample", "language_modeling/text", "language_modeling/story"])
class TestTasks(TaskByName):
    rows = ROWS


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("last_word", "language_modeling/sample"),
        ("perplexity", "language_modeling/text"),
        ("open_ended", "language_modeling/story"),
    ],
)
class TestMetrics(MetricByName):
    rows = ROWS
