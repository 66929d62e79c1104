"""The conformance kit on tasks and metrics by their names, as all plugins of this repository are tested."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from plmtasks.testing import MetricConformance, TaskConformance


class TaskByName(TaskConformance):
    """Of each `name` that a subclass is parametrized with."""

    rows: ClassVar[Mapping[str, Sequence[Mapping[str, Any]]]] = {}
    """task → rows of a file, where it has no data built in"""

    @pytest.fixture
    def task(self, name, registry):
        return registry.task(name)

    @pytest.fixture
    def source(self, name, source_of):
        return source_of(name, self.rows.get(name))


class MetricByName(MetricConformance):
    """Of each `name`, on the predictions of the task `counted`."""

    rows: ClassVar[Mapping[str, Sequence[Mapping[str, Any]]]] = {}

    @pytest.fixture
    def metric(self, name, registry):
        return registry.metric(name)

    @pytest.fixture
    def task(self, counted, registry):
        return registry.task(counted)

    @pytest.fixture
    def source(self, counted, source_of):
        return source_of(counted, self.rows.get(counted))
