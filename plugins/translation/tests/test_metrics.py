import csv
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest

import pytest
import sacrebleu.metrics
import sacrebleu.utils
from hypothesis import example as case
from hypothesis import given
from hypothesis import strategies as st
from plmtasks_translation.metrics import TOKENIZERS, Bleu, Chrf, Ter

from plmtasks.config import Source
from plmtasks.errors import DataWarning, InputError, MetricError, UnknownNameError
from plmtasks.examples import Example, Prediction

METRICS = {
    "bleu": (Bleu(), sacrebleu.metrics.BLEU()),
    "chrf": (Chrf(name="chrf", description=""), sacrebleu.metrics.CHRF()),
    "chrf++": (Chrf(name="chrf++", description="", words=2), sacrebleu.metrics.CHRF(word_order=2)),
    "ter": (Ter(), sacrebleu.metrics.TER()),
}
"""ours, sacrebleu's"""

WORDS = st.lists(st.sampled_from(["the", "The", "red", "kite", "kites,", "flew", "in", "5.5", "wind", ".", "!"]), max_size=9)
TEXTS = WORDS.map(" ".join)
REFERENCES = st.lists(TEXTS.filter(bool), min_size=1, max_size=3)
CORPORA = st.lists(st.tuples(TEXTS, REFERENCES), min_size=1, max_size=6)


def rows(metric, corpus):
    examples = [Example(id=str(i), inputs={}, reference=references) for i, (_, references) in enumerate(corpus)]
    return metric.statistics([Prediction(value=text) for text, _ in corpus], examples)


def theirs(scorer, corpus):
    streams = list(zip_longest(*(references for _, references in corpus)))
    return scorer.corpus_score([text for text, _ in corpus], streams).score


# ── other people's figures ────────────────────────────────────────────────────────────────────────────────────────

SYSTEMS = ("AISP-SJTU", "DLUT", "HuaweiTSC", "JDExploreAcademy", "Lan-Bridge")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["A", "B", "all"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_published_systems_get_their_published_figures(system, chosen, registry, score, real_data):
    folder = real_data / "wmt22_zh_en"
    task = registry.task("translation/wmt22-zh-en")
    data = task.load(Source(data=str(folder), columns={} if chosen == "all" else {"reference": chosen}))
    task = task.bind(data)
    predictions = task.read_predictions(folder / f"generaltest2022.zh-en.hyp.{system}.en", data["test"])
    with (folder / "automatic-scores.zh-en.tsv").open(encoding="utf-8") as file:
        table = {(r["system"], r["metric"]): float(r["score"]) for r in csv.DictReader(file, delimiter="\t")}
    for metric in ("bleu", "chrf"):
        found = score(task, metric, [predictions[e.id] for e in data["test"]], data["test"])
        # of references that are as good as each other, another version of sacrebleu took another
        tolerance = 0.01 if (metric, chosen) == ("chrf", "all") else 1e-9
        assert found == pytest.approx(table[system, f"{metric}-{chosen}"], abs=tolerance)
    assert registry.metric("bleu").bind(task).signature() == (
        f"nrefs:{2 if chosen == 'all' else 1}|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    )


@pytest.mark.slow
def test_real_multi30k_sentences_score_as_with_sacrebleu(registry, score, real_data):
    """Two test sets are each other's wrong translations."""
    task = registry.task("translation/multi30k")
    data = task.load(Source(data=str(real_data / "multi30k_en_de")))
    examples = data["test_2017_mscoco"]
    given = [e.reference[0] for e in data["test"][: len(examples)]]
    for name, (_, scorer) in METRICS.items():
        expected = theirs(scorer, [(text, e.reference) for text, e in zip(given, examples, strict=True)])
        assert score(task, name, given, examples) == pytest.approx(expected, abs=1e-9)


# ── sums ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
@given(corpus=CORPORA)
@case(corpus=[("", ["kite"])])
@case(corpus=[("red", ["kite"])])
@case(corpus=[("red kite", ["kite red", "red"]), ("", ["!"])])
def test_a_reduced_sum_is_sacrebleu_s_corpus_score(name, corpus):
    metric, scorer = METRICS[name]
    [value] = metric.reduce(rows(metric, corpus).sum(0)).values()
    assert float(value) == pytest.approx(theirs(scorer, corpus), abs=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_the_signature_is_sacrebleu_s(name):
    metric, scorer = METRICS[name]
    scorer.corpus_score(["a"], [["b"]])
    assert metric.signature() == str(scorer.get_signature())


def test_markup_counts_as_sacrebleu_counts_it_and_is_said():
    corpus = [("<s> the red kite </s>", ["the red kite"]), ("a [UNK] flew", ["a kite flew"]), ("x < y > z <br>", ["x <br>"])]
    said = r"the texts: 2 translations have markup that their references have not \(</s>, <s>, \[UNK\]\), which counts as words"
    with pytest.warns(DataWarning, match=said):
        found = Bleu().reduce(rows(Bleu(), corpus).sum(axis=0))["bleu"]
    assert float(found) == pytest.approx(theirs(sacrebleu.metrics.BLEU(), corpus), abs=1e-9)


# ── languages ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Into:
    language: str
    references: int = 0


@pytest.mark.parametrize(
    ("language", "tokenizer", "text", "words"),
    [
        ("zh", "zh", "红色的风筝。", 6),
        ("zho_Hant", "zh", "紅色的風箏。", 6),
        ("ja", "ja-mecab", "赤い凧が飛ぶ。", 5),
        ("ko", "ko-mecab", "연이 날아간다.", 4),
        ("de", "13a", "Der Drachen, rot.", 5),
        ("ru", "13a", "Красный змей.", 3),
    ],
)
def test_the_target_language_picks_what_cuts_it_into_words(language, tokenizer, text, words):
    metric = Bleu().bind(Into(language))
    assert metric.signature().startswith(f"nrefs:var|case:mixed|eff:no|tok:{tokenizer}")
    assert rows(metric, [(text, [text])])[0, 0] == words


def test_ter_counts_characters_in_chinese():
    metric = Ter().bind(Into("zh"))
    assert metric.reduce(rows(metric, [("红的风筝", ["红色的风筝"])])[0])["ter"] == pytest.approx(20)
    assert "norm:yes" in metric.signature()


def test_a_language_without_a_tokenizer_is_told_before_anything_is_computed(monkeypatch, tmp_path):
    from sacrebleu.tokenizers import tokenizer_spm

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", refuse)
    with pytest.raises(InputError, match=r"BLEU in Thai: the tokenizer flores200 is not to be had here\n.*no network"):
        Bleu().bind(Into("th"))


def test_a_language_without_a_tokenizer_is_scored_by_chrf(registry):
    for name in ("text-en-th", "wmt20-en-km"):
        assert registry.task(f"translation/{name}").metrics == ("chrf", "chrf++")
    assert registry.task("translation/text-th-en").metrics == ("bleu", "chrf", "chrf++")
    metric = registry.metric("chrf").bind(registry.task("translation/text-en-th"))
    assert metric.reduce(rows(metric, [("ว่าวสีแดง", ["ว่าวสีแดง"])])[0]) == {"chrf": 100}


def test_a_tokenizer_that_is_not_installed_is_named(monkeypatch):
    from sacrebleu.tokenizers import tokenizer_ja_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(InputError, match=r"BLEU in Japanese(.|\n)*pip install 'sacrebleu\[ja\]'"):
        Bleu().bind(Into("ja"))


def test_any_tokenizer_of_sacrebleu_s_by_name(registry):
    assert set(TOKENIZERS) == set(sacrebleu.metrics.BLEU.TOKENIZERS) - {"spm"}  # which is flores101
    metric = registry.metric("bleu:char").bind(Into("th", 1))
    assert "nrefs:1|" in metric.signature()
    assert "tok:char" in metric.signature()
    assert list(metric.scores()) == ["bleu"]
    with pytest.raises(UnknownNameError, match="did you mean 'bleu:flores200'"):
        registry.metric("bleu:flores20")


def test_metrics_are_described_without_sacrebleu():
    code = (
        "import sys; from plmtasks_translation.metrics import METRICS\n"
        "[(m.scores(), m.columns()) for m in METRICS if hasattr(m, 'scores')]; print('sacrebleu' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_texts_alone_are_compared():
    """A reference that is one text is one reference, and no list of characters."""
    label = Example(id="1", inputs={}, reference="a good film")
    right = Bleu().statistics([Prediction(value="a good film")], [label])
    assert right.tolist() == rows(Bleu(), [("a good film", ["a good film"])]).tolist()
    for metric, _ in METRICS.values():
        for prediction, reference in (("a", ["b", 3]), ("a", [{"text": "a"}]), (["B-V"], ["B-V"]), ("a", {"a": "b"})):
            with pytest.raises(MetricError, match="cannot be compared as a text"):
                metric.statistics([Prediction(value=prediction)], [Example(id="1", inputs={}, reference=reference)])
