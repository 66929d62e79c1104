"""Several texts for each question, their scores, and thinking that does not end; several requests about one example."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
import toy_several
import warm
from hypothesis import given
from hypothesis import strategies as st

from plmtasks.config import RunConfig, run_config
from plmtasks.errors import DataError, DataWarning, InputError, MetricError
from plmtasks.evaluation import run
from plmtasks.examples import Example, Prediction
from plmtasks.hooks import Registry, load_registry
from plmtasks.metric import Means, ScoreInfo, Value, metric
from plmtasks.requests import Answer, Choose, Generate, GenerateAnswer, Request, Several
from plmtasks.results import Result, read_result
from plmtasks.scoring import Asked, over_repeats, score
from plmtasks.scoring.repeats import Repeated, majority, pass_at, repeated
from plmtasks.statistics import compare as compare_rows
from plmtasks.statistics import compare_computed
from plmtasks.store import compare, find, mistakes, verify
from plmtasks.tables import render
from plmtasks.testing import METRIC_CHECKS, MetricSubject

HERE = Path(__file__).parent
DRAWN = {"repeats": 4, "generation": {"temperature": 0.7}}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, toy_several], installed=False)


def config(task: str, output: Path, **settings: Any) -> RunConfig:
    return run_config(task, "toy-thinker", output=str(output), quiet=True, batch_tokens=12, threads=1, **settings)


def lines(result: Result) -> list[dict[str, Any]]:
    return list(result.predictions())


def assert_as_written(result: Result, registry: Registry) -> None:
    [run_] = find(result.folder)
    assert [f for f in verify(run_, registry, deep=True) if f.state != "as written"] == []


# ── what is computed ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n), st.integers(0, n))))
def test_pass_at_k_is_the_share_of_all_choices_of_k_texts_in_which_one_is_right(case: tuple[int, int, int]) -> None:
    n, k, right = case
    texts = [True] * right + [False] * (n - right)
    chosen = list(itertools.combinations(texts, k))
    assert pass_at(k, n, right) == pytest.approx(sum(map(any, chosen)) / len(chosen), abs=1e-12)


def test_pass_at_k_of_many_texts_is_a_probability() -> None:
    found = [pass_at(k, 10_000, 3) for k in (1, 100, 9_997, 10_000)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(3e-4)
    assert found[-1] == 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=9))
def test_the_majority_is_what_most_finished_texts_say_the_first_of_equals(said: list[tuple[str, bool]]) -> None:
    texts = [Prediction(value=value, unfinished=unfinished) for value, unfinished in said]
    counts = Counter(value for value, unfinished in said if not unfinished)
    if not counts:  # nothing at all was said
        counts = Counter(value for value, _ in said)
    most = max(counts.values())
    found = majority(texts)
    assert counts[found.value] == most
    order = [value for value, unfinished in said if not unfinished] or [value for value, _ in said]
    assert found.value == next(value for value in order if counts[value] == most)
    assert found.unfinished == all(unfinished for _, unfinished in said)
    assert found.repeats == tuple(texts)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_scores_over_repeats_are_those_computed_by_hand(rights: list[list[bool]]) -> None:
    [made] = over_repeats([toy.ToyAccuracy()], 3)
    examples = [Example(id=str(i), inputs={}, reference="yes") for i in range(len(rights))]
    predictions = {
        str(i): majority([Prediction(value="yes" if right else f"no {place}") for place, right in enumerate(texts)])
        for i, texts in enumerate(rights)
    }
    found = {n: s["value"] for n, s in score([made], examples, predictions, resamples=0).scores["toy_accuracy"].items()}
    pairs = [[any(pair) for pair in itertools.combinations(texts, 2)] for texts in rights]
    assert found == pytest.approx({
        "accuracy_avg@3": 100 * np.mean(rights), "accuracy_pass@1": 100 * np.mean(rights),
        "accuracy_pass@2": 100 * np.mean(pairs), "accuracy_pass@3": 100 * np.mean([any(texts) for texts in rights]),
        # each wrong answer is another one: two that are right are most, one is where it came first
        "accuracy_maj@3": 100 * np.mean([sum(texts) > 1 or texts[0] for texts in rights]),
    })  # fmt: skip


class Shares(Means):
    """A mean, one of some examples alone, and what is no sum."""

    name = "shares"

    def means(self) -> dict[str, ScoreInfo]:
        return {"right": ScoreInfo(mean_of="right"), "of_long": ScoreInfo()}

    def scores(self) -> dict[str, ScoreInfo]:
        return {**self.means(), "distinct": ScoreInfo(best=None, resampled=False)}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> list[dict[str, Value]]:
        rights = [float(p.value == e.reference) for p, e in zip(predictions, examples, strict=True)]
        return [{"right": r, **({"of_long": r} if len(e.reference) > 2 else {})} for r, e in zip(rights, examples, strict=True)]

    def compute(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> dict[str, float]:
        return {"distinct": 100 * len({p.value for p in predictions}) / len(predictions)} if predictions else {}


def subject() -> MetricSubject:
    examples = [Example(id=str(i), inputs={}, reference="yes" if i % 2 else "no") for i in range(10)]
    texts = [[e.reference, "no", "yes" if i % 3 else "perhaps"] for i, e in enumerate(examples)]
    predictions = [majority([Prediction(value=text) for text in of]) for of in texts]
    perfect = [majority([Prediction(value=e.reference)] * 3) for e in examples]
    return MetricSubject(metric=Repeated(Shares(), 3), examples=examples, predictions=predictions, perfect=perfect)


@pytest.mark.parametrize("check", [name for name in METRIC_CHECKS if name not in ("agrees_with_others", "importing_is_light")])
def test_a_metric_over_repeats_is_one(check: str) -> None:
    METRIC_CHECKS[check](subject())


def test_the_mean_over_repeats_is_that_of_each_scored_alone() -> None:
    made = subject()
    found = made.scores()
    each = [[p.repeats[i] for p in made.predictions] for i in range(3)]
    alone = [MetricSubject(metric=Shares(), examples=made.examples, predictions=one).scores() for one in each]
    for name in ("right", "of_long", "distinct"):
        assert found[f"{name}_avg@3"] == pytest.approx(np.mean([one[name] for one in alone]))
    most = MetricSubject(metric=Shares(), examples=made.examples, predictions=made.predictions).scores()
    assert [found[f"{name}_maj@3"] for name in most] == pytest.approx(list(most.values()))
    assert not [name for name in found if name.startswith(("of_long_pass", "distinct_pass"))]


def test_predictions_of_another_number_of_texts_are_not_scored() -> None:
    one = Prediction(value="yes")
    with pytest.raises(MetricError, match="was made of 0 texts, not of 3: 'yes'"):
        Repeated(toy.ToyAccuracy(), 3).statistics([one], [Example(id="a", inputs={}, reference="yes")])


@metric("kind_words")
def kind_words(prediction: str, reference: str) -> float:
    return prediction == reference


def test_what_is_unfinished_is_never_right() -> None:
    examples = [Example(id=str(i), inputs={}, reference="") for i in range(4)]
    empty = [Prediction(value="", unfinished=i < 3) for i in range(4)]
    for made, name in ((toy.ToyAccuracy(), "accuracy"), (kind_words, "kind_words"), (Shares(), "right")):
        found = score([made], examples, dict(zip("0123", empty, strict=True)), resamples=0)
        assert found.scores[made.name][name]["value"] == 25, made


def test_predictions_come_back_from_their_lines() -> None:
    made = majority([
        Prediction(value=["a", 1], scores={"x": 0.5}), Prediction(value="", reasoning="why", unfinished=True)
    ])  # fmt: skip
    assert Prediction.from_line(json.loads(json.dumps(made.to_line()))) == made
    assert Prediction(value=1).to_line() == {"prediction": 1, "scores": {}}


def test_only_texts_are_repeated() -> None:
    asked = repeated(Generate(text="a"), 3)
    assert [one.repeat for one in asked.requests if isinstance(one, Generate)] == [0, 1, 2]
    assert asked.requests[0].key() == Generate(text="a").key()
    choose, write = Choose(text="a", choices=("b", "c")), Generate(text="a")
    both = repeated(Several(requests=(choose, write)), 2)
    assert both.requests == (choose, write, choose, replace(write, repeat=1))
    with pytest.raises(InputError, match="a Choose request cannot be repeated"):
        repeated(Choose(text="a", choices=("b", "c")), 2)


# ── what is run ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_of_repeats(registry: Registry, tmp_path: Path) -> None:
    [result] = run([config("several/sums", tmp_path, **DRAWN)], registry)
    scores = result.record["scores"]["toy_accuracy"]
    assert result.record["primary_metric"] == ["toy_accuracy", "accuracy_avg@4"]
    assert set(scores) == {f"accuracy_{name}" for name in ("avg@4", "pass@1", "pass@2", "pass@4", "maj@4")}
    assert all(s["low"] <= s["value"] <= s["high"] for s in scores.values())
    assert result.record["protocol"]["repeats"] == 4
    rows = lines(result)
    rights = [[not t.get("unfinished") and t["prediction"] == r["reference"] for t in r["repeats"]] for r in rows]
    assert scores["accuracy_avg@4"]["value"] == pytest.approx(100 * np.mean(rights))
    assert scores["accuracy_pass@4"]["value"] == pytest.approx(100 * np.mean([any(texts) for texts in rights]))
    unfinished = [sum(t.get("unfinished", False) for t in r["repeats"]) for r in rows]
    assert result.record["data"]["unfinished"] == sum(map(bool, unfinished)) > 2
    assert {t["reasoning"] for r in rows for t in r["repeats"] if t.get("unfinished")} == {"so many numbers"}
    tokens = result.environment()["reasoning_tokens"]
    assert tokens == 3 * sum(unfinished) + 2 * (80 - sum(unfinished))
    assert_as_written(result, registry)
    judged = mistakes(result, registry)
    assert judged.by == ("toy_accuracy", "accuracy_avg@4")
    assert len(judged.wrong) < len(rows)


def test_another_seed_draws_other_texts_and_more_repeats_the_same_first(registry: Registry, tmp_path: Path) -> None:
    first, more, other = run(
        [
            config("several/sums", tmp_path, **DRAWN), config("several/sums", tmp_path, **{**DRAWN, "repeats": 6}),
            config("several/sums", tmp_path, seed=1, **DRAWN),
        ],
        registry,
    )  # fmt: skip
    assert [r["repeats"] for r in lines(first)] == [r["repeats"][:4] for r in lines(more)]
    assert [r["repeats"] for r in lines(first)] != [r["repeats"] for r in lines(other)]
    made = compare(first, other, registry)
    assert set(made.differences["toy_accuracy"]) == set(first.record["scores"]["toy_accuracy"])


def test_one_text_is_as_ever(registry: Registry, tmp_path: Path) -> None:
    [result] = run([config("several/sums", tmp_path)], registry)
    assert list(result.record["scores"]["toy_accuracy"]) == ["accuracy"]
    assert "repeats" not in result.record["protocol"]
    rows = lines(result)
    assert not any("repeats" in row for row in rows)
    wrong = [row for row in rows if row.get("unfinished")]
    assert result.record["data"]["unfinished"] == len(wrong) > 0
    right = [row["prediction"] == row["reference"] and not row.get("unfinished") for row in rows]
    assert result.score == pytest.approx(100 * np.mean(right))
    silent = [row for row in wrong if row["reference"] == ""]
    assert silent, "no question to which nothing is the right answer was left unfinished"
    judged = {one.id: one for one in mistakes(result, registry).judged}
    assert all(judged[row["id"]].right is False and judged[row["id"]].unfinished for row in silent)


def test_thinking_that_does_not_end_is_told(tmp_path: Path) -> None:
    environment = {**os.environ, "PLMTASKS_PLUGINS": "toy,toy_several", "PYTHONPATH": str(HERE)}
    command = ["run", "--task", "several/sums", "--model", "toy-thinker", "--output", "r"]
    done = warm.plmtasks([*command, "--repeats", "2", "--generation", "temperature=1"], tmp_path, environment)
    assert done.returncode == 0, done.stderr
    said = "of 20 examples had thinking that did not end in one text at least, which is no answer and counts as wrong"
    assert said in done.stderr
    assert "thinking did not end in" in done.stdout
    assert "2 repeats" in done.stdout


def test_repeats_that_draw_nothing_are_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without a temperature all 2 texts of a question are the same") as caught:
        run([config("several/sums", tmp_path, repeats=2)], registry)
    assert caught.value.hints[0].startswith("--generation temperature=0.7")
    with pytest.raises(InputError, match="--repeats draws texts, and several/orders is asked by Choose here"):
        run([config("several/orders", tmp_path, **DRAWN)], registry)


def test_a_file_of_repeats_is_scored_as_its_run(registry: Registry, tmp_path: Path) -> None:
    from plmtasks.config import Source
    from plmtasks.scoring import Submission, judge, write_run

    [result] = run([config("several/sums", tmp_path, **DRAWN)], registry)
    path = result.folder / "predictions.jsonl"
    judged = judge(registry, "several/sums", Source(), Submission(path=path))
    assert judged.scored.scores == result.record["scores"]
    submitted = write_run(judged, "somebody", tmp_path / "submitted").result
    assert submitted.record["protocol"]["repeats"] == 4
    assert_as_written(submitted, registry)
    broken = tmp_path / "broken.jsonl"
    broken.write_text(path.read_text().replace('"repeats": [{', '"repeats": [3, {'))
    with pytest.raises(DataError, match="repeats as a list of objects"):
        judge(registry, "several/sums", Source(), Submission(path=broken))


# ── a main score that is aggregated ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_main_score_that_is_no_sum(repeats: int, registry: Registry, tmp_path: Path) -> None:
    settings = {"repeats": repeats, "generation": {"temperature": 1.0}}
    one, two = run([config("several/slowest", tmp_path, seed=seed, **settings) for seed in (0, 1)], registry)
    metric_, name = one.record["primary_metric"]
    found = one.record["scores"][metric_][name]
    assert name == ("harmonic" if repeats == 1 else "harmonic_avg@3")
    assert found["low"] < found["value"] < found["high"]
    part = one.record["slices"]["half=0"]["scores"][metric_][name]
    assert part["low"] < part["value"] < part["high"]
    assert {one.record["groups"]["half"][end] for end in ("worst", "best")} == {"half=0", "half=1"}
    assert_as_written(one, registry)
    made = compare(one, two, registry)
    difference = made.differences[metric_][name]
    assert difference.value == pytest.approx(two.score - one.score)
    assert difference.low < difference.value < difference.high
    assert 0 < difference.p_randomization <= 1
    _, part_difference = made.slices["half=0"]
    assert part_difference is not None
    assert part_difference.low is not None
    board = render([one, two], "table", registry)
    assert "harmonic" in board
    assert mistakes(one, registry).by == ("several_middle", "right" if repeats == 1 else "right_avg@3")


def test_a_difference_that_is_computed_is_that_of_sums() -> None:
    """A mean through the slow way is as through the fast one."""
    random = np.random.default_rng(0)
    first, second = random.integers(0, 2, (2, 60)).astype(float)
    both = np.concatenate([first, second])
    clusters = [i // 2 for i in range(60)]
    found = compare_computed(lambda chosen: {"mean": float(both[chosen].mean())}, 60, clusters, resamples=2000)["mean"]
    rows = [np.stack([one, np.ones(60)], axis=1) for one in (first, second)]
    same = compare_rows(*rows, lambda totals: {"mean": totals[..., 0] / totals[..., 1]}, clusters=clusters)["mean"]
    for name in ("value", "low", "high", "p", "p_bootstrap", "p_randomization"):
        assert getattr(found, name) == pytest.approx(getattr(same, name), abs=0.05), name
    constant = compare_computed(lambda chosen: {"one": 1.0}, 5)["one"]
    assert (constant.value, constant.p) == (0, 1)


# ── several requests about one example ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", ["several/orders", "several/kinds"])
def test_several_requests_are_read_together_and_verified(task: str, registry: Registry, tmp_path: Path) -> None:
    [result] = run([config(task, tmp_path)], registry)
    assert result.record["model"]["ask"] == registry.task(task).asks[0]
    assert_as_written(result, registry)
    assert len({row["prediction"] for row in lines(result)}) > 1


def test_several_requests_are_repeated_together(registry: Registry, tmp_path: Path) -> None:
    [result] = run([config("several/kinds", tmp_path, **DRAWN)], registry)
    assert_as_written(result, registry)
    rows = lines(result)
    assert {len(row["repeats"]) for row in rows} == {4}
    assert all(len({t["prediction"] for t in row["repeats"]}) == 1 for row in rows)  # a choice is the same each time
    assert any(len({t["scores"]["length"] for t in row["repeats"]}) > 1 for row in rows)  # a text is not


@pytest.mark.slow
def test_any_number_of_processes_and_a_kill(tmp_path: Path) -> None:
    environment = {**os.environ, "PLMTASKS_PLUGINS": "toy,toy_several", "PYTHONPATH": str(HERE)}
    command = ["run", "--model", "toy-thinker", "--batch-tokens", "12", "--threads", "1"]
    command += ["--repeats", "3", "--generation", "temperature=1"]

    def made(tasks: str, count: int, folder: str, **more: str) -> dict[str, bytes]:
        whole = [*command, "--task", tasks, "--output", folder]
        done = warm.plmtasks(whole, tmp_path, {**environment, **more}, processes=count)
        found = {path.parent.name: path.read_bytes() for path in sorted((tmp_path / folder).rglob("result.json"))}
        assert (done.returncode == 0) == bool(found), done.stderr
        return found

    alone = made("several/kinds,several/sums", 1, "one")
    assert len(alone) == 2
    assert made("several/kinds,several/sums", 2, "two") == alone
    assert made("several/sums", 2, "killed", TOY_FAULT="kill:1:2") == {}
    assert made("several/sums", 1, "killed").items() < alone.items()


@pytest.mark.slow
def test_a_model_learns_what_is_asked_in_several_requests(tmp_path: Path) -> None:
    registry = load_registry(["toy", "toy_several"])
    made = run_config(
        "several/orders", "tiny-gpt", output=str(tmp_path / "r"), checkpoints=str(tmp_path / "c"), quiet=True, threads=1,
        training={"num_train_epochs": 1}, limit=4,
    )  # fmt: skip
    [result] = run([made], registry)
    assert result.record["protocol"]["how"] == "fine-tuned"
    assert read_result(result.folder).record["data"]["examples"] == 4


def test_of_several_texts_that_are_read_together_one_that_is_finished_can_be_right() -> None:
    class Both(toy_several.Sums):
        def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
            return Prediction(value=" ".join(answer.texts()).strip())

    one = Generate(text="a")
    several = Several(requests=(one, replace(one, repeat=1)))
    asked = Asked(examples=[Example(id="a", inputs={})], requests=[several])
    unfinished = GenerateAnswer(text="", reasoning="why", unfinished=True)
    for second, wrong in ((GenerateAnswer(text="b", reasoning="so"), False), (unfinished, True)):
        answers = dict(zip((r.key() for r in several.requests), (unfinished, second), strict=True))
        [found] = asked.read_each(Both(), answers)
        assert found is not None
        assert (found.unfinished, found.reasoning) == (wrong, f"why\n\n{second.reasoning}")
        assert asked.unfinished(answers) == 1


def test_another_scorer_is_said_to_see_empty_texts(registry: Registry, tmp_path: Path) -> None:
    from plmtasks_interchange import to_predictions

    [result] = run([config("several/sums", tmp_path)], registry)
    number = result.record["data"]["unfinished"]
    with pytest.warns(DataWarning, match=f"{number} predictions of 20: the thinking did not end"):
        [path] = to_predictions.write([result], tmp_path / "out.jsonl", registry)
    assert path.read_text().count('"unfinished": true') == number


def test_a_site_of_drawn_seeds_tells_of_repeats_and_thinking(registry: Registry, tmp_path: Path) -> None:
    from plmtasks_site import Site

    results = run([config("several/sums", tmp_path / "r", seed=seed, **DRAWN) for seed in (0, 1)], registry)
    Site().write(results, tmp_path / "site", registry)
    pages = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert any('<th scope="row">thinking did not end</th>' in page for page in pages)
    assert any("Seed 1 of the same run" in page for page in pages)
    assert any("4 repeats" in page for page in pages)
