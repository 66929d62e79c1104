"""Whether confidences are kept: errors, bins and Brier scores against scikit-learn's and by hand."""

from typing import Any

import numpy as np
import pytest
import toy
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from plmtasks.examples import Example, Prediction
from plmtasks.scoring import score
from plmtasks.scoring.calibration import record

METRICS = [toy.ToyAccuracy()]


def found(confidences: Any, rights: Any, labels: tuple[str, ...] = (), cluster: int = 1) -> Any:
    examples = [Example(id=str(i), inputs={}, reference="yes", cluster=str(i // cluster)) for i in range(len(rights))]
    predictions = {
        str(i): Prediction(
            value="yes" if right else "no",
            scores={"confidence": c, "probability[yes]": c if right else 1 - c, "probability[no]": 1 - c if right else c},
        )
        for i, (c, right) in enumerate(zip(confidences, rights, strict=True))
    }
    return record(METRICS, examples, predictions, score(METRICS, examples, predictions), labels)


def drawn(n: int = 500, seed: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 1, n).round(3)
    return confidence, random.random(n) < confidence**2


def test_by_hand() -> None:
    made = found([0.95, 0.95, 0.65, 0.65], [True, False, True, True])
    # two of four say .95 and are right by half; two say .65 and are right
    assert made["ece"] == pytest.approx(0.5 * 0.45 + 0.5 * 0.35)
    assert [(b["count"], b["accuracy"]) for b in made["bins"]] == [(2, 1.0), (2, 0.5)]
    assert made["of"] == ["toy_accuracy", "accuracy"]
    assert made["examples"] == 4


@pytest.mark.parametrize(("strategy", "part"), [("uniform", None), ("quantile", "equal_mass")])
def test_the_bins_are_those_of_scikit_learn(strategy: str, part: str | None) -> None:
    confidence, right = drawn()
    made = found(confidence, right)
    made = made[part] if part else made
    accuracy, mean = calibration_curve(right, confidence, n_bins=15, strategy=strategy)
    assert [b["accuracy"] for b in made["bins"]] == pytest.approx(list(accuracy))
    assert [b["confidence"] for b in made["bins"]] == pytest.approx(list(mean))
    weights = [b["count"] / 500 for b in made["bins"]]
    assert made["ece"] == pytest.approx(float((np.abs(accuracy - mean) * weights).sum()))
    assert made["low"] < made["ece"] < made["high"]
    assert sum(b["count"] for b in made["bins"]) == 500


def test_a_confidence_on_an_edge_is_in_the_bin_below() -> None:
    [only] = found([0.2, 0.2], [True, False])["bins"]
    assert (round(only["low"] * 15), round(only["high"] * 15)) == (2, 3)


def test_an_error_by_chance_alone_is_told() -> None:
    """One bin of n examples at .5: the mean distance of a share from its chance is about sqrt(2 p (1 - p) / (pi n))."""
    random = np.random.default_rng(1)
    made = found([0.5] * 400, random.random(400) < 0.5)
    assert made["chance"] == pytest.approx((2 * 0.25 / (np.pi * 400)) ** 0.5, rel=0.1)
    kept = random.uniform(0.5, 1, 2000)
    made = found(kept, random.random(2000) < kept)
    assert made["ece"] < 2 * made["chance"]
    made = found(kept, random.random(2000) < kept - 0.1)
    assert made["ece"] > 3 * made["chance"]


def test_the_brier_score_of_two_labels_is_twice_scikit_learn_s_of_one() -> None:
    confidence, right = drawn()
    made = found(confidence, right, ("yes", "no"))["brier"]
    of_yes = np.where(right, confidence, 1 - confidence)
    assert made["value"] == pytest.approx(2 * brier_score_loss(np.ones(500), of_yes, labels=[0, 1]))
    assert made["low"] < made["value"] < made["high"]


def test_clusters_widen_the_interval() -> None:
    confidence, right = np.repeat(drawn(100), 5, axis=1)
    alone, shared = found(confidence, right), found(confidence, right, cluster=5)
    assert shared["ece"] == alone["ece"]
    assert shared["high"] - shared["low"] > 1.5 * (alone["high"] - alone["low"])


def test_none_without_a_confidence_or_where_nothing_is_simply_right() -> None:
    examples = [Example(id="a", inputs={}, reference="yes")]
    predictions = {"a": Prediction(value="yes")}
    assert record(METRICS, examples, predictions, score(METRICS, examples, predictions), ()) is None
    assert record(METRICS, [], {}, score(METRICS, [], {}), ()) is None
    assert "brier" not in found([0.5, 0.7], [True, False], ("yes", "no", "perhaps"))


@pytest.mark.slow
def test_many_confidences_have_the_intervals_of_examples_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, right = drawn(21_000)
    made = found(confidence, right, ("yes", "no"))
    for module in ("statistics.resampling", "scoring.calibration"):
        monkeypatch.setattr(f"plmtasks.{module}.KINDS_FROM", 10**9)
    alone = found(confidence, right, ("yes", "no"))
    assert (made["ece"], made["bins"], made["brier"]["value"]) == (alone["ece"], alone["bins"], alone["brier"]["value"])
    assert made["chance"] == pytest.approx(alone["chance"], rel=0.05)
    for name in ("low", "high"):
        assert made[name] == pytest.approx(alone[name], abs=0.3 * (alone["high"] - alone["low"]) / 3.92)
        assert made["brier"][name] == pytest.approx(
            alone["brier"][name], abs=0.3 * (alone["brier"]["high"] - alone["brier"]["low"]) / 3.92
        )


@pytest.mark.slow
def test_the_different_rows_of_many_confidences_say_what_all_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence, right = drawn(21_000)
    made = found(confidence, right)
    monkeypatch.setattr("plmtasks.scoring.calibration._rows", lambda more, place: (None, None))
    assert found(confidence, right) == made
