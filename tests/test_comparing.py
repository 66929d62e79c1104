"""Two runs on the same examples: their difference, what changed, and whether they may be compared at all."""

import json
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy
from click.testing import CliRunner

from plmtasks import hookimpl
from plmtasks.cli.compare import command
from plmtasks.config import RunConfig, Source, run_config
from plmtasks.data import Dataset
from plmtasks.errors import DataError, InputError
from plmtasks.evaluation import run
from plmtasks.examples import Example
from plmtasks.hooks import Registry, load_registry
from plmtasks.requests import ClassifyAnswer
from plmtasks.results import Result
from plmtasks.store import Comparison, compare, reasons, rows
from plmtasks.task import as_run

SIZE = 12


@dataclass(frozen=True)
class Grouped(toy.ToyTask):
    """Questions of which three in a row share a cluster; the even ones are a slice."""

    name: str = "toy/grouped"

    def load(self, source: Source) -> Dataset:
        def read() -> list[Example]:
            return [
                Example(
                    id=f"g{i}", inputs={"text": f"x {i}"}, reference="yes", cluster=f"c{i // 3}", slices=("even",) * (i % 2 == 0)
                )
                for i in range(SIZE)
            ]

        return Dataset(name="grouped", readers={"test": read, "validation": read}, published=True)


def plugin(*tasks: Any) -> types.ModuleType:
    module = types.ModuleType("more_toys")
    module.register_tasks = hookimpl(lambda: list(tasks), specname="register_tasks")  # type: ignore[attr-defined]
    return module


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("TOY_EXAMPLES", str(SIZE))
    return load_registry([toy, plugin(Grouped())], installed=False)


def config(folder: Path, task: str = "toy/even", **options: Any) -> RunConfig:
    common = {"dtype": "float32", "batch_tokens": 400, "threads": 1, "kernels": "plain", "quiet": True}
    return run_config(task, "toy-model", output=str(folder), **{**common, **options})


@pytest.fixture
def answering(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of the toy task in which the examples of these numbers are answered wrong."""

    def made(number: int, wrong: Sequence[int], task: str = "toy/even", **options: Any) -> Result:
        right = {e.inputs["text"]: e.reference for e in registry.task(task).load(Source())["test"]}
        numbers = {text: i for i, text in enumerate(right)}

        def answer(self: toy.LoadedToy, requests: Any) -> Any:
            said = [(right[r.text] == "yes") != (numbers[r.text] in wrong) for r in requests]
            return [ClassifyAnswer(scores=(1.0 - yes, float(yes))) for yes in said]

        with monkeypatch.context() as patched:
            patched.setattr(toy.LoadedToy, "answer", answer)
            return run([config(tmp_path / "runs", task, **{"batch_tokens": 400 + number, **options})], registry)[0]

    return made


def difference(made: Comparison) -> Any:
    return made.differences["toy_accuracy"]["accuracy"]


def test_a_case_that_can_be_counted_by_hand(answering: Any, registry: Registry) -> None:
    """Of 12 examples the first run alone is right on one, the second alone on five, both on four, none on two."""
    first, second = answering(1, [1, 2, 3, 4, 5, 10, 11]), answering(2, [0, 10, 11])
    made = compare(first, second, registry)
    found = difference(made)
    assert made.n == SIZE
    assert found.value == pytest.approx(100 * (9 - 5) / 12)
    # of the 64 ways in which six coins fall, 14 are as far from even as five to one
    assert found.p_mcnemar == pytest.approx(14 / 64)
    assert found.p_randomization == pytest.approx(14 / 64, abs=0.02)
    # twelve differences of points: five of 100, one of -100, six of 0
    points = np.array([100.0] * 5 + [-100.0] + [0.0] * 6)
    assert found.effect == pytest.approx(points.mean() / points.std(ddof=1))
    assert found.low < found.value < found.high
    assert found.low == pytest.approx(points.mean() - 1.96 * points.std() / 12**0.5, abs=9)
    assert {c.id for c in made.changed} == {"n0", "n1", "n2", "n3", "n4", "n5"}
    assert {c.id: c.scores for c in made.changed}["n0"] == (100.0, 0.0)
    assert {c.id: c.scores for c in made.changed}["n4"] == (0.0, 100.0)
    back = compare(second, first, registry)
    assert difference(back).value == pytest.approx(-found.value)
    assert difference(back).p_mcnemar == found.p_mcnemar


def test_a_run_against_itself_differs_in_nothing(answering: Any, registry: Registry) -> None:
    one = answering(1, [1, 5])
    made = compare(one, one, registry)
    found = difference(made)
    assert (found.value, found.low, found.high, found.p_mcnemar, found.effect) == (0.0, 0.0, 0.0, 1.0, None)
    assert found.p_bootstrap == found.p_randomization == 1.0
    assert list(made.changed) == []


def test_examples_of_one_cluster_are_one(answering: Any, registry: Registry) -> None:
    """Three answers in a row are right or wrong together: twelve examples say no more than four."""
    first, second = answering(1, range(3), "toy/grouped"), answering(2, range(3, 12), "toy/grouped")
    found = difference(compare(first, second, registry))
    assert found.value == pytest.approx(100 * (3 - 9) / 12)
    assert found.p_mcnemar is None
    # of the 16 ways in which four clusters are exchanged, 10 are as far from even as three to one
    assert found.p_randomization == pytest.approx(10 / 16, abs=0.02)
    points = np.array([100.0, -100.0, -100.0, -100.0])
    assert found.effect == pytest.approx(points.mean() / points.std(ddof=1))
    alone_ = difference(compare(answering(1, range(3)), answering(2, range(3, 12)), registry))
    assert alone_.value == pytest.approx(found.value)
    assert alone_.p_mcnemar == pytest.approx(2 * sum(math.comb(12, k) for k in range(4)) / 2**12)
    assert found.low <= alone_.low < alone_.high < found.high


def test_each_slice_has_a_test_of_its_own(answering: Any, registry: Registry) -> None:
    first, second = answering(1, [0, 2, 4, 1], "toy/grouped"), answering(2, [1], "toy/grouped")
    count, found = compare(first, second, registry).slices["even"]
    assert count == 6
    assert found is not None
    assert found.value == pytest.approx(50.0)


def test_an_example_that_one_run_skipped_counts_in_neither(
    answering: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = toy.LoadedToy.costs
    monkeypatch.setattr(toy.LoadedToy, "costs", lambda self, rs: [replace(c, cut=int(c.width > 8)) for c in costs(self, rs)])
    whole, skipping = answering(1, [0]), answering(2, [0, 4], truncation="skip")
    left = [row["id"] for row in skipping.predictions() if not row.get("skipped")]
    assert 0 < len(left) < SIZE
    made = compare(whole, skipping, registry)
    assert made.n == len(left)
    wrong = [{"n0"} & {*left}, {"n0", "n4"} & {*left}]
    assert difference(made).value == pytest.approx(100 * (len(wrong[0]) - len(wrong[1])) / len(left))
    changed = {c.id: c for c in made.changed}
    assert {*changed} == {row["id"] for row in skipping.predictions() if row.get("skipped")} | ({"n4"} & {*left})
    assert all(c.predictions[1] is None and c.scores[1] is None for id_, c in changed.items() if id_ not in left)


def test_too_few_examples_have_no_test(answering: Any, registry: Registry) -> None:
    made = compare(answering(1, [], limit=1), answering(2, [0], limit=1), registry)
    assert made.n == 1
    assert made.differences == {"toy_accuracy": {}}


def test_all_reasons_are_named(answering: Any, registry: Registry) -> None:
    whole, part = answering(1, []), answering(1, [], limit=5)
    with pytest.raises(InputError) as error:
        compare(whole, part, registry)
    assert error.value.message == f"{part.folder} cannot be compared with {whole.folder}"
    assert error.value.hints == (f"other examples: 5 of {SIZE}",)
    other: dict[str, Any] = json.loads(json.dumps(part.record))
    other["task"]["version"], other["data"]["split"], other["signatures"] = 2, "train", {}
    assert reasons(whole, replace(part, record=other)) == [
        "another split: train", f"other examples: 5 of {SIZE}", "another version of the task: 2", "scored in another way",
    ]  # fmt: skip
    with pytest.raises(InputError) as error:
        compare(whole, answering(1, [], "toy/grouped"), registry)
    assert error.value.hints == ("another task: toy/grouped",)


def test_a_metric_of_another_version_counts_nothing(answering: Any, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = answering(1, []), answering(2, [1])
    monkeypatch.setattr(toy.ToyAccuracy, "version", 2)
    with pytest.raises(InputError, match=r"was scored by 'toy_accuracy v1'; installed is 'toy_accuracy v2'"):
        compare(first, second, registry)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def exchanged(path: Path) -> None:
    path.write_text(path.read_text().replace('"prediction": "yes"', '"prediction": "no"', 1))


@pytest.mark.parametrize(
    ("name", "alter"), [("predictions.jsonl", exchanged), ("statistics.npy", cut), ("predictions.jsonl", Path.unlink)]
)
def test_altered_files_are_not_compared(answering: Any, registry: Registry, name: str, alter: Any) -> None:
    first, second = answering(1, []), answering(2, [1])
    alter(second.folder / name)
    with pytest.raises(DataError) as error:
        compare(first, second, registry)
    assert str(second.folder / name) in error.value.message
    assert error.value.hints == ("plmtasks results verify",)


def test_rows_without_a_metrics_columns_are_told(answering: Any, registry: Registry) -> None:
    made = answering(1, [])
    array = made.statistics()
    with (made.folder / "statistics.npy").open("wb") as file:
        np.lib.format.write_array(file, array[["toy_accuracy:n", "cluster"]], version=(3, 0))
    with pytest.raises(DataError, match="expected columns of toy_accuracy: right, n"):
        rows(made, "toy_accuracy", registry)


@pytest.mark.parametrize("name", [n for n in load_registry().items["task"] if n.endswith("/sample")])
def test_a_task_is_bound_again_as_its_result_tells(name: str) -> None:
    """Its metrics are those that counted: a translation's number of references, which the data tells, is in their signatures."""
    installed = load_registry()
    task = installed.task(name)
    bound = task.bind(task.load(Source()))
    again = as_run(task, json.loads(json.dumps(bound.config())))
    assert again.config() == bound.config()
    signatures = [[installed.metric(metric).bind(t).signature() for metric in t.metrics] for t in (bound, again)]
    assert signatures[0] == signatures[1]
    assert as_run(task, task.config()) is task


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────


def called(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(command, arguments)


@pytest.fixture
def two(answering: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy")
    first, second = answering(1, [1, 2, 3, 4, 5, 10, 11]), answering(2, [0, 10, 11])
    return str(first.folder), str(second.folder / "result.json")


def test_the_table_shows_the_difference_and_what_changed(two: tuple[str, str]) -> None:
    done = called(*two, "--examples", "2")
    assert done.exit_code == 0, done.exception
    assert done.output.startswith(f"toy/even on toy, split test: {SIZE} of {SIZE} examples\nA  toy-model, ")
    line = next(line for line in done.output.splitlines() if line.startswith("toy_accuracy/accuracy"))
    assert [*line.split()[:4]] == ["toy_accuracy/accuracy", "41.67", "75.00", "+33.33"]
    assert line.split()[6] == "0.1039", "of the test by which tables are ranked"
    assert "randomization" not in done.output
    assert (
        "6 of 12 predictions differ, first those that moved toy_accuracy/accuracy farthest:\nn0\n  text: x 0\n  reference: yes\n"
        in done.output
    )
    assert "  A: yes   [100.00]\n  B: no   [0.00]\nn1\n" in done.output
    assert done.output.count("  reference: ") == 2


def test_the_json_holds_the_same(two: tuple[str, str]) -> None:
    found = json.loads(called(*two, "--format", "json", "--examples", "3").output)
    difference = found["differences"]["toy_accuracy"]["accuracy"]
    assert (difference["value"], difference["p_mcnemar"]) == (pytest.approx(100 / 3), pytest.approx(0.21875))
    assert difference["p"] == pytest.approx(0.1039, abs=1e-4)
    assert difference.keys() >= {"p_bootstrap", "p_randomization", "effect"}
    assert (found["examples"], found["changed"], len(found["changed_examples"])) == (SIZE, 6, 3)
    first: Mapping[str, Any] = found["changed_examples"][0]
    assert (first["id"], first["inputs"], first["reference"], first["predictions"]) == (
        "n0",
        {"text": "x 0"},
        "yes",
        ["yes", "no"],
    )


def test_what_cannot_be_compared_ends_with_two(two: tuple[str, str], answering: Any) -> None:
    other = answering(1, [], limit=5)
    done = called(two[0], str(other.folder))
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    done = called(str(other.folder.parent), two[0])
    assert "3 runs are there" in str(done.exception)


def test_texts_of_others_do_not_steer_the_terminal(answering: Any, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(two[0], "predictions.jsonl")
    path.write_text(path.read_text().replace('{"text": "x 0"}', '{"text": "\\u001b[2J ' + "long " * 99 + '"}'))
    monkeypatch.setattr(Result, "check_files", lambda self: None)  # the file was altered, and that is told first
    shown = next(line for line in called(*two).output.splitlines() if line.startswith("  text: "))
    assert "\x1b" not in shown
    assert shown.endswith("…")
    assert len(shown) < 180


@pytest.mark.slow
def test_real_models_of_two_families(tmp_path: Path) -> None:
    """A trained encoder and a decoder that is asked without training, on the same questions in different ways."""
    common: dict[str, Any] = {"threads": 1, "quiet": True, "output": str(tmp_path / "r"), "checkpoints": str(tmp_path / "c")}
    learned, chance = (
        run([run_config("qa/sample", model, **common, limit=40, select_split="none", training=training)])[0]
        for model, training in (
            ("tiny-bert", {"num_train_epochs": 6, "max_train_samples": 600}),
            ("tiny-t5", {"num_train_epochs": 1, "max_train_samples": 16}),
        )
    )
    registry = load_registry()
    made = compare(chance, learned, registry)
    main, score = learned.record["primary_metric"]
    found = made.differences[main][score]
    assert learned.score is not None
    assert chance.score is not None
    assert found.value == pytest.approx(learned.score - chance.score)
    assert found.low > 0
    assert found.p_bootstrap < 0.05
    assert found.p_randomization < 0.05
    assert 0 < len(made.changed) <= 40
    order = [abs((c.scores[1] or 0) - (c.scores[0] or 0)) for c in made.changed]
    assert order == sorted(order, reverse=True)
