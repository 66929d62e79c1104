"""A metric made of a function: its statistics, scores, intervals and signature follow from what the function returns."""

import linecache
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
import toy

from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import owner
from plmtasks.metric import Aggregated, Metric, ScoreInfo, Value, mean, metric
from plmtasks.scoring import score
from plmtasks.testing import Agreement, MetricConformance


@metric("same")
def same(prediction, reference) -> float:
    """Predictions that are the reference. And more."""
    return prediction == reference


class Lengths(NamedTuple):
    excess: float
    covered: float | None
    ratio: tuple[float, float]


CHARACTERS = ScoreInfo(best=0.0, higher_is_better=False, unit="characters", minimum=None, maximum=None)
RATIO = ScoreInfo(best=1.0, unit="ratio", maximum=None)


@metric("lengths", {"excess": CHARACTERS, "ratio": RATIO}, version=3, description="how long")
def lengths(reference: str, prediction: str) -> Lengths:
    covered = min(len(prediction) / len(reference), 1.0) if reference else None
    return Lengths(abs(len(prediction) - len(reference)), covered, (len(prediction), len(reference)))


def scored(made: Metric, pairs: Sequence[tuple[Any, Any]]) -> Mapping[str, Mapping[str, Any]]:
    examples = [Example(id=str(i), inputs={}, reference=r) for i, (_, r) in enumerate(pairs)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score([made], examples, {str(i): Prediction(value=p) for i, (p, _) in enumerate(pairs)}, resamples=100)
    return found.scores[made.name]


class TestSame(MetricConformance):
    @pytest.fixture
    def metric(self) -> Metric:
        return same

    @pytest.fixture
    def task(self) -> toy.ToyTask:
        return toy.ToyTask()

    @pytest.fixture
    def agreements(self) -> Sequence[Agreement]:
        examples = [Example(id=str(i), inputs={}, reference="yes") for i in range(4)]
        predictions = [Prediction(value=value) for value in ("yes", "no", "yes", "yes")]
        return [Agreement(predictions=predictions, examples=examples, scores={"same": 75.0})]


def test_one_number_is_points_and_a_proportion():
    found = scored(same, [("a", "a"), ("b", "a"), ("a", "a"), ("a", "a")])["same"]
    assert (found["value"], found["unit"], found["best"], found["interval"]) == (75.0, "points", 100.0, "wilson")
    assert found["higher_is_better"] is True
    assert same.columns() == ["same", "examples"]
    assert same.description == "Predictions that are the reference. And more"
    assert same("a", "a") is True  # still a function
    assert owner(same) == same.__module__ == __name__


def test_several_numbers_each_over_what_counts():
    found = scored(lengths, [("aaa", "aa"), ("a", "aa"), ("aa", "")])
    assert found["excess"]["value"] == pytest.approx(4 / 3)
    assert found["covered"]["value"] == pytest.approx(100 * (1 + 0.5) / 2)
    assert found["ratio"]["value"] == pytest.approx(6 / 4)
    assert [info["unit"] for info in found.values()] == ["characters", "points", "ratio"]
    assert lengths.columns() == ["excess", "covered", "ratio", "weight[covered]", "weight[ratio]", "examples"]
    assert lengths.scores()["excess"].mean_of == "excess"


def test_nothing_that_counts_has_no_score():
    assert scored(lengths, [("a", "")])["covered"]["value"] is None
    import numpy as np  # the module of a metric is light

    assert math.isnan(lengths.reduce(np.zeros(6))["ratio"])


def test_a_mapping_takes_its_names_from_what_is_declared():
    @metric("some", {"one": ScoreInfo(), "two": ScoreInfo()})
    def some(prediction, inputs, scores, task) -> dict[str, float | None]:
        return {"one": len(task.labels) / 2, **({"two": 1.0} if inputs or scores else {})}

    found = scored(some.bind(toy.ToyTask()), [("a", "a")])
    assert (found["one"]["value"], found["two"]["value"]) == (100.0, None)
    assert some.task is None  # what is bound is another

    @metric("strange", {"one": ScoreInfo()})
    def strange(prediction) -> dict[str, float]:
        return {"other": 1.0}

    with pytest.raises(MetricError, match="metric 'strange' gave 'other', which is none of its scores\n  one"):
        scored(strange, [("a", "a")])


def test_a_plain_number_is_what_every_example_must_have():
    @metric("half")
    def half(prediction) -> float:
        return None

    with pytest.raises(
        MetricError, match=r"metric 'half' gave None as 'half' of example '0'\n  .* annotate it as `float \| None`"
    ):
        scored(half, [("a", "a")])


def test_what_cannot_be_a_metric():
    with pytest.raises(TypeError, match="metric 'm' asks for 'gold'; it can be given prediction, scores, "):
        metric("m")(lambda prediction, gold: 1.0)

    def several(prediction) -> dict[str, float]:
        return {}

    with pytest.raises(TypeError, match=r"metric 'm' returns several numbers: say their names, \{name: ScoreInfo\(\), …\}"):
        metric("m")(several)


def test_the_signature_is_the_version_or_the_source():
    def made(body: str, source: bool = True) -> Metric:
        text = f"def f(prediction, reference) -> float:\n{body}"
        name = f"<{body}>"
        if source:
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        space: dict[str, Any] = {}
        exec(compile(text, name, "exec"), space)  # noqa: S102  a function with a source of its own, or none
        return metric("m")(space["f"])

    plain = made("    return prediction == reference\n").signature()
    assert made('    """Says more."""\n    return (prediction ==   reference)  # so\n').signature() == plain
    assert made("    return prediction != reference\n").signature() != plain
    assert lengths.signature() == "lengths v3"
    with pytest.raises(MetricError, match="metric 'm' has no source to tell it by\n  state its version: version=1"):
        made("    return 1.0\n", source=False).signature()


class Aggregates(Aggregated):
    """Two means, one of them over some examples alone, and two that are no means."""

    name = "aggregates"
    counted = 0

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {
            "harmonic": ScoreInfo(), "right": ScoreInfo(mean_of="right"), "of_some": ScoreInfo(),
            "middle": ScoreInfo(best=0.0, unit="characters", higher_is_better=False, maximum=None),
        }  # fmt: skip

    def aggregations(self) -> Mapping[str, Any]:
        return {"middle": statistics.median, "right": mean, "of_some": mean, "harmonic": statistics.harmonic_mean}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        type(self).counted += len(predictions)
        return [self._of(str(p.value), str(e.reference)) for p, e in zip(predictions, examples, strict=True)]

    def _of(self, predicted: str, reference: str) -> Mapping[str, Value]:
        right = float(predicted == reference)
        some = {"of_some": right} if len(reference) > 1 else {}
        return {"right": right, "middle": abs(len(predicted) - len(reference)), "harmonic": (1 + right) / 2, **some}


class TestAggregates(MetricConformance):
    @pytest.fixture
    def metric(self) -> Metric:
        return Aggregates()

    @pytest.fixture
    def task(self) -> toy.ToyTask:
        return toy.ToyTask()


def test_values_are_counted_once_and_aggregated_again_for_each_resample() -> None:
    pairs = [("aa", "aa"), ("b", "a"), ("ccc", "c"), ("dd", "dd"), ("e", "eee"), ("f", "f")]
    before = Aggregates.counted
    found = scored(Aggregates(), pairs)
    assert Aggregates.counted - before == 2 * len(pairs)  # for the sums, and for all else
    assert {name: s["value"] for name, s in found.items()} == pytest.approx({
        "middle": 0.0, "right": 50.0, "of_some": 200 / 3, "harmonic": 100 * 6 / 9,
    })  # fmt: skip
    assert [found[name]["interval"] for name in ("right", "of_some")] == ["wilson", "percentile bootstrap"]
    assert found["harmonic"]["low"] < found["harmonic"]["value"] < found["harmonic"]["high"]


def test_an_aggregation_that_fails_is_told_and_resamples_without_it_are_left_out() -> None:
    class Both(Aggregates):
        def scores(self) -> Mapping[str, ScoreInfo]:
            return {"right": ScoreInfo()}

        def aggregations(self) -> Mapping[str, Any]:
            return {"right": self.spread}

        def spread(self, values: Sequence[float]) -> float:
            if len(set(values)) < 2:
                raise ValueError("they are all alike")
            return max(values) - min(values)

    found = scored(Both(), [("a", "a"), ("b", "a")])["right"]
    assert [found[name] for name in ("value", "low", "high", "interval")] == [100.0, 100.0, 100.0, "percentile bootstrap"]
    with pytest.raises(MetricError, match="'right' of metric 'aggregates' is not defined for 2 values: ValueError: they are all"):
        scored(Both(), [("a", "a"), ("b", "b")])
    assert scored(Aggregates(), [("a", "a")])["of_some"]["value"] is None
