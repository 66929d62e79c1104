import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_summarization.metrics import ROUGES, Rouge, SummaryStyle
from plmtasks_summarization.sentences import sentences
from plmtasks_summarization.words import RougeWords, words
from rouge_score.rouge_scorer import RougeScorer

from plmtasks.config import Source
from plmtasks.errors import DataWarning, MetricError
from plmtasks.examples import Example, Prediction

WORDS = st.lists(st.sampled_from(["the", "cats", "cat", "running", "Runs", "über", "mat's", "3", "dog", "."]), max_size=9).map(
    " ".join
)
LINES = st.lists(WORDS, min_size=2, max_size=3).map(lambda lines: "\n".join(["a", *lines]))
"""Texts of several lines: rouge-score knows no other sentences."""


def ask(references):
    return Example(id="1", inputs={"text": "the cat sat"}, reference=references)


@pytest.mark.slow
def test_the_published_figure(registry, score, real_data):
    folder = real_data / "dialogsum"
    task = registry.task("summarization/dialogsum")
    figures = {}
    for columns in ({"summary": "summary1"}, {}):
        examples = task.load(Source(data=str(folder / "dialogsum.test.jsonl"), columns=columns))["test"]
        predictions = task.read_predictions(folder / "baseline_test_output.txt", examples)
        assert predictions["test_1"].value.startswith("##Person2#")
        figures[len(columns)] = score(Rouge().bind(task), [predictions[e.id].value for e in examples], examples)
    assert {k: round(v, 4) for k, v in figures[1].items() if k != "rougeLsum"} == {
        "rouge1": 45.9089, "rouge2": 21.3200, "rougeL": 38.7098,
    }  # fmt: skip
    rows = [json.loads(line) for line in (folder / "dialogsum.test.jsonl").read_text().splitlines()]
    summaries = (folder / "baseline_test_output.txt").read_text().split("\n")
    scorer = RougeScorer(ROUGES, use_stemmer=True)
    best = [scorer.score_multi([r[f"summary{i}"] for i in (1, 2, 3)], s) for r, s in zip(rows, summaries, strict=True)]
    for name in ROUGES[:3]:
        assert figures[0][name] == pytest.approx(100 * np.mean([b[name].fmeasure for b in best]), abs=1e-9)


@given(st.lists(st.tuples(LINES, st.lists(LINES, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_the_sum_of_rows_gives_rouge_score_s_own_mean(pairs):
    metric, scorer = Rouge(), RougeScorer(ROUGES, use_stemmer=True)
    rows = metric.statistics([Prediction(value=s) for s, _ in pairs], [ask(r) for _, r in pairs])
    best = [scorer.score_multi(references, summary) for summary, references in pairs]
    for name, value in metric.reduce(rows.sum(0)).items():
        assert value == pytest.approx(100 * np.mean([b[name].fmeasure for b in best]))


@pytest.mark.parametrize("language", ["zh", "de", "ru", "ar", "ja", "th", "hi", "und"])
def test_every_language_has_words(language, score, example):
    text = {
        "zh": "护士找到了信。", "de": "Öl über Öl", "ru": "Кошка сидит", "ar": "القطة جالسة", "ja": "猫がソファに座る。",
        "th": "แมวนั่ง", "hi": "बिल्ली बैठी है", "und": "Ça va — 好",
    }[language]  # fmt: skip
    assert RougeWords(language).any_in(text)
    full = score(Rouge(language), [text], [example(text)])
    assert full == pytest.approx(dict.fromkeys(ROUGES, 100.0))
    part = score(Rouge(language), [text[: len(text) // 2]], [example(text)])
    assert 0 < part["rouge1"] < 100


def test_chinese_is_counted_by_characters(score, example):
    scores = score(Rouge("zh"), ["护士卖信"], [example("护士找到了信")])
    assert scores["rouge1"] == pytest.approx(100 * 2 * 3 / (4 + 6))
    assert scores["rouge2"] == pytest.approx(100 * 2 * 1 / (3 + 5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iPhone手机，３G", ["iphone", "手", "机", "3g"]),
        ("Don't über-cool", ["don", "t", "über", "cool"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("caf\u0065\u0301", ["caf\u00e9"]),
        ("กินข้าว", ["กิ", "น", "ข้", "า", "ว"]),
        ("—…!", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat sat. It slept! Why?", ["A cat sat.", "It slept!", "Why?"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("It cost 3.5 euros, e.g. in Rome.", ["It cost 3.5 euros, e.g. in Rome."]),
        ("One. Two.\nThree.", ["One. Two.", "Three."]),
        ("猫坐下。它睡了！“好。”完", ["猫坐下。", "它睡了！", "“好。”", "完"]),
        (" \n ", []),
        ("the cat sat on the mat . a dog ran . it was late .", ["the cat sat on the mat .", "a dog ran .", "it was late ."]),
        ("The cat sat . a dog ran ! Why ? because .", ["The cat sat .", "a dog ran !", "Why ?", "because ."]),
        ("the cat sat. a dog ran! why? it was late.", ["the cat sat.", "a dog ran!", "why?", "it was late."]),
        ("mr. smith met u.s. troops, e.g. no. 5.", ["mr. smith met u.s. troops, e.g. no. 5."]),
        ("Mr. Smith saw J. K. Rowling. He paid $3.5.", ["Mr. Smith saw J. K. Rowling.", "He paid $3.5."]),
        ("mr. smith of the u.s. army left at 5 p.m. he ran .", ["mr. smith of the u.s. army left at 5 p.m. he ran ."]),
        ("he left at 5 p.m. the bus came.", ["he left at 5 p.m.", "the bus came."]),
        ("the u . s . army came . it paid $ 5 . 48 .", ["the u . s . army came .", "it paid $ 5 . 48 ."]),
        ("He died in 2010. 5 came in Jan. 11.", ["He died in 2010.", "5 came in Jan. 11."]),
        ("1. sit. 2. run.", ["1. sit.", "2. run."]),
        ("he said `` no . '' then he ( or she ) left .", ["he said `` no . ''", "then he ( or she ) left ."]),
        ('he said "no." then he left. (it was late.) ok', ['he said "no."', "then he left.", "(it was late.)", "ok"]),
        ("“What?” he asked. She left.", ["“What?” he asked.", "She left."]),
        ("well ... he said no ... and left . . . late . ok", ["well ... he said no ... and left . . . late .", "ok"]),
        ("猫 坐下 。 它 睡 了 ！ 好 ？", ["猫 坐下 。", "它 睡 了 ！", "好 ？"]),
        ("他笑了……走了。她哭了!真的?", ["他笑了……走了。", "她哭了!", "真的?"]),
        ("他说：“我走了。”然后离开。", ["他说：“我走了。”", "然后离开。"]),
        ("“好。”“不好。”他说。", ["“好。”", "“不好。”他说。"]),
        ("他喊“停！”就跑。她问：“谁？”没人答。", ["他喊“停！”就跑。", "她问：“谁？”", "没人答。"]),
        ("（他走了。）《谁？》是首歌。", ["（他走了。）", "《谁？》是首歌。"]),
        ("「行く。」と言った。彼は去った。", ["「行く。」と言った。", "彼は去った。"]),
        ("बिल्ली बैठी। कुत्ता भागा।", ["बिल्ली बैठी।", "कुत्ता भागा।"]),
        ("кошка спит. собака бежит.", ["кошка спит.", "собака бежит."]),
        ("<t> a cat sat . </t> <t> it slept . </t>", ["a cat sat .", "it slept ."]),
        ("a cat sat<q>it slept<n>ok", ["a cat sat", "it slept", "ok"]),
        ("<s> a cat sat . it slept . </s>", ["a cat sat .", "it slept ."]),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


BY_HAND = ["the cat sat on the mat", "a dog ran away", "it was late", "she never came back to the mat"]
JOINS = {
    "tokenized": lambda lines: " ".join(f"{line} ." for line in lines),
    "lower-case": lambda lines: " ".join(f"{line}." for line in lines),
    "capitalized": lambda lines: " ".join(f"{line.capitalize()}." for line in lines),
    "<t>": lambda lines: " ".join(f"<t> {line} . </t>" for line in lines),
    "<s>": lambda lines: " ".join(f"<s> {line} . </s>" for line in lines),
    "<q>": lambda lines: "<q>".join(lines),
    "<n>": lambda lines: "<n>".join(lines),
}
"""How data sets and systems put sentences in one line."""


@pytest.mark.filterwarnings("ignore::plmtasks.errors.DataWarning")
@pytest.mark.parametrize("join", JOINS.values(), ids=JOINS)
@pytest.mark.parametrize("count", [3, 4])
def test_sentences_in_one_line_score_as_lines_cut_by_hand(join, count, score, example):
    summary = [BY_HAND[i] for i in (3, 0, 2)]
    scorer = RougeScorer(ROUGES, use_stemmer=True)
    wanted = {k: 100 * v.fmeasure for k, v in scorer.score("\n".join(BY_HAND[:count]), "\n".join(summary)).items()}
    assert score(Rouge(), [join(summary)], [example(join(BY_HAND[:count]))]) == pytest.approx(wanted)
    turned = score(Rouge(), [join(BY_HAND[::-1])], [example(join(BY_HAND))])
    assert turned["rougeLsum"] == pytest.approx(100)
    assert turned["rougeL"] < 50


def test_markup_is_no_word_and_is_said(score, example):
    raw, plain = "<s> a cat sat . </s> <s> it slept . </s>", "a cat sat .\nit slept ."
    for metric in (Rouge(), SummaryStyle()):
        with pytest.warns(
            DataWarning, match=r"the texts: 1 examples have markup \(</s>, <s>\), which is taken for the end of a li"
        ):
            found = score(metric, [raw, plain], [example(plain), example(plain)])
        assert found == pytest.approx(score(metric, [plain, plain], [example(plain), example(plain)]), nan_ok=True)
    with pytest.warns(DataWarning, match=r"1 examples have markup \(<unk>\), which may count as words"):
        score(Rouge(), ["a <unk> sat ."], [example(plain)])


@given(st.text(st.sampled_from('ab A.!?。！”" \n'), max_size=30))
def test_cutting_into_sentences_loses_no_word(text):
    assert words(" ".join(sentences(text))) == words(text)


def test_one_reference_may_be_a_bare_text(score):
    example = Example(id="1", inputs={"text": "a"}, reference="the cat")
    assert score(Rouge(), ["the cat"], [example])["rouge2"] == pytest.approx(100)
    assert score(SummaryStyle(), ["the cat"], [example])["length_ratio"] == 1


@pytest.mark.parametrize(("value", "reference"), [(["a"], ["a"]), ("a", {"text": ["a"]}), ("a", []), ("a", [["a"]])])
@pytest.mark.parametrize("metric", [Rouge(), SummaryStyle()])
def test_other_tasks_answers_are_no_texts(metric, value, reference):
    with pytest.raises(MetricError, match="example '1' cannot be compared as a text"):
        metric.statistics([Prediction(value=value)], [Example(id="1", inputs={"text": "a"}, reference=reference)])


def test_style_needs_the_text():
    with pytest.raises(MetricError, match="needs the text; example '1' has question"):
        SummaryStyle().statistics([Prediction(value="a")], [Example(id="1", inputs={"question": "?"}, reference=["a"])])


def test_the_tokenizer_is_in_the_signature(registry):
    en, zh = (Rouge().bind(registry.task(f"summarization/{t}")).signature() for t in ("sample", "sample-zh"))
    assert "stemmer:porter" in en
    assert "unicode words,language:zh" in zh
    assert en.startswith("rouge-score 0.")


def test_style(score, example):
    examples = [example("a b", "a b c d", text="one two three four two three"), example("x", text="one two three")]
    scores = score(SummaryStyle(), ["two three five", "six six six six"], examples)
    assert scores == pytest.approx(
        {
            "length_ratio": 7 / 4, "words": 3.5, "compression": 9 / 7,
            "novel_1": 100 * 2 / 4, "novel_2": 100 * 2 / 3, "novel_3": 100.0, "repetition": 100 / 3,
        }
    )  # fmt: skip


def test_a_copy_has_nothing_novel_and_an_empty_summary_no_figures(score, example):
    copied = score(SummaryStyle(), ["The cat sat"], [example("a cat")])
    assert [copied[f"novel_{n}"] for n in (1, 2, 3)] == [0, 0, 0]
    empty = score(SummaryStyle(), [""], [example("a cat")])
    assert (empty["length_ratio"], empty["words"]) == (0, 0)
    assert all(math.isnan(empty[name]) for name in ("compression", "novel_1", "novel_2", "novel_3", "repetition"))
