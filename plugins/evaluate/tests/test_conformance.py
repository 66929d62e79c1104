"""The kit that plugin authors are given, on a metric of all pairs and on one of each pair."""

from collections.abc import Callable

import pytest

import plmtasks
from plmtasks.metric import Metric
from plmtasks.task import Task
from plmtasks.testing import MetricConformance


class TestAllPairs(MetricConformance):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return plmtasks.named("metric", script("hits"))  # type: ignore[no-any-return]

    @pytest.fixture
    def task(self) -> Task:
        return plmtasks.named("task", "classification/sample")  # type: ignore[no-any-return]


class TestEachPair(TestAllPairs):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return plmtasks.named("metric", f"{script('hits')}?per_example=true")  # type: ignore[no-any-return]


class TestAnswers(MetricConformance):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return plmtasks.named("metric", script("answers"))  # type: ignore[no-any-return]

    @pytest.fixture
    def task(self) -> Task:
        return plmtasks.named("task", "qa/sample")  # type: ignore[no-any-return]
