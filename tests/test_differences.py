"""Paired tests against exact counts, scipy's and sacrebleu's; ranks against what they are meant to say."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from plmtasks.hooks import load_registry
from plmtasks.statistics import bootstrap_computed, compare, holm, mcnemar, rank, spread

DATA = Path(os.environ.get("PLMTASKS_DATA", Path(__file__).parents[2] / "shared" / "data"))


def mean(totals):
    """Columns: the sum of values, the number of examples."""
    with np.errstate(invalid="ignore"):
        return {"mean": totals[..., 0] / totals[..., 1]}


def f1(totals):
    """Columns: correct, predicted and expected spans."""
    with np.errstate(invalid="ignore"):
        return {"f1": 200 * totals[..., 0] / (totals[..., 1] + totals[..., 2])}


def with_count(values):
    return np.column_stack([values, np.ones(len(values))])


def right(random, n, p):
    return with_count((random.random(n) < p).astype(float))


# ── one score ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_scores_that_are_no_sums_are_computed_anew():
    values = np.random.default_rng(3).normal(size=80)
    slow = bootstrap_computed(lambda drawn: {"median": float(np.median(values[drawn]))}, 80, resamples=2000)["median"]
    theirs = scipy.stats.bootstrap((values,), np.median, n_resamples=2000, method="percentile", rng=2).confidence_interval
    assert [slow.low, slow.high] == pytest.approx(list(theirs), abs=0.06)


def test_scores_that_are_no_sums_draw_clusters_whole():
    seen = []

    def compute(drawn):
        seen.append(np.bincount(drawn, minlength=6).tolist())
        return {"n": float(len(drawn))}

    bootstrap_computed(compute, 6, list("aabbcc"), resamples=20)
    assert all(sum(counts) == 6 and counts[::2] == counts[1::2] for counts in seen)
    assert len(set(map(tuple, seen))) > 5
    assert bootstrap_computed(compute, 3, list("aaa"))["n"].method == "none"


# ── two runs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_randomization_is_the_count_of_all_exchanges():
    a, b = np.array([1, 1, 1, 0, 1, 1, 0, 1.0]), np.array([0, 1, 0, 0, 0, 1, 1, 0.0])
    signs = np.array(list(itertools.product([1, -1], repeat=8)))
    exact = np.mean(np.abs(signs @ (a - b)) >= abs((a - b).sum()) - 1e-9)
    found = compare(with_count(a), with_count(b), mean, resamples=50_000)["mean"]
    assert found.p_randomization == pytest.approx(exact, abs=0.01)
    assert found.value == pytest.approx((a - b).mean())


def test_the_interval_of_a_difference_is_scipys():
    random = np.random.default_rng(4)
    a = random.normal(size=200)
    b = a + random.normal(0.2, 0.5, size=200)
    found = compare(with_count(b), with_count(a), mean, resamples=20_000)["mean"]
    theirs = scipy.stats.bootstrap((b - a,), np.mean, n_resamples=20_000, method="percentile", rng=2).confidence_interval
    assert [found.low, found.high] == pytest.approx(list(theirs), abs=0.01)
    # of a mean, contributions are the differences themselves
    assert found.effect == pytest.approx((b - a).mean() / (b - a).std(ddof=1))
    assert found.p_bootstrap == pytest.approx(scipy.stats.ttest_rel(b, a).pvalue, abs=0.005)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (0, 6), (12, 3), (150, 86), (700, 600)])
def test_mcnemar_is_scipys_binomial_test(first, second):
    expected = scipy.stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemars_own_kind_of_data():
    # 944 approval ratings asked twice; 150 and 86 changed: McNemar's z² is 17.36 (Agresti, Categorical Data Analysis, 10.1)
    squared = (150 - 86) ** 2 / (150 + 86)
    assert squared == pytest.approx(17.36, abs=0.005)
    assert mcnemar(150, 86) == pytest.approx(scipy.stats.chi2.sf(17.36, 1), rel=0.5)


def test_mcnemar_is_for_independent_examples_that_are_right_or_wrong():
    random = np.random.default_rng(0)
    a, b = right(random, 60, 0.8), right(random, 60, 0.6)
    columns = {"mean": 0}
    assert compare(a, b, mean, proportions=columns)["mean"].p_mcnemar is not None
    assert compare(a, b, mean, proportions=columns, clusters=[i // 2 for i in range(60)])["mean"].p_mcnemar is None
    assert compare(a, a * 0.5, mean, proportions=columns)["mean"].p_mcnemar is None


def test_clusters_are_exchanged_whole():
    random = np.random.default_rng(6)
    a, b = random.normal(0.4, 1, 12), random.normal(0, 1, 12)
    alone = compare(with_count(a), with_count(b), mean, resamples=20_000)["mean"]
    copies = compare(
        with_count(np.repeat(a, 9)), with_count(np.repeat(b, 9)), mean, clusters=[i // 9 for i in range(108)], resamples=20_000
    )["mean"]
    naive = compare(with_count(np.repeat(a, 9)), with_count(np.repeat(b, 9)), mean, resamples=20_000)["mean"]
    assert copies.p_randomization == pytest.approx(alone.p_randomization, abs=0.02)
    assert copies.p_bootstrap == pytest.approx(alone.p_bootstrap, abs=0.02)
    assert naive.p_randomization < alone.p_randomization / 2


def test_equal_runs_do_not_differ():
    a = right(np.random.default_rng(0), 50, 0.7)
    found = compare(a, a, mean, proportions={"mean": 0})["mean"]
    assert (found.value, found.p_bootstrap, found.p_randomization, found.p_mcnemar, found.effect) == (0, 1, 1, 1, None)


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not beside the repository")
def test_paired_tests_are_sacrebleus():
    """Two systems of WMT22 on 500 sentences: p-values of 2,000 trials, each right to about 0.02."""
    from sacrebleu.metrics import BLEU
    from sacrebleu.significance import PairedTest

    from plmtasks.examples import Example, Prediction

    folder = DATA / "wmt22_zh_en"
    names = ("Lan-Bridge", "HuaweiTSC")
    read = {path.name.split(".")[-2]: path.read_text(encoding="utf-8").splitlines()[:500] for path in sorted(folder.glob("*.en"))}
    metric = load_registry().metric("bleu")
    examples = [Example(id=str(i), inputs={}, reference=[text]) for i, text in enumerate(read["A"])]
    rows = [metric.statistics([Prediction(value=text) for text in read[name]], examples) for name in names]
    ours = compare(rows[1], rows[0], metric.reduce, resamples=2000)["bleu"]
    for kind, p in (("bs", ours.p_bootstrap), ("ar", ours.p_randomization)):
        test = PairedTest(
            [(name, read[name]) for name in names], {"BLEU": BLEU(references=[read["A"]])}, references=None, test_type=kind,
            n_samples=2000,
        )  # fmt: skip
        baseline, other = test()[1]["BLEU"]
        assert ours.value == pytest.approx(other.score - baseline.score, abs=1e-6)
        assert p == pytest.approx(other.p_value, abs=0.04)


# ── many runs ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_holms_own_example():
    # by hand: 0.005 × 4, 0.01 × 3, 0.03 × 2, and no less than those before
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([[0.9, 0.6]])).tolist() == [[1.0, 1.0]]


def test_errors_of_means_and_ratios():
    random = np.random.default_rng(2)
    values = random.normal(size=(300, 3))
    found = rank(np.stack([values, np.ones_like(values)], axis=2), mean, "mean")
    assert found.errors == pytest.approx(values.std(axis=0, ddof=1) / 300**0.5, rel=1e-9)
    expected = random.poisson(3, 400) + 1.0
    rows = np.column_stack([random.binomial(expected.astype(int), 0.6), expected, expected])[:, None]
    drawn = scipy.stats.bootstrap(
        tuple(rows[:, 0].T), lambda c, p, e, axis: 200 * c.sum(axis=axis) / (p.sum(axis=axis) + e.sum(axis=axis)), paired=True,
        vectorized=True, n_resamples=5000, rng=1,
    )  # fmt: skip
    assert rank(rows, f1, "f1").errors[0] == pytest.approx(drawn.standard_error, rel=0.05)


def chain():
    """Three systems on 200 examples, each right where the next is and on seven more."""
    return np.stack([with_count((np.arange(200) < n).astype(float)) for n in (114, 107, 100)], axis=1)


def test_neighbours_are_not_chained_into_one_tier():
    found = rank(chain(), mean, "mean", level=0.02)
    assert found.tier.tolist() == [1, 1, 2]
    assert found.low.tolist() == [1, 1, 2]
    assert found.high.tolist() == [2, 3, 3]


def test_lower_is_better_turns_the_order():
    found = rank(chain(), mean, "mean", level=0.02, higher_is_better=False)
    assert found.tier.tolist() == [2, 1, 1]
    assert (found.low.tolist(), found.high.tolist()) == ([2, 1, 1], [3, 3, 2])


@pytest.mark.parametrize(("more", "tiers"), [(5, [1, 1]), (6, [1, 2])])
def test_few_examples_that_differ_show_what_mcnemar_shows(more, tiers):
    rows = np.stack([with_count((np.arange(1000) < n).astype(float)) for n in (700 + more, 700)], axis=1)
    assert rank(rows, mean, "mean").tier.tolist() == tiers
    assert (mcnemar(more, 0) < 0.05) is (tiers == [1, 2])


def test_equal_differences_on_all_examples_have_no_error_and_are_no_miracle():
    two = np.stack([with_count(np.ones(4)), with_count(np.zeros(4))], axis=1)
    assert rank(two, mean, "mean").tier.tolist() == [1, 1]
    many = np.stack([with_count(np.ones(40)), with_count(np.zeros(40))], axis=1)
    assert rank(many, mean, "mean").tier.tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_p_is_that_of_the_ranking(seed):
    """A pair is in one tier where its p is no less than the level, and Student's p of the pairs where many differ."""
    random = np.random.default_rng(seed)
    rows = np.stack([right(random, 200, p) for p in (0.7, 0.6)], axis=1)
    found = compare(rows[:, 0], rows[:, 1], mean)["mean"]
    assert (found.p < 0.05) == (rank(rows, mean, "mean").tier.tolist() == [1, 2])
    assert found.p == pytest.approx(scipy.stats.ttest_rel(rows[:, 0, 0], rows[:, 1, 0]).pvalue)


def test_several_seeds_are_ranked_by_their_mean():
    random = np.random.default_rng(5)
    rows = np.stack([right(random, 2000, p) for p in (0.9, 0.5, 0.72, 0.68)], axis=1)
    found = rank(rows, mean, "mean", groups=[[0, 1], [2, 3]])
    assert found.tier.tolist() == [1, 1]  # 0.7 each
    assert len(found.errors) == 2
    assert rank(rows, mean, "mean", groups=[[0], [1, 2, 3]]).tier.tolist() == [1, 2]


def test_of_very_many_runs_bonferroni_decides():
    random = np.random.default_rng(1)
    rows = np.stack([right(random, 500, 0.9), *(right(random, 500, 0.5) for _ in range(299))], axis=1)
    found = rank(rows, mean, "mean")
    assert found.tier[0] == 1
    assert set(found.tier[1:].tolist()) == {2}
    assert (found.low[0], found.high[0]) == (1, 1)


@pytest.mark.slow
def test_the_smallest_difference_is_found_four_times_in_five():
    random = np.random.default_rng(8)
    easy = random.beta(4, 1, 600)

    def runs(by):
        return np.stack([with_count((random.random(600) < easy * (1 - d)).astype(float)) for d in (0, by)], axis=1)

    smallest = np.median([rank(runs(0), mean, "mean").smallest for _ in range(20)])
    shown = [rank(runs(smallest / easy.mean()), mean, "mean").tier.max() == 2 for _ in range(200)]
    assert 0.68 <= np.mean(shown) <= 0.9


@pytest.mark.slow
def test_a_true_tie_is_seldom_broken():
    """400 tables of six equal systems at 5 %: three standard deviations of such a count are 3.3 points."""
    random = np.random.default_rng(9)
    broken = 0
    for _ in range(400):
        easy = random.beta(4, 1, 300)
        rows = np.stack([with_count((random.random(300) < easy).astype(float)) for _ in range(6)], axis=1)
        broken += rank(rows, mean, "mean").tier.max() > 1
    assert broken / 400 <= 0.083


# ── several seeds ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_spread_of_seeds_is_students():
    scores = [87.27, 87.04, 87.39]
    found = spread(scores)
    theirs = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (found.mean, found.deviation) == (pytest.approx(np.mean(scores)), pytest.approx(np.std(scores, ddof=1)))
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("scores", [[], [80.0]])
def test_fewer_than_two_seeds_have_no_spread(scores):
    with pytest.raises(ValueError, match="two data points"):
        spread(scores)
