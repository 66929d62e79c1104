"""The checks as pytest classes, with fixtures to override."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import pytest

from ..config import ModelSettings, Source
from ..examples import Example, Prediction
from ..hooks import Registry, load_registry
from ..metric import Metric
from ..model import Model
from ..requests import Answer, Request
from ..task import Task
from .checks import CheckFailed, NotApplicable
from .metrics import METRIC_CHECKS, Agreement, MetricSubject
from .models import MODEL_CHECKS, ModelSubject
from .subject import TaskSubject
from .tasks import TASK_CHECKS

installed = cache(load_registry)
T = TypeVar("T")


def _test(check: Callable[[Any], None]) -> Callable[..., None]:
    def test(self: Any, subject: Any) -> None:
        try:
            check(subject)
        except NotApplicable as e:
            pytest.skip(str(e))
        except CheckFailed as e:
            pytest.fail(str(e), pytrace=False)  # the example tells more than the kit's own lines

    test.__doc__ = check.__doc__
    return test


class Conformance:
    """What the three have in common: a test for each check, called test_ and the check's name, with its docstring."""

    def __init_subclass__(cls, checks: Mapping[str, Callable[[Any], None]] | None = None) -> None:
        for name, check in (checks or {}).items():
            setattr(cls, f"test_{name}", _test(check))

    @pytest.fixture
    def registry(self) -> Registry:
        """Where names are looked up: every installed plugin."""
        return installed()

    @pytest.fixture
    def source(self) -> Source:
        """Where a task's examples come from: its own data set."""
        return Source()


def _kept(request: pytest.FixtureRequest, make: Callable[..., T], **given: Any) -> T:
    """What is made of these values, once for all tests of a class: loading and learning take their time."""
    subjects: list[tuple[dict[str, Any], T]] = request.cls.__dict__.get("_made", [])
    request.cls._made = subjects
    if all(before != given for before, _ in subjects):
        subjects.append((given, make(**given)))
    return next(subject for before, subject in subjects if before == given)


class TaskConformance(Conformance, checks=TASK_CHECKS):
    """What holds for every task. A subclass has a fixture `task`, and others in the place of these where it needs them."""

    @pytest.fixture
    def task(self) -> Task:
        raise NotImplementedError("the fixture `task` returns the task that is tested")

    @pytest.fixture
    def limit(self) -> int:
        """At most so many examples of each split are asked."""
        return 50

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest, task: Task, source: Source, registry: Registry, limit: int) -> TaskSubject:
        return _kept(request, TaskSubject, task=task, source=source, registry=registry, limit=limit)


class ModelConformance(Conformance, checks=MODEL_CHECKS):
    """What holds for every model. A subclass has a fixture `model`, and others in the place of these where it needs them."""

    @pytest.fixture
    def model(self) -> Model:
        raise NotImplementedError("the fixture `model` returns the model that is tested")

    @pytest.fixture
    def settings(self) -> ModelSettings:
        return ModelSettings(dtype="float32", threads=1, batch_tokens=4096)

    @pytest.fixture
    def device(self) -> str:
        return "cpu"

    @pytest.fixture
    def questions(self) -> Mapping[str, Sequence[tuple[Request, Answer]]]:
        """kind → some ten requests with their solved answers, of kinds that are not built in or in the place of theirs."""
        return {}

    @pytest.fixture
    def tolerance(self) -> float:
        """The largest difference that neighbours in a batch may make."""
        return 1e-4

    @pytest.fixture
    def subject(
        self, request: pytest.FixtureRequest, model: Model, settings: ModelSettings, device: str, questions: Any, tolerance: float
    ) -> ModelSubject:
        given = {"settings": settings, "device": device, "solved": questions, "tolerance": tolerance}
        return _kept(request, ModelSubject, model=model, **given)


class MetricConformance(Conformance, checks=METRIC_CHECKS):
    """What holds for every metric. A subclass has the fixtures `metric` and `task`, or `cases` in the place of `task`."""

    @pytest.fixture
    def metric(self) -> Metric:
        raise NotImplementedError("the fixture `metric` returns the metric that is tested")

    @pytest.fixture
    def task(self) -> Task | None:
        """A task whose examples it counts; None: there are `cases`."""
        return None

    @pytest.fixture
    def cases(self) -> tuple[Sequence[Prediction], Sequence[Example]] | None:
        """Right and wrong predictions, and their examples; None: they are made of the task's solved answers."""
        return None

    @pytest.fixture
    def agreements(self) -> Sequence[Agreement]:
        """What a reference implementation makes of some predictions."""
        return ()

    @pytest.fixture
    def given(self, task: Task | None, source: Source, cases: Any, agreements: Sequence[Agreement]) -> Mapping[str, Any]:
        """What the metric is tested on."""
        return {"task": task, "source": source, "cases": cases, "agreements": agreements}

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest, metric: Metric, given: Mapping[str, Any]) -> MetricSubject:
        def made(metric: Metric, task: Task | None, source: Source, cases: Any, agreements: Sequence[Agreement]) -> MetricSubject:
            if cases is not None:
                bound = task and task.bind(task.load(source))
                return MetricSubject(metric=metric, task=bound, predictions=cases[0], examples=cases[1], agreements=agreements)
            if task is None:
                raise NotImplementedError("a metric is tested with a fixture `task`, or with `cases`")
            return MetricSubject.of_task(metric, task, source, agreements)

        return _kept(request, made, metric=metric, **given)
