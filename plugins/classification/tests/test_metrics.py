"""The scores are scikit-learn's, whole and resampled."""

import warnings
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_classification.catalog import TASKS
from plmtasks_classification.metrics import (
    F1,
    METRICS,
    BalancedAccuracy,
    GenderParity,
    Matthews,
    Stance,
    accuracy,
    accuracy_norm,
    multi_label,
)
from sklearn import metrics as sk

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Metric
from plmtasks.scoring import score

LABELS = ("a", "b", "c", "d")
SETS = multi_label.bind(SimpleNamespace(labels=LABELS))
BINARY = dict(zip(LABELS, np.eye(len(LABELS)), strict=True))


def pairs(references: Sequence[object], values: Sequence[object]) -> tuple[list[Prediction], list[Example]]:
    examples = [Example(id=str(i), inputs={}, reference=r) for i, r in enumerate(references)]
    return [Prediction(value=v) for v in values], examples


def totals(metric: Metric, references: Sequence[object], values: Sequence[object]) -> np.ndarray:
    rows = metric.statistics(*pairs(references, values))
    assert rows.shape == (len(values), len(metric.columns()))
    return rows.sum(0)


SINGLE = st.lists(st.tuples(st.sampled_from(LABELS[:3]), st.sampled_from([*LABELS, None, "no idea"])), min_size=1, max_size=30)
SUBSETS = st.sets(st.sampled_from(LABELS)).map(sorted)
SEVERAL = st.lists(st.tuples(SUBSETS, SUBSETS), min_size=1, max_size=30)


@given(SINGLE)
def test_single_labels_against_sklearn(rows: list[tuple[str, str | None]]) -> None:
    references, values = [r for r, _ in rows], [v for _, v in rows]
    known = [v if v in LABELS else "outside" for v in values]
    got = {
        **accuracy.reduce(totals(accuracy, references, values)),
        **F1(LABELS).reduce(totals(F1(LABELS), references, values)),
        **Matthews(LABELS).reduce(totals(Matthews(LABELS), references, values)),
        **BalancedAccuracy(LABELS).reduce(totals(BalancedAccuracy(LABELS), references, values)),
    }
    there = [label for label in LABELS if label in references or label in known]
    assert got["accuracy"] == pytest.approx(100 * sk.accuracy_score(references, known))
    assert got["f1_micro"] == pytest.approx(got["accuracy"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of predictions that no reference has
        assert got["balanced_accuracy"] == pytest.approx(100 * sk.balanced_accuracy_score(references, known))
    assert got["f1_macro"] == pytest.approx(100 * sk.f1_score(references, known, labels=there, average="macro", zero_division=0))
    precision, recall, f1, _ = sk.precision_recall_fscore_support(references, known, labels=there, zero_division=0)
    for i, label in enumerate(there):
        assert got[f"precision[{label}]"] == pytest.approx(100 * precision[i])
        assert got[f"recall[{label}]"] == pytest.approx(100 * recall[i])
        assert got[f"f1[{label}]"] == pytest.approx(100 * f1[i])
    for label in set(LABELS) - set(there):
        assert all(np.isnan(got[f"{what}[{label}]"]) for what in ("precision", "recall", "f1"))
    if len(set(references)) == 1:
        assert np.isnan(got["matthews"])
    else:
        assert got["matthews"] == pytest.approx(100 * sk.matthews_corrcoef(references, known))


@pytest.mark.slow
@given(SEVERAL)
def test_several_labels_against_sklearn(rows: list[tuple[list[str], list[str]]]) -> None:
    references, values = [r for r, _ in rows], [v for _, v in rows]
    truth, guess = (np.array([sum((BINARY[x] for x in s), np.zeros(len(LABELS))) for s in sets]) for sets in (references, values))
    got = {
        **accuracy.reduce(totals(accuracy, references, values)),
        **F1(LABELS).reduce(totals(F1(LABELS), references, values)),
        **SETS.reduce(totals(SETS, references, values)),
    }
    there = [i for i in range(len(LABELS)) if truth[:, i].any() or guess[:, i].any()]
    assert got["accuracy"] == pytest.approx(100 * sk.accuracy_score(truth, guess))
    assert got["hamming_loss"] == pytest.approx(100 * sk.hamming_loss(truth, guess))
    assert got["f1_samples"] == pytest.approx(100 * sk.f1_score(truth, guess, average="samples", zero_division=1))
    if there:
        assert got["f1_micro"] == pytest.approx(100 * sk.f1_score(truth, guess, average="micro", zero_division=0))
        assert got["f1_macro"] == pytest.approx(100 * sk.f1_score(truth, guess, labels=there, average="macro", zero_division=0))
    else:
        assert np.isnan(got["f1_micro"])
        assert np.isnan(got["f1_macro"])


def test_what_lies_outside_several_labels_is_wrong() -> None:
    references, values = [["a"], ["a"], ["b"]], [["a", "no idea"], None, ["b"]]
    f1 = F1(LABELS).reduce(totals(F1(LABELS), references, values))
    assert f1["f1[a]"] == pytest.approx(200 / 3)
    assert f1["f1_micro"] == pytest.approx(100 * 2 * 2 / (3 + 4))
    sets = SETS.reduce(totals(SETS, references, values))
    assert sets["f1_samples"] == pytest.approx(100 * (2 / 3 + 0 + 1) / 3)
    assert sets["hamming_loss"] == pytest.approx(100 * (1 + 2) / 12)


SIDES = ("none", "against", "favor")


@given(st.lists(st.tuples(st.sampled_from(SIDES), st.sampled_from([*SIDES, None])), min_size=1, max_size=30))
def test_stances_against_sklearn(rows: list[tuple[str, str | None]]) -> None:
    references, values = [r for r, _ in rows] + ["against", "favor"], [v for _, v in rows] + ["none", "none"]
    known = [v or "outside" for v in values]
    report = sk.classification_report(references, known, labels=SIDES, output_dict=True, zero_division=0)
    wanted = 100 * (report["against"]["f1-score"] + report["favor"]["f1-score"]) / 2
    assert Stance(SIDES).reduce(totals(Stance(SIDES), references, values))["f1_stance"] == pytest.approx(wanted)


def test_stances_need_two_sides() -> None:
    with pytest.raises(MetricError, match="'stance' needs the labels favor and against\n  those of t/x are: a, b, c, d"):
        Stance().bind(SimpleNamespace(name="t/x", labels=LABELS))  # type: ignore[arg-type]


def test_nothing_to_score_has_no_score() -> None:
    for metric in (accuracy, accuracy_norm, F1(LABELS), Matthews(LABELS), BalancedAccuracy(LABELS), Stance(SIDES), SETS):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reduced = metric.reduce(np.zeros(len(metric.columns())))
        assert all(np.isnan(value) for value in reduced.values())


def test_a_reference_outside_the_labels() -> None:
    with pytest.raises(MetricError, match=r"example '0' has the reference 'z'\n  the labels are: a, b, c, d"):
        F1(LABELS).statistics(*pairs(["z"], ["a"]))
    with pytest.raises(MetricError, match="metric 'f1' needs a task with labels"):
        F1().statistics(*pairs(["z"], ["a"]))


def test_the_core_makes_intervals_of_them() -> None:
    tasks = {task.name: task for task in TASKS}
    task = tasks["classification/sst2"]
    references, values = ["positive", "negative"] * 20, ["positive"] * 30 + ["negative"] * 9 + [None]
    predictions, examples = pairs(references, values)
    metrics = [metric.bind(task) for metric in METRICS if metric.name in task.metrics]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = score(metrics, examples, {e.id: p for e, p in zip(examples, predictions, strict=True)}, resamples=200)
    found = scored.scores["accuracy"]["accuracy"]
    assert (found["value"], found["interval"]) == (47.5, "wilson")
    macro = scored.scores["f1"]["f1_macro"]
    assert macro["low"] < macro["value"] < macro["high"]
    assert scored.scores["accuracy_norm"]["accuracy_norm_bytes"]["value"] is None


# ── what GLUE and SuperGLUE rank by ─────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_f1_of_the_right_label_is_scikit_learn_s_binary_f1(rows: list[tuple[bool, bool]]) -> None:
    """As `glue` of evaluate counts QQP and MRPC: `f1_score` of the references and predictions."""
    words = ("not_duplicate", "duplicate")
    metric = F1(words)
    found = metric.reduce(totals(metric, [words[a] for a, _ in rows], [words[b] for _, b in rows]))["f1[duplicate]"]
    if any(a or b for a, b in rows):
        assert found == pytest.approx(100 * sk.f1_score([a for a, _ in rows], [b for _, b in rows]))
    else:
        assert np.isnan(found)


def paired(*values: tuple[str, str, str]) -> tuple[list[Prediction], list[Example]]:
    """(pair, id, prediction)"""
    examples = [Example(id=id_, inputs={}, reference="a", cluster=pair) for pair, id_, _ in values]
    return [Prediction(value=value) for *_, value in values], examples


def test_gender_parity() -> None:
    rows = [("p", "1", "a"), ("p", "2", "a"), ("q", "3", "a"), ("q", "4", "b"), ("r", "5", "b"), ("r", "6", "b"), ("s", "7", "a")]
    metric = GenderParity()
    assert metric.compute(*paired(*rows)) == {"gender_parity": pytest.approx(100 * 2 / 3)}  # of s one alone is there
    twice = [*rows[:2], *rows[:2], *rows[2:4]]  # a pair that is drawn twice counts twice
    assert metric.compute(*paired(*twice)) == {"gender_parity": pytest.approx(100 * 2 / 3)}
    assert metric.compute(*paired(rows[-1])) == {}
