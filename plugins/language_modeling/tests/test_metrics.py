import math

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_language_modeling.metrics import LastWordAccuracy, OpenEnded, Perplexity, repetition
from rouge_score.rouge_scorer import RougeScorer

from plmtasks.data import words
from plmtasks.examples import Example, Prediction

WORDS = st.lists(st.sampled_from(["a", "red", "kite", "flew", "Kite", "boat", ".", "isn't", "x-y"]), min_size=1, max_size=12)
TEXT = WORDS.map(" ".join)
CORPUS = st.lists(st.tuples(TEXT, st.lists(TEXT, min_size=2, max_size=2)), min_size=1, max_size=6)


def written(pairs):
    predictions = [Prediction(value=text) for text, _ in pairs]
    return predictions, [Example(id=str(i), inputs={}, reference=r) for i, (_, r) in enumerate(pairs)]


def reduced(metric, predictions, examples):
    return {name: float(v) for name, v in metric.reduce(metric.statistics(predictions, examples).sum(0)).items()}


def counted(value, tokens, words, bytes_, likeliest=0.0, pseudo=0.0):
    scores = {"tokens": tokens, "words": words, "bytes": bytes_, "likeliest": likeliest, "pseudo": pseudo}
    return Prediction(value=value, scores=scores)


# ── perplexity ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_perplexities_are_of_all_texts_together():
    predictions = [counted(-10.0, 4, 3, 20, 1.0), counted(-6.0, 4, 5, 12, 3.0)]
    found = reduced(Perplexity(), predictions, [Example(id=i, inputs={}) for i in "ab"])
    assert found == pytest.approx({
        "bits_per_byte": 16 / math.log(2) / 32, "word_perplexity": math.exp(2), "token_perplexity": math.exp(2),
        "byte_perplexity": math.exp(0.5), "token_accuracy": 50.0, "pseudo": 0.0,
    })  # fmt: skip


def test_a_text_that_is_certain_has_perplexity_one():
    found = reduced(Perplexity(), [counted(0.0, 4, 3, 20, 4.0)], [Example(id="a", inputs={})])
    assert found == {name: info.best for name, info in Perplexity().scores().items()}


def test_somebody_elses_likelihoods_have_no_token_accuracy():
    bare = Prediction(value=-3.0, scores={"tokens": 2.0, "words": 2.0, "bytes": 9.0, "pseudo": 0.0})
    found = reduced(Perplexity(), [bare], [Example(id="a", inputs={})])
    assert math.isnan(found["token_accuracy"])
    assert found["token_perplexity"] == pytest.approx(math.exp(1.5))


def test_last_words_of_two_kinds_have_two_perplexities():
    metric = LastWordAccuracy()
    examples = [Example(id=i, inputs={}, reference="kite") for i in "abcd"]
    predictions = [
        Prediction(value="kite", scores={"log_likelihood": -1.0, "pseudo": 0.0}),
        Prediction(value="", scores={"log_likelihood": -3.0, "pseudo": 0.0}),
        Prediction(value="kite", scores={"log_likelihood": -0.5, "pseudo": 1.0}),
        Prediction(value="boat"),
    ]
    found = reduced(metric, predictions, examples)
    assert found == pytest.approx({"accuracy": 50.0, "perplexity": math.exp(2), "pseudo_perplexity": math.exp(0.5)})
    assert math.isnan(reduced(metric, predictions[3:], examples[3:])["perplexity"])


# ── open-ended texts ──────────────────────────────────────────────────────────────────────────────────────────────


@given(CORPUS)
def test_sums_give_the_packages_own_corpus_scores(pairs):
    predictions, examples = written(pairs)
    found = reduced(OpenEnded(), predictions, examples)
    streams = [[refs[i] for _, refs in pairs] for i in range(2)]
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu([t for t, _ in pairs], streams).score, abs=1e-9)
    scorer = RougeScorer(["rougeL"])
    own = [scorer.score_multi(refs, text)["rougeL"].fmeasure for text, refs in pairs]
    assert found["rouge_l"] == pytest.approx(100 * sum(own) / len(own))


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_words_of_ascii_are_rouge_scores_own(text):
    from rouge_score.tokenizers import DefaultTokenizer

    assert words(text.lower()) == DefaultTokenizer(use_stemmer=False).tokenize(text)


def test_chinese_texts_are_compared_by_character():
    predictions, examples = written([("护士找到了红色的灯。", ["护士在花园找到了红色的灯。"])])
    found = reduced(OpenEnded(), predictions, examples)
    assert found["rouge_l"] == pytest.approx(100 * 2 * 9 / (9 + 12))
    expected = sacrebleu.corpus_bleu([predictions[0].value], [examples[0].reference], tokenize="zh").score
    assert found["bleu"] == pytest.approx(expected)
    assert expected > 30


def test_repetition_is_of_runs_of_four_words():
    assert repetition(words("a b c d a b c d")) == pytest.approx(1 / 5)
    assert repetition(words("a b c d e")) == 0
    assert repetition(["a"] * 10) == pytest.approx(6 / 7)
    predictions, examples = written([("a a a a a", ["x y"]), ("short one", ["x y z"])])
    found = reduced(OpenEnded(), predictions, examples)
    assert found["repetition"] == pytest.approx(50)
    assert found["length_ratio"] == pytest.approx(7 / 5)


def test_different_words_are_counted_over_all_texts():
    predictions, examples = written([("a b", ["x"]), ("A b c", ["x"])])
    assert OpenEnded().compute(predictions, examples) == pytest.approx({"distinct_1": 60.0, "distinct_2": 100 * 2 / 3})
    nothing = OpenEnded().compute([Prediction(value="")], examples[:1])
    assert all(math.isnan(v) for v in nothing.values())


def test_the_length_is_compared_with_the_nearest_reference():
    predictions, examples = written([("a b c", ["a b c d e f", "a b"])])
    assert reduced(OpenEnded(), predictions, examples)["length_ratio"] == pytest.approx(3 / 2)


def test_an_empty_text_scores_nothing():
    predictions, examples = written([("", ["a red kite flew"])])
    found = reduced(OpenEnded(), predictions, examples)
    assert (found["rouge_l"], found["bleu"], found["length_ratio"]) == (0.0, 0.0, 0.0)


def test_signatures_name_the_libraries():
    assert "sacrebleu" in OpenEnded().signature()
    assert "rouge-score" in OpenEnded().signature()
