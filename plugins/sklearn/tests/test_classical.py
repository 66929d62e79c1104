"""Models that learn from all examples at once: what scikit-learn gives, the same bytes everywhere, and no settings of updates."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from plmtasks_sklearn.choosing import ITERATIONS, LOOKS, STRENGTHS, STRENGTHS_OF_NUMBERS
from plmtasks_sklearn.features import VIEWS

import plmtasks
from plmtasks.config import ModelSettings, TrainSettings, run_config
from plmtasks.data import events
from plmtasks.errors import InputError, ModelError
from plmtasks.evaluation import estimate
from plmtasks.hooks import load_registry
from plmtasks.requests import Classify, ClassifyAnswer, Regress, RegressAnswer
from plmtasks.testing import solved as solved_requests

SETTINGS = ModelSettings(threads=1)
TASK = "classification/sample"


def solved(count: int = 60) -> tuple[list[Classify], list[ClassifyAnswer]]:
    pairs = solved_requests("Classify", count)
    return [r for r, _ in pairs], [a for _, a in pairs]  # type: ignore[misc]


def taught(folder: Path, requests: Sequence[Any], answers: Sequence[Any], name: str = "tfidf-linear") -> Any:
    model = load_registry().model(name)
    model.learn(requests, answers, TrainSettings(), folder)
    return model.saved(folder)


def scores(model: Any, requests: Sequence[Classify]) -> Any:
    answers = model.load(requests[0], SETTINGS, "cpu").answer(requests)
    return np.array([a.scores for a in answers])


def asked(texts: Sequence[str], labels: Sequence[str], **more: Any) -> list[Classify]:
    return [Classify(text=text, labels=tuple(labels), **more) for text in texts]


def right(*held: Sequence[float]) -> list[ClassifyAnswer]:
    return [ClassifyAnswer(scores=tuple(map(float, row))) for row in held]


def test_the_probabilities_are_those_of_scikit_learns_own_pipeline(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    requests, answers = solved()
    model = taught(tmp_path / "m", requests, answers)
    views = make_union(*(TfidfVectorizer(**VIEWS[view]) for view in model.config["views"]))
    truth = [r.labels[int(np.argmax(a.scores))] for r, a in zip(requests, answers, strict=True)]
    pipeline = make_pipeline(views, LogisticRegression(C=model.config["C"], max_iter=ITERATIONS)).fit(
        [r.text for r in requests], truth
    )
    texts = [event.english() for event in events("test", 20)] + ["nobody ever saw such words", ""]
    found = scores(model, asked(texts, pipeline.classes_))
    assert found == pytest.approx(pipeline.predict_proba(texts), abs=1e-5)


def error(share: float, count: int) -> float:
    """Two standard errors of a share of so many texts."""
    return float(2 * (share * (1 - share) / count) ** 0.5)


CHARACTERS = {
    "zh": "足球比赛进球冠军股市上涨银行利率电影明星导演票房手机芯片屏幕软件",
    "ja": "サッカー試合優勝株価銀行金利映画監督俳優電話画面半導体速報結果",
    "th": "กขคงจฉชซญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลว",
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةىءأإ",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", CHARACTERS)
def test_where_characters_tell_it_is_as_good_as_plain_characters(script: str, tmp_path: Path) -> None:
    """Three topics of which each has characters of its own, without blanks; scikit-learn's own n-grams are the floor."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    random, letters = np.random.default_rng(0), list(CHARACTERS[script])
    topics = [letters[i * 8 : i * 8 + 8] for i in range(3)]
    kinds = [int(k) for k in random.integers(0, 3, 560)]
    texts = ["".join(random.choice(topics[k], 3)) + "".join(random.choice(letters, 9)) for k in kinds]
    texts = ["".join(random.permutation(list(text))) for text in texts]
    plain = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 2)), LogisticRegression(max_iter=1000))
    floor = plain.fit(texts[:160], kinds[:160]).score(texts[160:], kinds[160:])
    model = taught(tmp_path / "m", asked(texts[:160], "abc"), right(*np.eye(3)[kinds[:160]]))
    found = (scores(model, asked(texts[160:], "abc")).argmax(axis=1) == kinds[160:]).mean()
    assert found >= floor - error(floor, 400)
    assert floor > 0.5


@pytest.mark.slow
def test_english_words_are_taken_where_they_tell(tmp_path: Path, real_data: Path) -> None:
    lines = (real_data / "sst2" / "train.tsv").read_text().splitlines()[:2000]
    rows = [line.rpartition("\t") for line in lines]
    model = taught(tmp_path / "m", asked([text for text, _, _ in rows], "01"), right(*np.eye(2)[[int(y) for _, _, y in rows]]))
    assert model.config["views"] == ["words 1-2", "characters 1-5 in words"]
    assert model.config["C"] in STRENGTHS
    assert model.config["examples"] == 2000
    assert "by words 1-2 and characters 1-5 in words" in model.heads()[0]


@pytest.mark.slow
def test_headlines_in_chinese_reach_plain_characters(tmp_path: Path, real_data: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    read = {
        split: [json.loads(line) for line in (real_data / "fewclue_tnews" / f"{split}.json").read_text().splitlines()]
        for split in ("train_few_all", "test_public")
    }
    (train, truth), (test, wanted) = (([r["sentence"] for r in rows], [str(r["label"]) for r in rows]) for rows in read.values())
    plain = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 2)), LogisticRegression(max_iter=1000)).fit(
        train, truth
    )
    labels = list(plain.classes_)
    model = taught(tmp_path / "m", asked(train, labels), right(*np.eye(len(labels))[[labels.index(y) for y in truth]]))
    found = np.mean([labels[i] == y for i, y in zip(scores(model, asked(test, labels)).argmax(axis=1), wanted, strict=True)])
    floor = plain.score(test, wanted)
    assert found >= floor - error(floor, len(test))
    assert floor > 0.4


def test_too_few_examples_choose_nothing(tmp_path: Path) -> None:
    """Labels that come less than once a part of the data are learned, but choose nothing."""
    few = taught(tmp_path / "few", asked(["red rose", "blue sky", "red wine"], "ab"), right([1, 0], [0, 1], [1, 0]))
    assert (few.config["views"], few.config["examples"]) == (list(LOOKS[0]), 0)
    texts = ["red rose", "blue sky"] * 6 + ["odd one"]
    rare = taught(tmp_path / "rare", asked(texts, "abc"), right(*[[1, 0, 0], [0, 1, 0]] * 6, [0, 0, 1]))
    assert rare.config["examples"] == 12
    assert scores(rare, asked(["odd one"], "abc"))[0].argmax() in (0, 1, 2)


def test_columns_of_one_row_alone_are_one(tmp_path: Path) -> None:
    from plmtasks_sklearn.choosing import _condensed
    from scipy.sparse import random as sparse

    matrix = sparse(20, 300, density=0.02, format="csr", random_state=0)
    small = _condensed(matrix)
    assert small.shape[1] < matrix.shape[1]
    assert (small @ small.T).toarray() == pytest.approx((matrix @ matrix.T).toarray())


def test_three_labels_in_another_order_than_they_were_learned_in(tmp_path: Path) -> None:
    texts = ["red rose", "red wine", "blue sky", "blue sea", "green leaf", "green grass"]
    model = taught(tmp_path / "m", asked(texts, "abc"), right(*np.repeat(np.eye(3), 2, axis=0)))
    found = scores(model, asked(["red", "blue", "green"], "cab"))
    assert found.argmax(axis=1).tolist() == [1, 2, 0]
    assert found[:, [1, 2, 0]] == pytest.approx(scores(model, asked(["red", "blue", "green"], "abc")))


def test_several_labels_may_hold(tmp_path: Path) -> None:
    texts = ["red rose", "blue sky", "red and blue flag", "plain"] * 3
    requests = asked(texts, ["red", "blue", "always", "never"], multi_label=True)
    held = right(*[[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]] * 3)
    found = scores(taught(tmp_path / "m", requests, held), requests[:4])
    assert (found > 0.5).tolist() == [[bool(s) for s in a.scores] for a in held[:4]]
    assert found[:, 2:].tolist() == [[1.0, 0.0]] * 4
    shares = scores(taught(tmp_path / "shares", requests, held, "majority"), requests[:2])
    assert shares == pytest.approx(np.array([[0.5, 0.5, 1, 0]] * 2), abs=1e-6)


def test_of_pairs_it_sees_what_both_share(tmp_path: Path) -> None:
    words = ["lamp", "key", "book", "door", "cup", "hat", "boat", "tree"]
    same = [Classify(text=a, text_pair=b, labels=("no", "yes")) for a in words for b in words]
    held = right(*[[r.text != r.text_pair, r.text == r.text_pair] for r in same])
    model = taught(tmp_path / "m", same, held)
    found = scores(model, same)[:, 1]
    own = np.array([r.text == r.text_pair for r in same])
    assert found[own].min() > found[~own].max()
    assert scores(model, asked(["lamp"], ["no", "yes"])).shape == (1, 2)
    single = taught(tmp_path / "single", asked(words, ["no", "yes"]), right(*[[1, 0], [0, 1]] * 4))
    with pytest.raises(InputError, match="learned from single texts"):
        scores(single, same[:1])


def test_a_label_that_never_came_is_never_given(tmp_path: Path) -> None:
    for name in ("tfidf-linear", "majority"):
        some = taught(tmp_path / f"{name}-some", asked("uvw", "abc"), right([0, 1, 0], [1, 0, 0], [1, 0, 0]), name)
        assert scores(some, asked("uvw", "abc"))[:, 2].tolist() == [0.0] * 3
        one = taught(tmp_path / f"{name}-one", asked("uv", "abc"), right([0, 1, 0], [0, 1, 0]), name)
        assert scores(one, asked(["u", "new"], "abc")).tolist() == [[0, 1, 0]] * 2


def test_texts_without_a_term_are_no_error(tmp_path: Path) -> None:
    found = scores(taught(tmp_path / "m", asked(["", " "], "ab"), right([1, 0], [0, 1])), asked(["", "word", "\udc80"], "ab"))
    assert found == pytest.approx(np.full((3, 2), 0.5), abs=1e-6)


def test_the_majority_gives_each_label_its_share_whatever_the_text(tmp_path: Path) -> None:
    requests, answers = solved(30)
    model = taught(tmp_path / "m", requests, answers, "majority")
    share = np.mean([a.scores for a in answers], axis=0)
    assert scores(model, requests[:3]) == pytest.approx(np.tile(share, (3, 1)), abs=1e-6)


def values(model: Any, requests: Sequence[Regress]) -> Any:
    return np.array([a.value for a in model.load(requests[0], SETTINGS, "cpu").answer(requests)])


def test_the_numbers_are_those_of_scikit_learns_own_ridge(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline, make_union

    pairs = solved_requests("Regress", 80)
    requests, numbers = [r for r, _ in pairs], [a.value for _, a in pairs]  # type: ignore[attr-defined]
    model = taught(tmp_path / "m", requests, [a for _, a in pairs])
    assert model.config["C"] in STRENGTHS_OF_NUMBERS
    assert (model.config["labels"], model.config["examples"]) == ([], 80)
    assert model.heads() == [f"Regress, by {' and '.join(model.config['views'])} (C {model.config['C']:g})"]
    views = make_union(*(TfidfVectorizer(**VIEWS[view]) for view in model.config["views"]))
    ridge = make_pipeline(views, Ridge(alpha=1 / (2 * model.config["C"]))).fit([r.text for r in requests], numbers)
    texts = [event.english() for event in events("test", 20)] + ["nobody ever saw such words", ""]
    assert values(model, [Regress(text=text) for text in texts]) == pytest.approx(ridge.predict(texts), abs=1e-3)


def test_a_penalty_is_chosen_that_leaves_least_error(tmp_path: Path) -> None:
    """Words that say nothing want much of it, words that say all want little."""
    draw = np.random.default_rng(0)
    words = [f"word{i}" for i in range(40)]
    worth = dict(zip(words, draw.normal(size=40), strict=True))
    drawn = [list(draw.choice(words, 6)) for _ in range(300)]
    asked = [Regress(text=" ".join(some)) for some in drawn]
    told = [RegressAnswer(value=float(sum(worth[w] for w in some))) for some in drawn]
    noise = [RegressAnswer(value=float(draw.normal())) for _ in drawn]
    assert taught(tmp_path / "told", asked, told).config["C"] >= 10
    assert taught(tmp_path / "noise", asked, noise).config["C"] == STRENGTHS_OF_NUMBERS[0]


def test_few_numbers_choose_nothing_and_the_majority_is_their_mean(tmp_path: Path) -> None:
    asked, told = [Regress(text="red"), Regress(text="blue")], [RegressAnswer(value=1.0), RegressAnswer(value=2.5)]
    assert taught(tmp_path / "few", asked, told).config["examples"] == 0
    mean = taught(tmp_path / "mean", asked, told, "majority")
    assert values(mean, [*asked, Regress(text="new", text_pair="words")]).tolist() == [1.75] * 3


def test_numbers_and_labels_are_heads_of_their_own(tmp_path: Path, folder: Path) -> None:
    asked = Regress(text="a")
    labels, one = load_registry().model(str(folder)), Classify(text="a", labels=("negative", "positive"))
    numbers = taught(tmp_path / "n", [asked, asked], [RegressAnswer(value=1.0), RegressAnswer(value=2.0)])
    assert [m.newly_initialized(r) for m in (labels, numbers) for r in (one, asked)] == [False, True, True, False]
    untrained = load_registry().model("tfidf-linear").load(asked, SETTINGS, "cpu")
    assert untrained.answer([asked])[0].value == 0  # type: ignore[attr-defined]
    assert untrained.newly_initialized == ("weights", "intercept")
    with pytest.raises(InputError, match="learned from single texts"):
        values(numbers, [Regress(text="a", text_pair="b")])


def files(folder: Path) -> dict[str, bytes]:
    there = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.startswith("."))  # claims are of one process each
    return {str(p.relative_to(folder)): p.read_bytes() for p in there}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("alone")
    run_here(place)
    return place


def run_here(place: Path, *options: str, training: tuple[str, ...] = (), processes: int = 0) -> str:
    command = ["run", "--task", TASK, "--model", "majority,tfidf-linear"]
    more = ["--limit", "40", "--threads", "1", "--training", ",".join(("max_train_samples=80", *training)), *options]
    done = warm.plmtasks([*command, *more], place, os.environ, processes=processes)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.slow
def test_processes_give_the_same_bytes(alone: Path, tmp_path: Path) -> None:
    run_here(tmp_path, processes=2)
    assert files(tmp_path / "checkpoints") == files(alone / "checkpoints")
    found, wanted = ({k: v for k, v in files(p / "results").items() if "result.json" in k} for p in (tmp_path, alone))
    assert len(found) == 2
    assert found == wanted


def test_threads_change_nothing_that_is_learned(tmp_path: Path, folder: Path) -> None:
    again = plmtasks.train(TASK, "tfidf-linear", str(tmp_path / "moods"), max_train_samples=100, threads=2, quiet=True)
    assert files(Path(again)) == files(folder)


@pytest.mark.slow
def test_settings_of_updates_are_told_and_change_nothing(alone: Path) -> None:
    before = files(alone)
    said = run_here(alone, "--seed", "7", training=("num_train_epochs=9", "learning_rate=0.1", "class_weights=balanced"))
    assert "tfidf-linear learns from all examples at once, and does not go by num_train_epochs, learning_rate, cl" in said
    assert "the same was run before" in said
    assert files(alone) == before


@pytest.mark.slow
def test_one_run_stands_for_all_seeds(alone: Path) -> None:
    assert run_here(alone, "--seed", "0,1,2").count("1 run stands for all 3") == 2


def test_what_was_interrupted_begins_anew(tmp_path: Path, folder: Path) -> None:
    half = tmp_path / "moods"
    (half / "training").mkdir(parents=True)
    (half / "terms.json").write_text("{")
    plmtasks.train(TASK, "tfidf-linear", str(half), max_train_samples=100, quiet=True)
    assert files(half) == files(folder)


def test_a_checkpoint_is_a_model_by_its_path_and_tells_what_it_learned(folder: Path, tmp_path: Path) -> None:
    result = plmtasks.run(TASK, str(folder), limit=20, output=str(tmp_path), quiet=True)
    assert result.record["model"] == {"name": "moods", "family": "classical", "ask": "Classify"}
    assert result.record["protocol"]["how"] == "trained"
    [learned] = result.record["protocol"]["trained_on"]
    assert (learned["task"], learned["examples"]) == (TASK, 100)
    assert load_registry().model(f"sklearn:{folder}") == load_registry().model(str(folder))
    [said] = plmtasks.predict(TASK, str(folder), ["ann happily sang ."], quiet=True)
    assert said["prediction"] == "positive"
    assert not [name for name in files(folder) if name.endswith((".pkl", ".pickle", ".joblib", ".bin", ".npz"))]


def test_learning_again_forgets_what_was_learned(folder: Path, tmp_path: Path) -> None:
    again = plmtasks.train(TASK, str(folder), str(tmp_path / "again"), max_train_samples=50, quiet=True)
    record = json.loads((Path(again) / "plmtasks.json").read_text())
    assert record["before"] == []
    new = plmtasks.train(TASK, "tfidf-linear", str(tmp_path / "new"), max_train_samples=50, quiet=True)
    assert (Path(new) / "weights.safetensors").read_bytes() == (Path(again) / "weights.safetensors").read_bytes()


def test_what_cannot_be_learned_or_asked(folder: Path, tmp_path: Path) -> None:
    registry = load_registry()
    with pytest.raises(InputError, match="learns one task at a time"):
        plmtasks.train({TASK: {}, "classification/custom": own(tmp_path)}, "majority", str(tmp_path / "two"), quiet=True)
    with pytest.raises(InputError, match="all have the same labels"):
        taught(tmp_path / "m", [*asked("a", "ab"), *asked("b", "bc")], right([1, 0], [1, 0]))
    with pytest.raises(InputError, match='train="never" forbids training'):
        plmtasks.run(TASK, "tfidf-linear", train="never", output=str(tmp_path), quiet=True)
    with pytest.raises(InputError, match="it has no updates whose cost could be told"):
        estimate(run_config(TASK, "tfidf-linear"))
    with pytest.raises(ModelError, match=r"it has no sklearn\.json"):
        registry.model(f"sklearn:{tmp_path}")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sklearn.json").write_text('{"kind": "forest", "labels": ["a"], "multi_label": false, "pairs": false}')
    with pytest.raises(ModelError, match="'forest'\n  there are: tfidf-linear, majority"):
        registry.model(str(broken))
    (broken / "sklearn.json").write_bytes((folder / "sklearn.json").read_bytes())
    (broken / "weights.safetensors").write_bytes(b"\x80\x04pickled")
    model = registry.model(str(broken))
    with pytest.raises(ModelError, match="cannot be read"):
        model.load(Classify(text="a", labels=("negative", "positive")), SETTINGS, "cpu")


def own(folder: Path) -> dict[str, str]:
    """Data of a second task."""
    (folder / "train.csv").write_text("text,label\na,x\nb,y\n")
    return {"data": str(folder / "train.csv"), "train_data": str(folder / "train.csv")}
