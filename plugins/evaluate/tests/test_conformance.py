"""The kit that plugin authors are given, on a metric of all pairs and on one of each pair."""

from collections.abc import Callable

import pytest

from plmtasks.hooks import load_registry
from plmtasks.metric import Metric
from plmtasks.task import Task
from plmtasks.testing import MetricConformance


class TestAllPairs(MetricConformance):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return load_registry().metric(script("hits"))

    @pytest.fixture
    def task(self) -> Task:
        return load_registry().task("classification/sample")


class TestEachPair(TestAllPairs):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return load_registry().metric(f"{script('hits')}?per_example=true")


class TestAnswers(MetricConformance):
    @pytest.fixture
    def metric(self, script: Callable[[str], str]) -> Metric:
        return load_registry().metric(script("answers"))

    @pytest.fixture
    def task(self) -> Task:
        return load_registry().task("qa/sample")
