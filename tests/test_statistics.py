"""Intervals against scipy's, and against the truth of simulations."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from plmtasks.statistics import bootstrap, compare, compare_pairs, evened, resampled, resampled_parts, wilson
from plmtasks.statistics.resampling import KINDS_FROM, drawing


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


MANY = KINDS_FROM + 5_000


def many(seed=0):
    """Correct, predicted and expected spans of many examples, of few kinds."""
    random = np.random.default_rng(seed)
    predicted, expected = random.integers(0, 3, MANY), random.integers(0, 3, MANY)
    return np.column_stack([np.minimum(predicted, expected) * (random.random(MANY) < 0.8), predicted, expected]).astype(float)


def ends(rows, seed=0):
    """The interval's ends, and the standard error that they come to."""
    found = bootstrap(rows, f1, resamples=2_000, seed=seed)["f1"]
    return np.array([found.low, found.high]), (found.high - found.low) / 3.92


def test_many_rows_of_few_kinds_have_the_interval_of_rows_drawn_one_by_one(monkeypatch):
    rows = many()
    (together, error), shuffled = ends(rows), ends(np.random.default_rng(1).permutation(rows))[0]
    monkeypatch.setattr("plmtasks.statistics.resampling.KINDS_FROM", 10**9)
    alone, _ = ends(rows)
    # an end of 2,000 resamples is right to a seventeenth of the standard error, four of which are allowed
    assert np.abs(together - alone).max() < 4 * error * 2**0.5 / 17
    assert (together != alone).all()
    assert (together == shuffled).all()


def test_rows_with_how_often_each_is_there_have_the_interval_of_all_of_them():
    rows = many()
    different, times = np.unique(rows, axis=0, return_counts=True)
    assert bootstrap(different, f1, times=times) == bootstrap(rows, f1)


def test_resamples_of_kinds_hold_n_rows_and_are_exact_in_integers():
    rows = np.column_stack([many(), np.ones(MANY)])
    totals = resample_totals(rows, 50, 0)
    assert (totals[:, 3] == MANY).all()
    assert (totals == np.rint(totals)).all()
    assert len(set(totals[:, 0])) > 30


def test_parts_of_many_rows_are_those_drawn_one_by_one(monkeypatch):
    rows, random = many(), np.random.default_rng(2)
    parts = [random.random(MANY) < share for share in (0.1, 0.6)]
    names = [str(i) for i in range(MANY)]

    def drawn():
        return resampled_parts(rows, parts, f1, clusters=names, resamples=1_000)["f1"]

    together = drawn()
    monkeypatch.setattr("plmtasks.statistics.resampling.KINDS_FROM", 10**9)
    alone = drawn()
    error = alone.std(axis=0)
    assert np.abs(together.mean(axis=0) - alone.mean(axis=0)).max() < 4 * error.max() * (2 / 1_000) ** 0.5
    assert together.std(axis=0) == pytest.approx(error, rel=0.1)


def test_many_answers_that_are_exchanged_by_kinds_agree_with_mcnemar():
    random = np.random.default_rng(4)
    first = with_count((random.random(MANY) < 0.7).astype(float))
    second = np.where(random.random(MANY)[:, None] < 0.1, with_count((random.random(MANY) < 0.68).astype(float)), first)
    found = compare(first, second, accuracy, proportions={"accuracy": 0})["accuracy"]
    assert found.p_randomization == pytest.approx(found.p_mcnemar, abs=0.025)
    assert 0.01 < found.p_mcnemar < 0.99


def test_evened_numbers_keep_their_sums_and_their_spread():
    random = np.random.default_rng(5)
    values, groups = random.random(MANY), random.integers(0, 3, MANY)
    even = evened(values, groups)
    assert len(set(even)) < 3 * 514
    assert np.bincount(groups, even) == pytest.approx(np.bincount(groups, values), rel=1e-12)
    assert even.var() == pytest.approx(values.var(), rel=1e-5)
    assert (evened(values[:100], groups[:100]) == values[:100]).all()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 100))
@settings(max_examples=40)
def test_drawn_clusters_bring_all_their_examples(clusters, seed):
    count, positions = drawing(clusters)
    chosen, names = np.random.default_rng(seed).integers(0, count, count), list(dict.fromkeys(clusters))
    expected = [i for number in chosen for i, cluster in enumerate(clusters) if cluster == names[number]]
    assert positions(chosen).tolist() == expected


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
