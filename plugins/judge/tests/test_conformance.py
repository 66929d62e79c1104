"""The kit that plugin authors are given, on tasks whose runs are at hand."""

from typing import Any

import pytest

from plmtasks.config import Source
from plmtasks.testing import MetricConformance, TaskConformance

TASKS = {"judge/score": 1, "judge/pairwise": 2}
METRICS = [
    ("judge_score", "judge/score"), ("judge_agreement", "judge/score"), ("judge_wins", "judge/pairwise"),
    ("judge_preference", "judge/pairwise"),
]  # fmt: skip


def source_of(name: str, ratings: Any) -> Source:
    return Source(data=str(ratings[name.split("/")[1]]))


@pytest.mark.parametrize("name", TASKS)
class TestTasks(TaskConformance):
    @pytest.fixture
    def task(self, name: str, registry: Any, judged: Any) -> Any:
        return registry.task(name).judging(judged[: TASKS[name]])

    @pytest.fixture
    def source(self, name: str, ratings: Any) -> Source:
        return source_of(name, ratings)


@pytest.mark.parametrize(("name", "counted"), METRICS)
class TestMetrics(MetricConformance):
    @pytest.fixture
    def metric(self, name: str, registry: Any) -> Any:
        return registry.metric(name)

    @pytest.fixture
    def task(self, counted: str, registry: Any, judged: Any) -> Any:
        return registry.task(counted).judging(judged[: TASKS[counted]])

    @pytest.fixture
    def source(self, counted: str, ratings: Any) -> Source:
        return source_of(counted, ratings)
