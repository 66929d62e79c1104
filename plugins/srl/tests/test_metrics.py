from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_srl.metrics import ConllEval, MacroF1, PredicateScore, SeqEval, SrlEval
from plmtasks_srl.spans import plain

from plmtasks.config import Source
from plmtasks.examples import Example, Prediction
from plmtasks.reading import spans_to_tags, tags_to_spans


def figures(task, metric, references, predictions, score):
    data = task.load(Source(data=str(references)))
    task = task.bind(data)
    examples = data[data.default_split()]
    found = task.read_predictions(predictions, examples)
    return score(task, metric, [found[e.id] for e in examples], examples)


# ── the official figures ──────────────────────────────────────────────────────────────────────────────────────────


def printed_rows(path: Path) -> dict[str, list[str]]:
    """The rows of srl-eval.pl's table: corr., excess, missed, prec., rec., F1."""
    cells = [line.split() for line in path.read_text().splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) == 7}


@pytest.mark.slow
@pytest.mark.parametrize("references", ["test.bio.tsv", "test.gold_conll", "baseline.test.gold.props"])
def test_a_system_on_propbank_ewt_as_srl_eval_counted_it(references, registry, score, real_data):
    folder = real_data / "propbank_ewt"
    task = registry.task("srl/propbank")
    scores = figures(task, "srl_eval", folder / references, folder / "baseline.test.props", score)
    rows = printed_rows(folder / "baseline.srl-eval.txt")
    assert len(rows) == 37
    for role, row in rows.items():
        of_role = "" if role == "Overall" else f"[{role}]"
        assert [f"{scores[f'{m}{of_role}']:.2f}" for m in ("precision", "recall", "f1")] == row[3:], role
        if of_role:
            assert [f"{scores[f'{c}{of_role}']:.0f}" for c in ("correct", "excess", "missed")] == row[:3], role
    assert rows["Overall"] == ["7021", "3364", "2218", "67.61", "75.99", "71.56"]
    assert f"{scores['perfect_propositions']:.2f}" == "61.18"
    assert scores["propositions"] == 4791
    # no further role has counts
    counted = {name[8:-1] for name, value in scores.items() if name.startswith("correct[") and scores[f"f1{name[7:]}"] >= 0}
    assert counted == rows.keys() - {"Overall"}


@pytest.mark.slow
def test_the_same_system_as_seqeval_counted_it(registry, score, real_data):
    folder = real_data / "propbank_ewt"
    scores = figures(registry.task("srl"), "seqeval", folder / "test.bio.tsv", folder / "baseline.test.props", score)
    assert f"{scores['f1']:.2f}" == "71.68"


@pytest.mark.parametrize(
    ("system", "figure"), [("uh_ritual", ["57.54", "32.90", "41.86"]), ("flytxt", ["47.92", "31.97", "38.35"])]
)
def test_systems_on_wnut17_as_conlleval_counted_them(system, figure, registry, score, real_data):
    folder = real_data / "wnut17"
    references, predictions = folder / "emerging.test.annotated", folder / "submissions" / system
    scores = figures(registry.task("tagging/wnut17"), "conlleval", references, predictions, score)
    assert [f"{scores[m]:.2f}" for m in ("precision", "recall", "f1")] == figure


# ── against the libraries, and by hand ────────────────────────────────────────────────────────────────────────────

LABELS = ("V", "ARG0", "ARG1", "C-ARG1")
TAGS = st.sampled_from(["O", *(f"{p}-{label}" for label in LABELS for p in "BI")])
PAIRS = st.lists(
    st.integers(1, 9).flatmap(lambda n: st.tuples(*[st.lists(TAGS, min_size=n, max_size=n)] * 2)), min_size=1, max_size=8
)


def laid(pairs):
    """Predictions and examples of (predicted, reference) tags."""
    examples = [
        Example(id=str(i), inputs={"words": ["w"] * len(wanted)}, reference=plain(tags_to_spans(wanted)))
        for i, (_, wanted) in enumerate(pairs)
    ]
    return [Prediction(value=plain(tags_to_spans(found))) for found, _ in pairs], examples


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@given(PAIRS)
def test_the_mean_of_types_is_seqeval_s(pairs):
    from seqeval.metrics import f1_score

    metric = MacroF1(LABELS)
    predictions, examples = laid(pairs)
    score = metric.reduce(metric.statistics(predictions, examples).sum(0))["f1_macro"]
    found, wanted = ([spans_to_tags(tags_to_spans(pair[side]), len(pair[side])) for pair in pairs] for side in (0, 1))
    if any(p.value or e.reference for p, e in zip(predictions, examples, strict=True)):
        assert score == pytest.approx(100 * f1_score(wanted, found, average="macro", zero_division=0))
    else:
        assert np.isnan(score)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@given(PAIRS)
def test_sums_give_seqeval_s_own_scores(pairs):
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

    metric = ConllEval(LABELS)
    predictions, examples = laid(pairs)
    scores = metric.reduce(metric.statistics(predictions, examples).sum(0))
    lengths = [len(wanted) for _, wanted in pairs]
    # as the metric does, seqeval is given IOB2
    found, wanted = (
        [spans_to_tags(tags_to_spans(pair[side]), n) for pair, n in zip(pairs, lengths, strict=True)] for side in (0, 1)
    )  # fmt: skip
    expected = [f(wanted, found, zero_division=0) for f in (f1_score, precision_score, recall_score)]
    assert np.nan_to_num([scores["f1"], scores["precision"], scores["recall"]]) / 100 == pytest.approx(expected)
    assert scores["accuracy"] / 100 == pytest.approx(accuracy_score(wanted, found))
    without_v = [[[t if t[2:] != "V" else "O" for t in tags] for tags in side] for side in (wanted, found)]
    roles = SeqEval()
    value = roles.reduce(roles.statistics(predictions, examples).sum(0))["f1"]
    assert np.nan_to_num(value) / 100 == pytest.approx(f1_score(*without_v, zero_division=0))


def counts(found, wanted):
    metric = SrlEval(("V", "ARG0", "ARG1", "R-ARG1"))
    example = Example(id="1", inputs={"words": ["w"] * 20}, reference=[list(s) for s in wanted])
    row = metric.statistics([Prediction(value=[list(s) for s in found])], [example])[0]
    named = dict(zip(metric.columns(), row, strict=True))
    return {name: value for name, value in named.items() if value}


V = ("V", 9, 10)


@pytest.mark.parametrize(
    ("found", "wanted", "row"),
    [
        # all parts of an argument have to be right
        ([("ARG1", 0, 1), V, ("C-ARG1", 3, 4)], [("ARG1", 0, 1), V, ("C-ARG1", 3, 4)], {"correct[ARG1]": 1, "perfect": 1}),
        ([("ARG1", 0, 1), V], [("ARG1", 0, 1), V, ("C-ARG1", 11, 12)], {"excess[ARG1]": 1, "missed[ARG1]": 1}),
        ([("ARG1", 0, 1), V, ("ARG1", 3, 4)], [("ARG1", 0, 1), V, ("C-ARG1", 3, 4)], {"excess[ARG1]": 2, "missed[ARG1]": 1}),
        # a continuation belongs to the last before it
        (
            [("ARG1", 0, 1), ("ARG1", 2, 3), V, ("C-ARG1", 11, 12)],
            [("ARG1", 0, 1), ("ARG1", 2, 3), V],
            {"correct[ARG1]": 1, "excess[ARG1]": 1, "missed[ARG1]": 1},
        ),
        # one without an argument before it is an argument
        ([("C-ARG1", 0, 1), V], [("ARG1", 0, 1), V], {"correct[ARG1]": 1, "perfect": 1}),
        ([("C-ARG1", 0, 1), V, ("ARG1", 11, 12)], [("ARG1", 0, 1), V, ("ARG1", 11, 12)], {"correct[ARG1]": 2, "perfect": 1}),
        # a relative pronoun is no part of what it refers to
        ([("ARG1", 0, 1), ("R-ARG1", 1, 2), V], [("ARG1", 0, 1), V], {"correct[ARG1]": 1, "excess[R-ARG1]": 1}),
        # V and its parts do not count in the whole
        ([("V", 8, 9)], [("V", 8, 9), ("C-V", 11, 12)], {"excess[V]": 1, "missed[V]": 1, "perfect": 1}),
        ([V, ("ARGX", 1, 2)], [V], {"excess[unseen]": 1}),
    ],
)
def test_arguments_as_srl_eval_counts_them(found, wanted, row):
    expected = {"propositions": 1, **row} | ({} if "missed[V]" in row else {"correct[V]": 1})
    assert counts(found, wanted) == expected


def test_v_is_left_out_of_the_whole():
    metric = SrlEval(("V", "ARG0"))
    example = Example(id="1", inputs={"words": ["w"] * 3}, reference=[["V", 0, 1], ["ARG0", 1, 2]])
    scores = metric.reduce(metric.statistics([Prediction(value=[["V", 0, 1], ["ARG0", 1, 3]])], [example]).sum(0))
    assert (scores["f1"], scores["f1[V]"]) == (0, 100)
    assert np.isnan(scores["f1[unseen]"])


def test_predicates_with_and_without_senses():
    metric = PredicateScore()
    example = Example(id="1", inputs={"words": ["w"] * 9}, reference=[["01", 0, 1], ["02", 3, 4], ["LV", 5, 6]])
    predicted = Prediction(value=[["01", 0, 1], ["01", 3, 4], ["01", 7, 8], ["01", 8, 9]])
    scores = metric.reduce(metric.statistics([predicted], [example]).sum(0))
    names = ("precision", "recall", "sense_precision", "sense_recall", "sense_accuracy")
    assert [float(scores[name]) for name in names] == pytest.approx([50, 200 / 3, 25, 100 / 3, 50])


def test_a_metric_has_columns_for_the_task_s_labels(registry):
    task = registry.task("srl").labelled(["C-ARG1", "ARG0", "ARG1", "R-ARG1", "V"])
    bound = registry.metric("srl_eval").bind(task)
    assert bound.labels == ("ARG1", "ARG0", "R-ARG1", "V")
    assert list(bound.scores())[:4] == ["f1", "precision", "recall", "perfect_propositions"]


def test_a_span_that_goes_on_behind_the_sentence_is_excess():
    metric = ConllEval(("PER",))
    example = Example(id="1", inputs={"words": ["w"] * 3}, reference=[["PER", 0, 1]])
    row = metric.statistics([Prediction(value=[["PER", 0, 1], ["PER", 2, 9]])], [example])[0]
    found = {column: count for column, count in zip(metric.columns(), row, strict=True) if count}
    assert found == {"correct[PER]": 1, "excess[PER]": 1, "tags_right": 3, "words": 3}
