"""Metrics of the evaluate library in plmtasks: what they are given, and what they say."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import plmtasks
from plmtasks.errors import InputError, MetricError
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import load_registry
from plmtasks.results import read_results

Script = Callable[[str], str]


def computed(metric: str, pairs: Sequence[tuple[Any, Any]], task: str | None = None, **inputs: Any) -> dict[str, float]:
    found = load_registry().metric(metric)
    bound = found.bind(load_registry().task(task)) if task else found
    predictions = [p if isinstance(p, Prediction) else Prediction(value=p) for p, _ in pairs]
    examples = [Example(id=str(i), inputs=inputs, reference=r) for i, (_, r) in enumerate(pairs)]
    return dict(bound.compute(predictions, examples))


@pytest.mark.slow
def test_a_run_is_scored_by_it_as_by_our_own(script: Script, moods: Path, tmp_path: Path) -> None:
    options = {"max_train_samples": 6, "limit": 40, "quiet": True, "checkpoints": str(moods.parents[4] / "checkpoints")}
    names = (script("hits"), f"{script('hits')}?per_example=true", f"{script('macro')}?average=macro&beta=2", script("auc"))
    result = plmtasks.run("classification/sample", "tfidf-linear", metrics=names, output=str(tmp_path), **options)
    scores = result.record["scores"]
    right = scores["accuracy"]["accuracy"]
    assert 20 < right["value"] < 100
    for name in names[:2]:
        hits = scores[name]["hits"]
        assert hits["value"] == pytest.approx(right["value"] / 100)
        assert right["low"] / 100 - 0.05 < hits["low"] < hits["value"] < hits["high"] < right["high"] / 100 + 0.05
    rows = list(result.predictions())
    chances = [row["scores"]["probability[positive]"] for row in rows]
    assert scores[names[3]]["roc_auc"]["value"] == pytest.approx(auc([r["reference"] for r in rows], chances))
    assert json.dumps(result.record["signatures"]).count("|script ") == 4
    again = plmtasks.run("classification/sample", "tfidf-linear", metrics=names, output=str(tmp_path), **options)
    assert again.folder == result.folder
    assert read_results(tmp_path)[0].record == result.record


def auc(references: Sequence[str], chances: Sequence[float]) -> float:
    pairs = [(p, n) for p, r in zip(chances, references, strict=True) if r == "positive"
             for n, q in zip(chances, references, strict=True) if q == "negative"]  # fmt: skip
    return sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)


def test_labels_are_their_places_and_what_is_none_is_outside(script: Script) -> None:
    pairs = [("negative", "negative"), ("positive", "negative"), (None, "positive"), ("rubbish", "positive")]
    assert computed(script("hits"), pairs, "classification/sst2") == {"hits": 0.25}
    assert computed(script("hits"), [(3, 3), (True, 0)]) == {"hits": 0.5}
    labels = load_registry().task("classification/goemotions").labels
    several = [([labels[0], labels[5]], [labels[5], labels[0]]), ([], [labels[1]])]
    assert computed(script("subset"), several, "classification/goemotions") == {"hits": 0.5}


def test_texts_with_several_references_with_one_and_with_lists_of_one(script: Script) -> None:
    import sacrebleu

    pairs = [("a small cat", ["a little cat", "the small cat"]), ("dogs ran", ["dogs run", "the dogs ran"])]
    references = [list(r) for r in zip(*(r for _, r in pairs), strict=True)]
    expected = sacrebleu.corpus_chrf([p for p, _ in pairs], references).score
    assert computed(script("chrf_script"), pairs, "translation/sample") == {"score": pytest.approx(expected)}
    assert computed(script("wer"), [("a", ["a"]), ("b", "c")]) == {"wer": 0.5}


def test_spans_are_tags_and_answers_are_squads_objects(script: Script) -> None:
    words = ["ann", "saw", "the", "cat"]
    spans = [["ARG0", 0, 1], ["V", 1, 2], ["ARG1", 2, 4]]
    pairs = [(spans[:2], spans), ([], [])]
    assert computed(script("tags"), pairs, words=words) == {"f1": pytest.approx(0.8), "precision": 1.0}
    tags = [(["B-A", "I-A", "O"], ["B-A", "I-A", "I-A"])]
    assert computed(script("tags"), tags) == {"f1": 0.0, "precision": 0.0}
    answer = {"text": ["ann", "an ann"], "answer_start": [0, 0], "more": 1}
    assert computed(script("answers"), [("ann", answer), ("bob", answer)]) == {"exact": 50.0}


def test_the_direction_of_a_score(script: Script) -> None:
    named = [script("hits"), script("wer"), f"{script('hits')}?lower=true", f"{script('wer')}?lower=false"]
    metrics = [load_registry().metric(name) for name in named]
    assert [next(iter(m.scores().values())).higher_is_better for m in metrics] == [True, False, False, True]
    assert list(load_registry().metric(script("chrf_script")).scores()) == ["score"]


@pytest.mark.parametrize(
    ("name", "pairs", "said"),
    [
        ("hits", [("a", "b")], "it takes whole numbers, or labels of a task"),
        ("tags", [("a", "b")], "it takes lists of texts, or tags of words"),
        ("answers", [("a", "b")], "it takes answers to questions"),
        ("wer", [("a", ["b", "c"])], "it takes one reference a prediction, and there are 2\n  a prediction: 'a'"),
        ("wer", [(3, "b")], "it takes texts"),
        ("auc", [("a", 1)], "it wants the probabilities of labels"),
        ("subset", [("a", "b")], "it takes several labels each"),
        ("failing", [(1, 1)] * 3, "cannot score these: ZeroDivisionError: division by zero"),
        ("partial", [(1, 1)] * 3, "gave no 'two' for these 3 predictions\n  the first of its predictions: 1"),
        ("wordless", [(1, 1)], "gives no single number"),
    ],
)
def test_what_it_cannot_take_is_told_with_a_pair(name: str, pairs: Any, said: str, script: Script) -> None:
    with pytest.raises(MetricError) as e:
        computed(script(name), pairs)
    assert said in str(e.value)


@pytest.mark.slow
def test_a_metric_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    script("hits")  # of the library, only what the test writes is in the cache
    for name in ("evaluate:no_such_metric_anywhere", f"evaluate:{tmp_path}"):
        with pytest.raises(MetricError, match="neither a folder with a script of that name, nor in the library's cache"):
            load_registry().metric(name).scores()
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "odd.py").write_text("import no_such_package_anywhere\n")
    with pytest.raises(MetricError, match=r"cannot be loaded: ImportError: .*no_such_package_anywhere"):
        load_registry().metric(f"evaluate:{tmp_path}/odd").scores()
    with pytest.raises(InputError, match=r"code that somebody put on the hub\n  if you trust it: .*\?trust_remote_code=true"):
        load_registry().metric("evaluate:owner/name")
    assert load_registry().metric("evaluate:owner/name?trust_remote_code=true").path == "owner/name"
    for wrong in ("evaluate:", "evaluate:?a=b", "evaluate:f1?average"):
        with pytest.raises(InputError, match="names no metric"):
            load_registry().metric(wrong)
