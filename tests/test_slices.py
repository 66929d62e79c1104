"""Slices of the examples, their scores and the gaps between them."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.data import GENDER, Groups, by_count, by_length, dimension, read_groups, texts
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.metric import Aggregated, ScoreInfo, mean
from plmtasks.scoring import score
from plmtasks.scoring.breakdown import record
from plmtasks.statistics import resampled, resampled_parts


@pytest.mark.parametrize(
    ("count", "name"), [(0, "n=0"), (1, "n=1-2"), (2, "n=1-2"), (3, "n=3-6"), (6, "n=3-6"), (7, "n=7-"), (70, "n=7-")]
)
def test_a_count_falls_into_one_range(count: int, name: str) -> None:
    assert by_count("n", count, (0, 2, 6)) == name


def test_a_length_is_in_words_or_in_characters() -> None:
    assert by_length("the red kite " * 4, "en") == "words=11-20"
    assert by_length("红色的风筝" * 5, "zh") == "characters=21-40"
    assert by_length("红色的风筝" * 5, "zho_Hans", (5,)) == "characters=11-"


def test_the_dimension_is_what_stands_before_the_first_equals_sign() -> None:
    assert dimension("label=a=b") == "label"
    assert dimension("alone") == "alone"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("She saw the kite.", ["gender=female"]), ("the HERO'S kite", ["gender=male"]), ("he saw her", []), ("the kite", []),
        ("shed, heron, mankind", []),
    ],
)  # fmt: skip
def test_a_text_is_in_the_slice_of_the_one_group_that_it_names(text: str, found: list[str]) -> None:
    assert GENDER.of([text]) == found


def test_a_text_without_spaces_names_a_group_within() -> None:
    assert Groups({"gender": {"f": ["她"], "m": ["他"]}}).of(["昨天她看见风筝。"]) == ["gender=f"]


def test_texts_of_an_example() -> None:
    example = Example(id="1", inputs={"words": ["a", "kite"], "n": 3, "text": "red", "none": None})
    assert texts(example) == ["a kite", "red"]
    assert texts(example, ["text", "missing"]) == ["red"]


def test_groups_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "groups.toml"
    path.write_text('[age]\nyoung = ["student"]\nold = ["pensioner"]\n')
    [sliced] = read_groups(path).sliced([Example(id="1", inputs={"text": "The students"}, slices=("a=b",))], ("text",))
    assert sliced.slices == ("a=b",)
    [sliced] = read_groups(path).sliced([Example(id="1", inputs={"text": "A student's"}, slices=("a=b",))], ("text",))
    assert sliced.slices == ("a=b", "age=young")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("age", "groups.toml:1: expected TOML"), ("", "expected groups, found none"),
        ("age = 3", r"groups.toml:1: expected a table \[age\] of at least two groups, found 3"),
        ('[age]\nyoung = ["a"]', r"a table \[age\] of at least two groups"),
        ('[age]\nyoung = ["a"]\nold = "b"', "groups.toml:3: expected old = a list of words, found 'b'"),
        ('[age]\nyoung = ["a"]\nold = [""]', "groups.toml:3: expected old = a list of words"),
    ],
)  # fmt: skip
def test_a_file_that_has_no_groups(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.toml"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_groups(path)


def test_a_file_of_groups_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--config groups=FILE names a TOML file"):
        read_groups(tmp_path / "no.toml")


# ── their scores ──────────────────────────────────────────────────────────────────────────────────────────────────


def found(rights: list[tuple[bool, tuple[str, ...]]], **more: Any) -> dict[str, Any]:
    """The record of examples that were answered right or not and lie in these slices."""
    examples = [Example(id=str(i), inputs={}, reference="yes", slices=s, **more) for i, (_, s) in enumerate(rights)]
    predictions = {str(i): Prediction(value="yes" if right else "no") for i, (right, _) in enumerate(rights)}
    metrics = [toy.ToyAccuracy()]
    return record(metrics, examples, score(metrics, examples, predictions))


def test_scores_of_slices_and_their_gap() -> None:
    made = found([(True, ("size=a",))] * 18 + [(False, ("size=a",))] * 2 + [(i < 10, ("size=b", "odd")) for i in range(20)])
    assert list(made["slices"]) == ["odd", "size=a", "size=b"]
    a, b = (made["slices"][name] for name in ("size=a", "size=b"))
    assert (a["examples"], b["examples"]) == (20, 20)
    assert a["scores"]["toy_accuracy"]["accuracy"]["value"] == 90
    # Wilson's interval of 18 of 20
    assert a["scores"]["toy_accuracy"]["accuracy"]["interval"] == "wilson"
    assert a["scores"]["toy_accuracy"]["accuracy"]["low"] == pytest.approx(69.9, abs=0.05)
    group = made["groups"]["size"]
    assert (group["worst"], group["best"], group["gap"]) == ("size=b", "size=a", 40)
    # the normal interval of a difference of two proportions: 40 ± 1.96 * sqrt(.9 * .1 / 20 + .5 * .5 / 20) * 100
    assert group["low"] == pytest.approx(40 - 25.6, abs=4)
    assert group["high"] == pytest.approx(40 + 25.6, abs=4)
    assert group["p"] < 0.01
    assert list(made["groups"]) == ["size"]


def test_what_comes_of_one_language_in_the_others() -> None:
    """Against the same resamples, drawn here by their clusters: the source, its translation, and a small part that is none."""
    rights = {"en": [i < 36 for i in range(40)], "th": [i % 4 < 3 for i in range(40)], "zh": [i < 5 for i in range(20)]}
    examples = [
        Example(id=f"{code}-{i}", inputs={}, reference="yes", slices=(f"language={code}",), cluster=f"{code == 'zh'}-{i}")
        for code, its in rights.items() for i in range(len(its))
    ]  # fmt: skip
    right = [one for its in rights.values() for one in its]
    predictions = {e.id: Prediction(value="yes" if one else "no") for e, one in zip(examples, right, strict=True)}
    metrics = [toy.ToyAccuracy()]
    made = record(metrics, examples, score(metrics, examples, predictions))["groups"]["language"]["transfer"]
    assert made["from"] == "language=en"
    assert made["mean"]["value"] == pytest.approx((90 + 75 + 25) / 3)
    assert made["gap"]["value"] == pytest.approx(90 - (75 + 25) / 2)
    assert {name: d["value"] for name, d in made["differences"].items()} == {"language=th": -15, "language=zh": -65}
    clusters = [e.cluster for e in examples]
    parts = [np.array([e.slices == (f"language={code}",) for e in examples]) for code in rights]
    rows = np.array([[one, 1] for one in right], dtype=float)
    drawn = resampled_parts(rows, parts, metrics[0].reduce, clusters=clusters, resamples=2000)["accuracy"]
    for told, values in (
        (made["gap"], drawn[:, 0] - (drawn[:, 1] + drawn[:, 2]) / 2), (made["mean"], drawn.mean(axis=1)),
        (made["differences"]["language=th"], drawn[:, 1] - drawn[:, 0]),
    ):  # fmt: skip
        assert (told["low"], told["high"]) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))))
        assert told["low"] < told["value"] < told["high"]


def test_without_english_nothing_is_carried_over() -> None:
    assert "transfer" not in found([(True, ("language=th",))] * 10 + [(False, ("language=zh",))] * 10)["groups"]["language"]
    assert "transfer" not in found([(True, ("size=a",))] * 10 + [(False, ("size=b",))] * 10)["groups"]["size"]


class Middle(Aggregated):
    """A score that is no function of a sum, and not defined where all are right."""

    name = "middle"

    def scores(self) -> Mapping[str, ScoreInfo]:
        return {"variance": ScoreInfo(best=None, unit="share", maximum=None), "accuracy": ScoreInfo(mean_of="accuracy")}

    def aggregations(self) -> Mapping[str, Any]:
        return {"variance": self.spread, "accuracy": mean}

    def spread(self, values: Sequence[float]) -> float:
        if len(set(values)) < 2:
            raise ValueError("all alike")
        return statistics.pvariance(values)

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Any]]:
        rights = [float(p.value == e.reference) for p, e in zip(predictions, examples, strict=True)]
        return [{"variance": right, "accuracy": right} for right in rights]


def test_scores_that_are_aggregated_have_slices_too() -> None:
    rights = [(i % 5 > 0, ("size=a",)) for i in range(20)] + [(i < 10, ("size=b",)) for i in range(20)]
    rights += [(True, ("size=c",))] * 12
    examples = [Example(id=str(i), inputs={}, reference="yes", slices=s) for i, (_, s) in enumerate(rights)]
    predictions = {str(i): Prediction(value="yes" if right else "no") for i, (right, _) in enumerate(rights)}
    made = record([Middle()], examples, score([Middle()], examples, predictions))
    a, b, c = (made["slices"][f"size={name}"]["scores"]["middle"] for name in "abc")
    assert (a["variance"]["value"], b["variance"]["value"]) == pytest.approx((0.16, 0.25))
    assert a["variance"]["low"] < 0.16 < a["variance"]["high"]
    assert (list(c), c["accuracy"]["value"]) == (["accuracy"], 100)
    group = made["groups"]["size"]
    assert (group["worst"], group["best"], group["gap"], group["p"]) == ("size=a", "size=b", pytest.approx(0.09), None)


def test_small_slices_are_left_out() -> None:
    made = found([(True, ("size=a",))] * 20 + [(False, ("size=b",))] * 9 + [(True, ("size=c",))] * 20)
    assert list(made["slices"]) == ["size=a", "size=c"]
    group = made["groups"]["size"]
    assert {group["worst"], group["best"]} <= {"size=a", "size=c"}
    assert (group["gap"], group["p"]) == (0, 1)
    assert group["worst"] != group["best"]


def test_skipped_examples_are_in_no_slice() -> None:
    examples = [Example(id=str(i), inputs={}, reference="yes", slices=("a=b",) if i < 12 else ("a=c",)) for i in range(24)]
    metrics = [toy.ToyAccuracy()]
    made = record(metrics, examples, score(metrics, examples, {str(i): Prediction(value="yes") for i in range(1, 21)}))
    assert {name: s["examples"] for name, s in made["slices"].items()} == {"a=b": 11}


def test_the_gap_of_clusters_is_wider_than_of_single_examples() -> None:
    examples = [Example(id=str(i), inputs={}, reference="yes", slices=(f"a={i // 40}",)) for i in range(80)]
    predictions = {str(i): Prediction(value="yes" if i % 8 < 4 else "no") for i in range(80)}
    metrics = [toy.ToyAccuracy()]
    alone = record(metrics, examples, score(metrics, examples, predictions))["groups"]["a"]
    clustered = [replace(e, cluster=str(i // 4)) for i, e in enumerate(examples)]  # all right or all wrong
    wide = record(metrics, clustered, score(metrics, clustered, predictions))["groups"]["a"]
    assert wide["high"] - wide["low"] > 1.2 * (alone["high"] - alone["low"])


@pytest.mark.slow
@given(st.integers(0, 2**16), st.integers(2, 40), st.booleans())
def test_parts_are_resampled_together(seed: int, n: int, clustered: bool) -> None:
    """The same as runs whose statistics are 0 outside their part."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 5, (n, 3)).astype(float)
    parts = [random.random(n) < 0.5 for _ in range(4)]
    clusters = [f"{i // 2 if clustered else i:03d}" for i in range(n)]

    def reduce(totals: Any) -> dict[str, Any]:
        return {"sum": totals.sum(axis=-1), "first": totals[..., 0]}

    masked = np.stack([rows * part[:, None] for part in parts], axis=1)
    summed = np.stack([masked[[c == name for c in clusters]].sum(axis=0) for name in dict.fromkeys(clusters)])
    expected = resampled(summed, reduce, resamples=50, seed=3)
    made = resampled_parts(rows, parts, reduce, clusters=clusters, resamples=50, seed=3)
    for name, values in expected.items():
        np.testing.assert_allclose(made[name], values)


@pytest.mark.slow
def test_a_gap_by_chance_alone_is_seldom_called_one() -> None:
    """200 times 300 examples in four slices of unequal sizes that all are right by the same chance."""
    random = np.random.default_rng(0)
    names = np.repeat(["s=a", "s=b", "s=c", "s=d"], [150, 90, 40, 20])
    below = [
        found([(bool(right), (name,)) for right, name in zip(random.random(300) < 0.7, names, strict=True)])["groups"]["s"]["p"]
        < 0.05
        for _ in range(200)
    ]
    assert 0.02 <= np.mean(below) <= 0.08


@pytest.mark.parametrize("text", ["She's late", "SHE said: his", "she_x and heroines", "ashe (hers)", "He, HIM; wife-to-be", ""])
def test_words_are_found_in_a_text_of_ascii_as_patterns_find_them(text: str) -> None:
    """A letter of no use that is not ASCII makes the other way of it."""
    assert GENDER.of([text]) == GENDER.of([f"{text} é"])
