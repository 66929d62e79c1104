"""The scores of numbers are scipy's and scikit-learn's, to the printed digit; and tasks of numbers from the command line."""

import json
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_classification.numbers import Correlation, RegressionError, is_number
from sklearn import metrics as sk

from plmtasks.cli import cli
from plmtasks.config import Source
from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.metric import Metric
from plmtasks.scoring import score
from plmtasks.task import Task

RATED = SimpleNamespace(scale=(0.0, 5.0))
PLAIN = st.floats(-1000, 1000).map(lambda x: round(x, 3))
ROWS = st.lists(st.tuples(PLAIN, PLAIN), min_size=2, max_size=40)


def scores(metric: Metric, references: Sequence[float], values: Sequence[object]) -> dict[str, float]:
    examples = [Example(id=str(i), inputs={}, reference=r) for i, r in enumerate(references)]
    predictions = [Prediction(value=v) for v in values]
    reduced = metric.reduce(metric.statistics(predictions, examples).sum(0))
    return {**{name: float(value) for name, value in reduced.items()}, **metric.compute(predictions, examples)}


@given(ROWS)
def test_correlations_are_scipys_ties_and_all(rows: list[tuple[float, float]]) -> None:
    references, values = ([row[i] for row in rows] for i in (0, 1))
    got = scores(Correlation(), references, values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant numbers
        wanted = {
            "pearson": 100 * scipy.stats.pearsonr(values, references).statistic,
            "spearman": 100 * scipy.stats.spearmanr(values, references).statistic,
        }
    apart = all(np.std(side) > 1e-4 * np.abs(side).max() for side in (references, values))
    assert got["spearman"] == pytest.approx(wanted["spearman"], abs=1e-9, nan_ok=True)
    if apart or math.isnan(wanted["pearson"]):
        assert got["pearson"] == pytest.approx(wanted["pearson"], abs=1e-5, nan_ok=True)


@given(ROWS)
def test_errors_are_scikit_learns(rows: list[tuple[float, float]]) -> None:
    references, values = ([row[i] for row in rows] for i in (0, 1))
    got = scores(RegressionError().bind(RATED), references, values)
    assert got["mae"] == pytest.approx(sk.mean_absolute_error(references, values))
    assert got["mse"] == pytest.approx(sk.mean_squared_error(references, values))
    assert got["rmse"] == pytest.approx(sk.root_mean_squared_error(references, values))
    assert got["no_number"] == 0


def test_a_scale_far_from_nothing_costs_no_digit() -> None:
    draw = np.random.default_rng(0)
    references = 2.5e6 + draw.normal(size=500)
    values = references + draw.normal(size=500)
    wanted = 100 * scipy.stats.pearsonr(values, references).statistic
    far = Correlation().bind(SimpleNamespace(scale=(2e6, 3e6)))
    assert scores(far, references, values)["pearson"] == pytest.approx(wanted, abs=1e-8)
    # where no scale is stated the middle is 0, and what rounding would tell is not told
    assert math.isnan(scores(Correlation(), references, values)["pearson"])


@pytest.mark.parametrize("values", [[2.5] * 4, [0.1] * 4, [None] * 4])
def test_the_same_for_all_has_no_correlation(values: list[float | None]) -> None:
    got = scores(Correlation().bind(RATED), [1.0, 2.0, 3.0, 4.5], values)
    assert math.isnan(got["pearson"])
    assert math.isnan(got["spearman"])


def test_the_same_for_all_says_why(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        cli, ["run", "--task", "regression/sample", "--model", "majority", "--quiet", "--output", str(tmp_path)]
    )
    assert said.exit_code == 0, said.output
    assert "main score not defined" in said.output


def test_no_number_counts_as_the_middle_of_the_scale() -> None:
    references, values = [1.0, 4.0, 5.0, 0.0], [1.5, None, 4.0, 1e101]
    filled = [1.5, 2.5, 4.0, 2.5]
    for metric in (Correlation().bind(RATED), RegressionError().bind(RATED)):
        wanted = scores(metric, references, filled)
        got = scores(metric, references, values)
        assert {k: v for k, v in got.items() if k != "no_number"} == {k: v for k, v in wanted.items() if k != "no_number"}
    assert got["no_number"] == 50
    assert [is_number(v) for v in (1, -0.5, True, "1", None, math.nan, math.inf)] == [True, True, *[False] * 5]
    assert scores(RegressionError(), [2.0, 2.0], [None, None])["mae"] == 2  # of no scale it is 0


def test_a_signature_tells_the_middle() -> None:
    assert Correlation().bind(RATED).signature() == "correlation v1, origin 2.5"
    assert RegressionError().signature() == "regression_error v1, origin 0"


def test_intervals_hold_the_score() -> None:
    draw = np.random.default_rng(1)
    references = draw.uniform(0, 5, 60)
    values = references + draw.normal(size=60)
    examples = [Example(id=str(i), inputs={}, reference=float(r)) for i, r in enumerate(references)]
    found = score([Correlation()], examples, {str(i): Prediction(value=float(v)) for i, v in enumerate(values)}).scores
    for name, wanted in (("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr)):
        told = found["correlation"][name]
        assert told["value"] == pytest.approx(100 * wanted(values, references).statistic, abs=1e-9)
        assert told["low"] < told["value"] < told["high"]
        assert told["interval"] != "none"


PAIRS = """text,text_pair,label
the lamp is red,the lamp is blue,2.5
a boat,the boat,4.75
no,yes,0
one,,1.5
"""


def data_of(path: Path) -> tuple[Task, Sequence[Example]]:
    task = load_registry().task("regression/custom")
    data = task.load(Source(data=str(path)))
    return task, data[data.default_split()]


def test_ones_own_numbers_of_texts_and_pairs(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(PAIRS)
    task, examples = data_of(tmp_path / "own.csv")
    assert [e.reference for e in examples] == [2.5, 4.75, 0.0, 1.5]
    asked = [task.ask(e, "Regress") for e in examples]
    assert [r.text_pair for r in asked] == ["the lamp is blue", "the boat", "yes", None]
    assert [task.ask(e, "Generate").text for e in examples[2:]] == ["no\nyes", "one"]


def test_a_file_of_predicted_numbers(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(PAIRS)
    values = ["2", "about 5", "-", ".5"]
    (tmp_path / "said.txt").write_text("\n".join(values) + "\n")
    said = ["score", "--task", "regression/custom", "--references", str(tmp_path / "own.csv"), "--format", "json"]
    done = CliRunner().invoke(cli, [*said, "--predictions", str(tmp_path / "said.txt")])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    references, numbers = [2.5, 4.75, 0.0, 1.5], [2.0, 5.0, 0.0, 0.5]
    assert found["correlation"]["pearson"]["value"] == pytest.approx(100 * scipy.stats.pearsonr(numbers, references).statistic)
    assert found["correlation"]["spearman"]["value"] == pytest.approx(100 * scipy.stats.spearmanr(numbers, references).statistic)
    assert found["regression_error"]["mae"]["value"] == pytest.approx(sk.mean_absolute_error(references, numbers))
    assert found["regression_error"]["no_number"]["value"] == 25


@pytest.mark.parametrize(
    ("cell", "message"),
    [("good", "expected a number, found 'good'"), ("", "expected a number, found ''"), ("nan", "expected a number, found 'nan'")],
)
def test_what_is_no_number_is_named_by_its_line(tmp_path: Path, cell: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(f"text,label\none,1\ntwo,{cell}\n")
    with pytest.raises(DataError, match=re.escape(f"own.csv:3: {message}")):
        data_of(tmp_path / "own.csv")
