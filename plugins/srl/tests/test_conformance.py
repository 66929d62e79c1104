import pytest
from by_name import MetricByName, TaskByName


@pytest.mark.parametrize("name", ["srl/sample", "srl/sample-zh", "srl/predicates-sample", "srl/predicates-sample-zh"])
class TestTasks(TaskByName):
    pass


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("srl_eval", "srl/sample"),
        ("seqeval", "srl/sample"),
        ("conlleval", "srl/sample"),
        ("conlleval_macro", "srl/sample"),
        ("predicates", "srl/predicates-sample"),
    ],
)
class TestMetrics(MetricByName):
    pass
