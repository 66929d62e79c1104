import planted
import planted_heavy
import pytest

from plmtasks.examples import Example, Prediction
from plmtasks.registry import load_registry
from plmtasks.testing import (
    METRIC_CHECKS,
    MODEL_CHECKS,
    TASK_CHECKS,
    Agreement,
    CheckFailed,
    MetricSubject,
    ModelSubject,
    NotApplicable,
    TaskSubject,
)

TASKS = (*planted.TASKS, (planted_heavy.Heavy, "importing_is_light"))
METRICS = (*planted.METRICS, (planted_heavy.HeavyMetric, "importing_is_light"))

AGREEMENT = Agreement(
    examples=[Example(id=str(i), inputs={}, reference={"start": 0, "end": 1, "kind": "food"}) for i in range(4)],
    predictions=[Prediction(value=v) for v in ("food", "fo", [0, 1], "tool")],
    scores={"accuracy": 50.0, "wrong": 50.0},
)


@pytest.fixture(scope="module")
def registry():
    return load_registry([planted], installed=False)


def failures(checks, subject):
    """Name → what the check says, of all checks that fail."""
    found = {}
    for name, check in checks.items():
        try:
            check(subject)
        except CheckFailed as e:
            found[name] = e
        except NotApplicable as e:
            assert str(e)  # noqa: PT017  it always tells why
    return found


def metric_subject(metric):
    return MetricSubject.of_task(metric, planted.Found(), agreements=[AGREEMENT])


# ── what is right passes ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_faultless_pass_everything(registry):
    assert failures(TASK_CHECKS, TaskSubject(task=planted.Found(), registry=registry)) == {}
    assert failures(MODEL_CHECKS, ModelSubject(model=planted.Bag())) == {}
    assert failures(MODEL_CHECKS, ModelSubject(model=planted.Echo())) == {}
    assert failures(METRIC_CHECKS, metric_subject(planted.Right())) == {}


# ── each fault is caught by its own check ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("fault", "check"), TASKS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_task(fault, check, registry):
    found = failures(TASK_CHECKS, TaskSubject(task=fault(), registry=registry))
    assert list(found) == [check], found
    assert found[check].message


@pytest.mark.parametrize(("fault", "check"), planted.MODELS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_model(fault, check):
    found = failures(MODEL_CHECKS, ModelSubject(model=fault()))
    assert list(found) == [check], found


@pytest.mark.parametrize(("fault", "check"), METRICS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_metric(fault, check):
    found = failures(METRIC_CHECKS, metric_subject(fault()))
    assert list(found) == [check], found


def test_every_check_has_caught_a_fault():
    """A check that nothing fails would be worse than none."""
    caught = {check for _, check in (*TASKS, *planted.MODELS, *METRICS)}
    assert {*TASK_CHECKS, *MODEL_CHECKS, *METRIC_CHECKS} - caught == {"perfect_predictions_are_followed"}
