"""Intervals against scipy's, and against the truth of simulations."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from plmtasks.statistics import bootstrap, compare, compare_pairs, resampled, wilson


def mean(totals):
    """Columns: the sum of values, the number of examples."""
    with np.errstate(invalid="ignore"):
        return {"mean": totals[..., 0] / totals[..., 1]}


def f1(totals):
    """Columns: true positives, predicted, expected."""
    with np.errstate(invalid="ignore"):
        return {"f1": 100 * 2 * totals[..., 0] / (totals[..., 1] + totals[..., 2])}


def accuracy(totals):
    with np.errstate(invalid="ignore"):
        return {"accuracy": 100 * totals[..., 0] / totals[..., 1]}


def with_count(values):
    return np.column_stack([values, np.ones(len(values))])


def test_percentile_interval_is_scipys():
    values = np.random.default_rng(1).lognormal(size=300)
    ours = bootstrap(with_count(values), mean, resamples=20_000)["mean"]
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert ours.method == "percentile bootstrap"
    # two Monte Carlo estimates of an interval of width 0.5
    assert [ours.low, ours.high] == pytest.approx(list(theirs), abs=0.02)


def test_ratio_of_sums_is_scipys():
    rng = np.random.default_rng(3)
    expected = rng.poisson(3, 200) + 1.0
    predicted = rng.poisson(3, 200) + 1.0
    hits = np.minimum(np.minimum(expected, predicted), rng.poisson(2, 200))
    ours = bootstrap(np.column_stack([hits, predicted, expected]), f1, resamples=20_000)["f1"]

    def statistic(h, p, e, axis):
        return 200 * h.sum(axis=axis) / (p.sum(axis=axis) + e.sum(axis=axis))

    theirs = scipy.stats.bootstrap(
        (hits, predicted, expected), statistic, paired=True, vectorized=True, n_resamples=20_000, method="percentile", rng=4
    ).confidence_interval
    assert [ours.low, ours.high] == pytest.approx(list(theirs), abs=0.4)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 7), (768, 872), (500, 1000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_scipys(hits, n, level):
    theirs = scipy.stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    assert wilson(hits / n, n, level) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("hits", "n"), [(0, 50), (50, 50), (44, 50)])
def test_proportions_get_wilsons_interval_on_their_own_scale(hits, n):
    rows = with_count(np.arange(n) < hits)
    points = bootstrap(rows, accuracy, proportions={"accuracy": 0})["accuracy"]
    fraction = bootstrap(rows, mean, proportions={"mean": 0})["mean"]
    low, high = wilson(hits / n, n)
    assert (points.low, points.high, points.method) == (pytest.approx(100 * low), pytest.approx(100 * high), "wilson")
    assert (fraction.low, fraction.high, fraction.method) == (pytest.approx(low), pytest.approx(high), "wilson")


def test_a_mean_of_other_values_is_bootstrapped():
    values = np.random.default_rng(0).random(100)
    assert bootstrap(with_count(values), accuracy, proportions={"accuracy": 0})["accuracy"].method == "percentile bootstrap"


def test_a_score_that_is_not_the_columns_mean_is_bootstrapped():
    rows = np.column_stack([np.arange(100) % 2, np.full(100, 2.0), np.arange(100) % 3 == 0]).astype(float)
    assert bootstrap(rows, f1, proportions={"f1": 0})["f1"].method == "percentile bootstrap"


def test_clusters_are_drawn_whole():
    # ten copies of each of 40 values: as independent examples they would look ten times as many as they are
    values = np.random.default_rng(5).normal(size=40)
    copies = with_count(np.repeat(values, 10))
    names = [f"paragraph {i // 10}" for i in range(400)]
    alone = bootstrap(with_count(values), mean)["mean"]
    clustered = bootstrap(copies, mean, clusters=names)["mean"]
    naive = bootstrap(copies, mean)["mean"]
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high), abs=1e-9)
    assert naive.high - naive.low < 0.4 * (alone.high - alone.low)


def test_clusters_of_examples_that_are_all_right_count_as_one_trial_each():
    rows = with_count(np.ones(40))
    interval = bootstrap(rows, accuracy, clusters=[str(i // 4) for i in range(40)], proportions={"accuracy": 0})["accuracy"]
    assert interval.method == "wilson"
    assert interval.low == pytest.approx(100 * wilson(1.0, 10)[0])


@pytest.mark.parametrize("n", [0, 1])
def test_one_example_gives_no_interval(n):
    interval = bootstrap(with_count(np.ones(n)), accuracy, proportions={"accuracy": 0})["accuracy"]
    assert (interval.low, interval.high, interval.method) == (None, None, "none")


def test_one_cluster_gives_no_interval():
    assert bootstrap(with_count(np.arange(9.0)), mean, clusters=["a"] * 9)["mean"].method == "none"


def test_resamples_without_the_score_are_left_out():
    # one of five examples belongs to the class: a third of the resamples have none of it
    rows = np.array([[1, 1], [0, 0], [0, 0], [0, 0], [0, 0]], dtype=float)
    interval = bootstrap(rows, mean)["mean"]
    assert (interval.low, interval.high) == (1, 1)


def test_a_score_that_is_never_defined_has_no_interval():
    assert bootstrap(np.zeros((5, 2)), mean)["mean"].method == "none"


def resample_totals(rows, resamples, seed):
    """The sums of the rows of each resample, (resamples, k)."""
    drawn = resampled(rows[:, None], lambda totals: dict(enumerate(np.moveaxis(totals, -1, 0))), resamples=resamples, seed=seed)
    return np.stack([drawn[i][:, 0] for i in drawn], axis=1)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.integers(0, 5))
@settings(max_examples=40)
def test_each_resample_holds_n_rows(values, seed):
    totals = resample_totals(with_count(np.array(values, dtype=float)), 50, seed)
    assert (totals[:, 1] == len(values)).all()
    assert totals[:, 0].min() >= min(values) * len(values)
    assert totals[:, 0].max() <= max(values) * len(values)


def test_large_integers_stay_exact():
    # 2^25 + 1 is no float32
    rows = np.column_stack([np.full(8, 2.0**25 + 1), np.ones(8)])
    assert (resample_totals(rows, 20, 0)[:, 0] == 8 * (2**25 + 1)).all()


def test_chunks_change_no_distribution():
    """Many rows are drawn in more than one chunk; every resample is another one."""
    totals = resample_totals(with_count(np.random.default_rng(0).random(1_500_000)), 5, 0)
    assert len(set(totals[:, 0])) == 5
    assert (totals[:, 1] == 1_500_000).all()


def test_same_seed_same_interval_whatever_the_threads():
    script = (
        "import numpy as np; from plmtasks.statistics import bootstrap\n"
        "rows = np.random.default_rng(0).random((3000, 8))\n"
        "print(bootstrap(rows, lambda t: {str(i): t[..., i] / t[..., 7] for i in range(7)}, resamples=1000))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
    assert "percentile bootstrap" in outputs.pop()


@pytest.mark.slow
def test_intervals_hold_the_truth():
    """95 % intervals over 400 simulated data sets; three standard deviations of such a count are 3.3 points."""
    rng = np.random.default_rng(11)
    means = [bootstrap(with_count(rng.exponential(size=150)), mean, resamples=500)["mean"] for _ in range(400)]
    rates = [bootstrap(with_count(rng.random(100) < 0.9), mean, proportions={"mean": 0})["mean"] for _ in range(400)]
    # at 150 exponential values a percentile interval is known to hold the mean a little less often than it says
    assert 0.90 <= np.mean([i.low <= 1 <= i.high for i in means]) <= 0.983
    assert 0.917 <= np.mean([i.low <= 0.9 <= i.high for i in rates]) <= 0.983


def test_the_differences_of_many_pairs_are_those_of_each_pair_alone():
    random = np.random.Generator(np.random.PCG64(3))
    rows = np.stack([random.random((300, 4)) < skill for skill in (0.5, 0.6, 0.8, 0.9)], axis=1)[:, :, :2].astype(float)
    rows[:, :, 1] = 1

    def reduce(totals):
        return {"accuracy": 100 * totals[..., 0] / totals[..., 1]}

    pairs = [(0, 1), (3, 1), (2, 2)]
    found = compare_pairs(rows, reduce, "accuracy", pairs, resamples=5_000)
    for (i, j), (value, low, high, p) in zip(pairs[:2], found[:2], strict=True):
        alone = compare(rows[:, i], rows[:, j], reduce)["accuracy"]
        assert value == alone.value
        assert (low, high) == pytest.approx((alone.low, alone.high), abs=0.7)
        assert p == pytest.approx(alone.p_bootstrap, abs=0.02)
    assert found[2] == (0.0, 0.0, 0.0, 1.0)


def test_a_pair_whose_score_is_not_always_defined_has_the_interval_of_the_resamples_that_define_it():
    rows = np.zeros((40, 2, 2))
    rows[:, 0] = rows[:2, 1] = 1.0  # the second has only two examples of which a share can be taken

    def reduce(totals):
        with np.errstate(invalid="ignore"):
            return {"share": totals[..., 0] / totals[..., 1]}

    ((value, low, high, p),) = compare_pairs(rows, reduce, "share", [(0, 1)])
    assert (value, low, high, p) == (0.0, 0.0, 0.0, 1.0)
    rows[:, 1] = 0
    ((value, low, high, _),) = compare_pairs(rows, reduce, "share", [(0, 1)])
    assert np.isnan([value, low, high]).all()
