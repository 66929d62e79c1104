import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_qa.metrics import Conversation, MultiRC, Squad, cmrc
from plmtasks_qa.overlap import cmrc_units, longest_common_run, normalize
from plmtasks_qa.record import Record
from sklearn.metrics import f1_score

from plmtasks.config import Source
from plmtasks.errors import MetricError
from plmtasks.examples import Example, Prediction

WORDS = st.lists(st.sampled_from(["a", "the", "red", "kite", "Kite!", "boat", "."]), max_size=5).map(" ".join)
ANSWERS = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3), st.floats(0, 1)), min_size=1, max_size=8)


def answered(*references, id_="1"):
    return Example(id=id_, inputs={}, reference={"text": list(references)})


# ── SQuAD ─────────────────────────────────────────────────────────────────────────────────────────────────────────

OFFICIAL = {
    "1.1__BERT_ensemble_Google_AI_Language.json": ("74.874", "86.325"),
    "1.1__r-net_ensemble_Microsoft_Research_Asia.json": ("72.773", "83.408"),
}
"""a published system's predictions → exact match and F1 that the official script prints for them"""


@pytest.mark.slow
@pytest.mark.parametrize("system", OFFICIAL)
@pytest.mark.parametrize("name", ["qa/squad", "qa/xquad.en"])
def test_published_systems_get_their_official_figures(system, name, registry, score, real_data):
    task = registry.task(name)
    examples = task.load(Source(data=str(real_data / "xquad" / "xquad.en.json")))["test"]
    predictions = task.read_predictions(real_data / "squad_system_predictions" / system, examples)
    assert len(predictions) == 10570
    scores = score(task, "squad", [predictions[e.id] for e in examples], examples)
    assert (f"{scores['exact_match']:.3f}", f"{scores['f1']:.3f}") == OFFICIAL[system]


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("The red  Kite!", ["red kite"], 1, 1),
        ("red", ["red kite", "blue"], 0, 2 / 3),
        ("red red", ["red kite"], 0, 1 / 2),
        ("blue", ["red kite"], 0, 0),
        ("kite red", ["red kite", "red-kite"], 0, 1),
        ("theatre", ["the atre"], 0, 0),
        ("the", ["a"], 1, 0),  # nothing is left of either: the same, and no word in common
    ],
)
def test_squad_1_counts_as_its_script(answer, references, exact, f1):
    assert Squad().compare(answer, references) == pytest.approx((f1, exact))


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("", [], 1, 1),
        ("kite", [], 0, 0),
        ("", ["kite"], 0, 0),
        ("the", [], 1, 1),  # an article alone is no answer
        ("", ["a", "kite"], 0, 0),  # a reference of which nothing is left does not count beside others
        ("", ["a"], 1, 1),  # and alone it is no answer
        ("red kite", ["kite", "the"], 0, 2 / 3),
    ],
)
def test_squad_2_counts_as_its_script(answer, references, exact, f1):
    assert Squad(may_abstain=True).compare(answer, references) == pytest.approx((f1, exact))


def test_squad_2_has_scores_for_both_groups(registry, score):
    task = registry.task("qa/squad_v2")
    examples = [answered("kite"), answered("red kite"), answered(), answered()]
    assert score(task, "squad", ["kite", "kite", "", "boat"], examples) == pytest.approx(
        {
            "f1": 100 * (1 + 2 / 3 + 1) / 4, "exact_match": 50.0, "has_answer_f1": 100 * 5 / 6, "no_answer_f1": 50.0,
            "has_answer_exact_match": 50.0, "no_answer_exact_match": 50.0,
        }
    )  # fmt: skip


def test_a_group_that_is_empty_has_no_score(registry, score):
    scores = score(registry.task("qa/squad_v2"), "squad", ["kite"], [answered("kite")])
    assert np.isnan(scores["no_answer_f1"])
    assert scores["has_answer_f1"] == 100


@given(ANSWERS)
def test_the_best_threshold_is_the_best_of_all(rows):
    """Against every threshold tried in turn; where probabilities are equal, the script may cut between them."""
    examples = [answered(*references) for _, references, _ in rows]
    predictions = [Prediction(value=a, scores={"no_answer": i + p / 2}) for i, (a, _, p) in enumerate(rows)]
    metric = Squad(may_abstain=True)
    found = metric.compute(predictions, examples)
    for which, name in enumerate(("f1", "exact_match")):

        def mean(threshold, which=which):
            points = 0.0
            for p, e in zip(predictions, examples, strict=True):
                abstains = p.scores["no_answer"] > threshold
                if e.reference["text"]:
                    points += 0.0 if abstains else metric.compare(p.value, e.reference["text"])[which]
                else:
                    points += float(abstains or not p.value)
            return 100 * points / len(examples)

        best = max(mean(t) for t in [-1.0, *(p.scores["no_answer"] for p in predictions)])
        assert found[f"best_{name}"] == pytest.approx(best)
        if found[f"best_{name}_threshold"]:
            assert mean(found[f"best_{name}_threshold"]) == pytest.approx(best)


def test_no_best_threshold_without_every_probability():
    given_ = [Prediction(value="a", scores={"no_answer": 0.1}), Prediction(value="b")]
    assert Squad(may_abstain=True).compute(given_, [answered("a"), answered()]) == {}
    assert Squad().compute(given_[:1], [answered("a")]) == {}


@given(WORDS, st.lists(WORDS, min_size=1, max_size=3), st.booleans())
def test_squad_s_scores_are_proportions_and_a_reference_is_an_exact_match(answer, references, may_abstain):
    metric = Squad(may_abstain=may_abstain)
    f1, exact = metric.compare(answer, references)
    assert 0 <= f1 <= 1
    assert exact in (0, 1)
    assert not (exact and normalize(answer)) or f1 == 1
    if normalize(references[0]):
        assert metric.compare(references[0], references) == (1, 1)


@pytest.mark.parametrize(
    ("text", "language", "normal"),
    [
        ("The Man's  hat.", "en", "mans hat"),
        ("„Der Hut“ des Mannes", "de", "hut mannes"),
        ("Die Hütte", "en", "die hütte"),
        ("《红楼梦》 120回", "zh", "红 楼 梦 120 回"),
        ("iPhone 4S，好", "zh", "iphone 4s 好"),
    ],
)
def test_normalization(text, language, normal):
    assert normalize(text, language) == normal


def test_chinese_is_counted_by_characters(registry, score):
    scores = score(registry.task("qa/xquad.zh"), "squad", ["红楼"], [answered("红楼梦")])
    assert scores == pytest.approx({"f1": 80.0, "exact_match": 0.0})


@pytest.mark.parametrize(
    ("language", "answer", "reference", "mlqa", "xquad"),
    [
        ("en", "the “old” mill’s wheel", "old mill wheel", 200 / 3, 100 / 3), ("de", "Der alte Hafen", "dem Hafen", 200 / 3, 40),
        ("es", "los puentes del río", "unos puentes", 50, 100 / 3), ("es", "La Habana", "habana", 100, 200 / 3),
        ("vi", "những cây cầu của thành phố", "cây cầu thành phố", 100, 80), ("hi", "पुराना पुल।", "पुल", 200 / 3, 0),
        ("ar", "الجسر القديم", "جسر قديم", 100, 0), ("ar", "جسر الميناء", "الميناء", 200 / 3, 200 / 3),
        ("zh", "《旧港口》", "旧的港口", 600 / 7, 0), ("zh", "Lantern 会 1902年", "lantern会1902年", 100, 0),
    ],
)  # fmt: skip
def test_other_languages_are_counted_by_mlqa_s_rules_or_by_those_of_english(
    registry, score, language, answer, reference, mlqa, xquad
):
    """The figures are those that `mlqa_evaluation_v1.py` of MLQA and `evaluate_squad.py` of XTREME print."""
    for name, f1 in (("mlqa", mlqa), ("xquad", xquad)):
        whole = registry.task("qa/mlqa")
        alone = score(registry.task(f"qa/mlqa.{language}"), name, [answer], [answered(reference)])
        assert alone == pytest.approx({"f1": f1, "exact_match": 100.0 * (f1 == 100)})
        told = replace(answered(reference), slices=("words=0-10", f"language={language}"))
        assert score(whole, name, [answer], [told]) == pytest.approx(alone)


# ── CMRC 2018 ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("《战国无双3》", ["战", "国", "无", "双", "3"]),
        ("光荣和ω-force", ["光", "荣", "和", "ωforce"]),
        ("NBA 2K 11，IBM", ["nba", "2k", "11ibm"]),
        ("约3.5 km 长", ["约", "3.5", "km", "长"]),
        ("J.K. Rowling's", ["j.k.", "rowling", "'s"]),
        (" ", []),
    ],
)
def test_cmrc_units(text, parts):
    assert cmrc_units(text) == parts


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("1963年。", ["1963年"], 1, 1),
        ("红楼梦", ["《红楼梦》", "石头记"], 1, 1),
        ("大观园", ["观园大"], 0, 2 / 3),  # the longest run counts, not the bag
        ("贾宝玉和林黛玉", ["林黛玉"], 0, 0.6),
        ("甲", ["乙"], 0, 0),
        ("，。", ["甲"], 0, 0),
    ],
)
def test_cmrc_counts_as_its_script(answer, references, exact, f1):
    row = cmrc.statistics([Prediction(value=answer)], [answered(*references)])
    assert row.tolist() == [pytest.approx([f1, exact, 1])]


@given(st.text("ab", max_size=8), st.text("ab", max_size=8))
def test_the_longest_common_run_is_the_longest(a, b):
    runs = [a[i:j] for i in range(len(a)) for j in range(i + 1, len(a) + 1)]
    assert longest_common_run(a, b) == max((len(r) for r in runs if r in b), default=0)


# ── conversations ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_reference_is_left_out_in_turn():
    metric = Conversation()
    rows = metric.statistics([Prediction(value="red kite")], [answered("red kite", "kite", "boat")])
    # without the first reference the best F1 is 2/3, without one of the others 1; exact match likewise
    people = (2 / 3 + 2 / 3 + 0) / 3
    f1 = (2 / 3 + 1 + 1) / 3
    assert rows.tolist() == [pytest.approx([f1, 2 / 3, float(f1 >= people), 1])]


def test_questions_on_which_people_disagree_do_not_count(registry, score):
    task = registry.task("qa/quac")
    examples = [answered("red kite", "boat"), answered("kite"), answered()]
    assert score(task, "conversation", ["boat", "kite", "kite"], examples) == pytest.approx(
        {"f1": 50.0, "exact_match": 50.0, "human_equivalence": 50.0}
    )
    everyone = score(registry.task("qa/coqa"), "conversation", ["boat", "kite", "kite"], examples)
    assert everyone["f1"] == pytest.approx(100 * (0.5 + 1 + 0) / 3)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_the_first_reference_is_as_good_as_people(references):
    rows = Conversation().statistics([Prediction(value=references[0])], [answered(*references)])
    assert rows[0, 2] == 1


# ── all ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_choices_without_likelihoods_have_plain_accuracy_alone(registry, score):
    examples = [Example(id="1", inputs={}, reference="A")]
    scores = score(registry.task("qa/race"), "choice_accuracy", ["A"], examples)
    assert scores["accuracy"] == 100
    assert np.isnan([scores["accuracy_bytes"], scores["accuracy_tokens"]]).all()


# ── MultiRC ───────────────────────────────────────────────────────────────────────────────────────────────────────────

JUDGED = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), min_size=1, max_size=24)


def multirc(rows):
    """(question, reference, prediction) of each answer → the scores"""
    metric = MultiRC(right="True")
    examples = [Example(id=str(i), inputs={}, reference=str(a), cluster=str(q)) for i, (q, a, _) in enumerate(rows)]
    predictions = [Prediction(value=str(b)) for *_, b in rows]
    reduced = metric.reduce(metric.statistics(predictions, examples).sum(0))
    return {name: float(value) for name, value in reduced.items()} | metric.compute(predictions, examples)


@given(JUDGED)
def test_multirc_is_f1_over_answers_and_exact_match_over_questions(rows):
    """As `super_glue` of evaluate counts: scikit-learn's F1 of all answers, and the share of questions without a wrong one."""
    found = multirc(rows)
    questions = {q: [a == b for question, a, b in rows if question == q] for q, _, _ in rows}
    assert found["exact_match"] == pytest.approx(100 * sum(map(all, questions.values())) / len(questions))
    if any(a or b for _, a, b in rows):
        assert found["f1_a"] == pytest.approx(100 * f1_score([a for _, a, _ in rows], [b for *_, b in rows]))
    else:
        assert math.isnan(found["f1_a"])


def test_multirc_by_hand():
    rows = [(0, True, True), (0, False, False), (1, True, True), (1, False, True), (1, True, False), (2, False, False)]
    assert multirc(rows) == {"f1_a": pytest.approx(100 * 4 / 6), "exact_match": pytest.approx(100 * 2 / 3)}


def test_a_question_that_is_drawn_twice_counts_twice():
    metric, rows = MultiRC(right="True"), [(0, "True"), (0, "False"), (1, "True")]
    examples = [Example(id=str(i), inputs={}, reference="True", cluster=str(q)) for i, (q, _) in enumerate(rows)]
    drawn = [0, 1, 2, 2]
    found = metric.compute([Prediction(value=rows[i][1]) for i in drawn], [examples[i] for i in drawn])
    assert found == {"exact_match": pytest.approx(100 * 2 / 3)}


def test_multirc_wants_labels():
    with pytest.raises(MetricError, match="metric 'multirc' needs a task with labels"):
        MultiRC().bind(SimpleNamespace(labels=()))


# ── ReCoRD ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_record_takes_the_best_of_several_names():
    """By hand, by the rules of ReCoRD's own scorer: lower case, no articles or punctuation, F1 of words, the best answer."""
    task, metric = Record(), Squad()
    assert task.metrics == ("squad",)
    rows = [("the Holm", ["Anna Holm", "Holm"]), ("Anna Berg", ["Anna Holm", "Norda"]), ("Oster", ["Bergby"])]
    values = metric.values([Prediction(value=said) for said, _ in rows], [answered(*right) for _, right in rows])
    assert values[0]["f1"] == values[0]["exact_match"] == 1.0
    assert (values[1]["f1"], values[1]["exact_match"]) == (pytest.approx(0.5), 0.0)
    assert (values[2]["f1"], values[2]["exact_match"]) == (0.0, 0.0)
