import subprocess
import sys
from dataclasses import replace

import planted
import planted_heavy
import pytest
import toy
import toy_chain

from plmtasks.config import Source
from plmtasks.declared import Choices
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.requests import (
    BUILT_IN,
    ChooseAnswer,
    ClassifyAnswer,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihoodAnswer,
    Span,
    TagAnswer,
)
from plmtasks.testing import (
    METRIC_CHECKS,
    MODEL_CHECKS,
    TASK_CHECKS,
    Agreement,
    CheckFailed,
    MetricConformance,
    MetricSubject,
    ModelConformance,
    ModelSubject,
    NotApplicable,
    TaskConformance,
    TaskSubject,
    solved,
)
from plmtasks.testing.solved import wrong_with

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
    return MetricSubject.of_task(metric, planted.Found(), Source(), [AGREEMENT])


# ── what is right passes ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_faultless_pass_everything(registry):
    assert failures(TASK_CHECKS, TaskSubject(task=planted.Found(), registry=registry)) == {}
    assert failures(MODEL_CHECKS, ModelSubject(model=planted.Bag())) == {}
    assert failures(MODEL_CHECKS, ModelSubject(model=planted.Echo())) == {}
    assert failures(METRIC_CHECKS, metric_subject(planted.Right())) == {}


# ── each fault is caught by its own check ─────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "check"), TASKS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_task(fault, check, registry):
    found = failures(TASK_CHECKS, TaskSubject(task=fault(), registry=registry))
    assert list(found) == [check], found
    assert found[check].message


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "check"), planted.MODELS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_model(fault, check):
    found = failures(MODEL_CHECKS, ModelSubject(model=fault()))
    assert list(found) == [check], found


@pytest.mark.parametrize(("fault", "check"), METRICS, ids=lambda v: getattr(v, "__name__", v))
def test_faults_in_a_metric(fault, check):
    found = failures(METRIC_CHECKS, metric_subject(fault()))
    assert list(found) == [check], found


class OtherWords(toy_chain.Follow):
    """Derives other questions than those of the data."""

    def derive(self, example, prediction):
        return [replace(e, inputs={**e.inputs, "word": e.inputs["word"].upper()}) for e in super().derive(example, prediction)]


FOLLOWED = "perfect_predictions_are_followed"


def test_what_follows_another_task(monkeypatch):
    monkeypatch.setenv("TOY_EXAMPLES", "5")
    registry = load_registry([toy, toy_chain], installed=False)
    TASK_CHECKS[FOLLOWED](TaskSubject(task=toy_chain.Follow(), registry=registry))
    with pytest.raises(CheckFailed, match="not derived as the data has it"):
        TASK_CHECKS[FOLLOWED](TaskSubject(task=OtherWords(), registry=registry))


def test_every_check_has_caught_a_fault():
    """A check that nothing fails would be worse than none."""
    caught = {check for _, check in (*TASKS, *planted.MODELS, *METRICS)}
    assert {*TASK_CHECKS, *MODEL_CHECKS, *METRIC_CHECKS} - caught == {FOLLOWED}


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [form.kind() for form in BUILT_IN])
def test_a_perfect_answer_is_well_formed(kind):
    assert [wrong_with(request, answer) for request, answer in solved(kind)] == [""] * 10


@pytest.mark.parametrize(
    ("kind", "answer", "complaint"),
    [
        ("Classify", ClassifyAnswer(scores=(1.0,)), "2 labels have 1 scores"),
        ("Classify", ClassifyAnswer(scores=(1.5, -0.5)), "no probability"),
        ("Classify", ClassifyAnswer(scores=(float("nan"), 1.0)), "no probability"),
        ("Tag", TagAnswer(labels=("O",)), "13 words have 1 labels"),
        ("Tag", TagAnswer(labels=("X",) * 13), "'X' is none of the labels"),
        ("Tag", TagAnswer(labels=("B-ARG0", "I-ARG1", *("O",) * 11)), "I-ARG1 behind B-ARG0"),
        ("ExtractSpan", ExtractSpanAnswer(spans=()), "no span"),
        ("ExtractSpan", ExtractSpanAnswer(spans=(Span(start=60, end=900),)), "outside"),
        ("ExtractSpan", ExtractSpanAnswer(spans=(Span(start=3, end=3),)), "outside"),
        ("ExtractSpan", ExtractSpanAnswer(spans=(Span(start=0, end=1), Span(start=0, end=2, score=0.5))), "come first"),
        ("ExtractSpan", ExtractSpanAnswer(spans=(Span(start=0, end=1, score=7.0),)), "no probability"),
        ("ExtractSpan", ExtractSpanAnswer(spans=(Span(start=0, end=1),), no_answer=0.5), "may not abstain"),
        ("Choose", ChooseAnswer(choices=()), "2 choices have 0 likelihoods"),
        ("Choose", ChooseAnswer(choices=(Likelihood(log_likelihood=0.5, tokens=1, bytes=8),) * 2), "log-likelihood of 0.5"),
        ("Choose", ChooseAnswer(choices=(Likelihood(log_likelihood=-1.0, tokens=1, bytes=3),) * 2), "has 8 bytes, not 3"),
        ("LogLikelihood", LogLikelihoodAnswer(log_likelihood=-1.0, tokens=9, words=3, bytes=65), "13 words, not 3"),
        ("LogLikelihood", LogLikelihoodAnswer(log_likelihood=-1.0, tokens=9, words=13, bytes=65, likeliest=10), "10 of 9 tokens"),
    ],
)  # fmt: skip
def test_a_malformed_answer(kind, answer, complaint):
    assert complaint in wrong_with(solved(kind)[0][0], answer)


def test_a_text_goes_on_behind_a_stop():
    assert wrong_with(Generate(text="", stop=("b",)), GenerateAnswer(text="abc")) == "the text goes on behind 'b'"


# ── as it is used ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_checks_need_neither_pytest_nor_anything_heavy():
    code = (
        "import sys; sys.modules['pytest'] = None; from plmtasks.testing import TASK_CHECKS; "
        "assert TASK_CHECKS and not {'torch', 'numpy', 'hypothesis'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("pair", "sound"), [("{question} {choice}", True), ("{question} {choice} {right}", False)])
def test_a_pair_repeats_its_choice_and_reveals_nothing(pair, sound, tmp_path):
    rows = [{"question": "Which?", "options": ["sun", "moon", word], "right": word} for word in ("sea", "salt", "sand")]
    choosing = Choices(
        "a/b", metrics=("accuracy",), text="{question}", choices="options", reference="right", data={"test": rows},
        columns={"inputs": ["question", "options", "right"]},
        Choose={"text": "{question}", "choices": "options", "pair_text": "{question}", "pair_choice": pair},
    )  # fmt: skip
    found = failures({"check": TASK_CHECKS["requests_hold_no_reference"]}, TaskSubject(task=choosing))
    assert (found == {}) == sound


def test_a_failure_shows_its_example():
    failed = CheckFailed("wrong", {"id": "1", "set": {1}})
    assert (failed.message, failed.example["id"]) == ("wrong", "1")
    assert str(failed) == 'wrong\n{\n  "id": "1",\n  "set": "{1}"\n}'


def test_without_hypothesis_selections_are_drawn(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    METRIC_CHECKS["rows_do_not_depend_on_others"](metric_subject(planted.Right()))
    with pytest.raises(CheckFailed, match="have other rows"):
        METRIC_CHECKS["rows_do_not_depend_on_others"](metric_subject(planted.CountsNeighbours()))


class TestToyTask(TaskConformance):
    test_reading_sees_no_reference = None  # it refuses to be shown one

    @pytest.fixture
    def task(self):
        return toy.ToyTask()

    @pytest.fixture
    def registry(self):
        return load_registry([toy], installed=False)


class TestToyMetric(MetricConformance):
    @pytest.fixture
    def metric(self):
        return toy.ToyAccuracy()

    @pytest.fixture
    def task(self):
        return toy.ToyTask()


class TestGivenCases(MetricConformance):
    """Predictions of one's own, and figures of another implementation."""

    @pytest.fixture
    def metric(self):
        return planted.Right()

    @pytest.fixture
    def cases(self):
        return AGREEMENT.predictions, AGREEMENT.examples

    @pytest.fixture
    def agreements(self):
        return [AGREEMENT]


class TestEcho(ModelConformance):
    @pytest.fixture
    def model(self):
        return planted.Echo()
