"""A run that asks about another run's predictions; further metrics."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_chain
from jsonschema import Draft202012Validator

import plmtasks
from plmtasks.config import RunConfig, Source, run_config
from plmtasks.errors import InputError, MetricError, UnknownNameError
from plmtasks.evaluation import run
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import Result
from plmtasks.scoring import Submission, score_file
from plmtasks.tables import render
from plmtasks.tables.boards import make_boards


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([toy, toy_chain], installed=False)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    options: dict[str, Any] = {"dtype": "float32", "batch_tokens": 30, "threads": 1, "kernels": "plain", "quiet": True}
    return run_config("toy/follow", "toy-model", output=str(tmp_path), **options)


@pytest.fixture
def found(config: RunConfig, registry: Registry) -> Result:
    return run([replace(config, task="toy/find")], registry)[0]


def test_what_is_predicted_takes_the_place_of_what_the_data_gives(config: RunConfig, found: Result, registry: Registry) -> None:
    counts = {row["id"]: row["prediction"] for row in found.predictions()}
    result = run([replace(config, predictions_of=str(found.folder))], registry)[0]
    rows = {row["id"]: row for row in result.predictions()}
    derived = {f"{id_}.{i}" for id_, count in counts.items() for i in range(count)}
    missed = {f"{id_}.0" for id_, count in counts.items() if not count}
    assert set(rows) == derived | missed
    assert missed
    assert {id_ for id_, row in rows.items() if row["reference"] == "nothing"} == {d for d in derived if not d.endswith(".0")}
    followed = {"task": "toy/find", "model": "toy-model", "identity": found.identity}
    assert result.record["protocol"]["predictions_of"] == followed
    data = result.record["data"]
    assert (data["examples"], data["total"], data["limit"]) == (len(rows), len(rows), None)
    Draft202012Validator(json.loads((Path(plmtasks.__file__).parent / "result.schema.json").read_text())).validate(result.record)


def test_it_is_another_run_in_another_table(config: RunConfig, found: Result, registry: Registry) -> None:
    plain = run([config], registry)[0]
    followed = run([replace(config, predictions_of=str(found.folder))], registry)[0]
    again = run([replace(config, predictions_of=str(found.folder))], registry)[0]
    assert len({plain.identity, followed.identity}) == 2
    assert again.folder == followed.folder
    first, second = make_boards([plain, followed])
    said = f"predictions of toy/find on toy-model ({found.identity[:6]})"
    assert {first.apart, second.apart} & {said, "of what the data gives"}
    assert said in render([plain, followed], "json")
    assert "predictions_of" not in plain.record["protocol"]


def test_a_limit_is_of_what_follows(config: RunConfig, found: Result, registry: Registry) -> None:
    result = run([replace(config, predictions_of=str(found.folder), limit=3)], registry)[0]
    data = result.record["data"]
    assert (data["examples"], data["limit"]) == (3, 3)
    assert data["total"] > 3


@pytest.mark.parametrize(
    ("change", "made", "said"),
    [
        ({"task": "toy/even"}, {}, "task 'toy/even' follows no other: it asks of no run's predictions"),
        ({}, {"task": "toy/follow"}, "is a run of 'toy/follow'\n  toy/follow follows toy/find"),
        ({"split": "test"}, {}, "is a run on the split 'validation', not 'test'\n  --split validation"),
        ({}, {"limit": 5}, "answered 5 of 12 examples\n  run it again without --limit"),
        ({}, {"source": Source(data="9")}, "was run on other examples than those of toy, split validation"),
    ],
)
def test_a_run_that_does_not_fit_is_told(
    change: dict[str, Any], made: dict[str, Any], said: str, config: RunConfig, registry: Registry
) -> None:
    other = run([replace(config, **{"task": "toy/find", **made})], registry)[0]
    with pytest.raises(InputError, match=said):
        run([replace(config, predictions_of=str(other.folder), **change)], registry)[0]


def test_a_run_that_is_not_whole_is_told(config: RunConfig, found: Result, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        run([replace(config, predictions_of=str(tmp_path / "nowhere"))], registry)[0]
    run([config], registry)[0]
    with pytest.raises(InputError, match="2 runs are there"):
        run([replace(config, predictions_of=str(tmp_path))], registry)[0]
    lines = (found.folder / "predictions.jsonl").read_text().splitlines(keepends=True)
    (found.folder / "predictions.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(InputError, match="expected a prediction for every example, found none for 1, 's0' first"):
        run([replace(config, predictions_of=str(found.folder))], registry)[0]
    (found.folder / "result.json").unlink()
    with pytest.raises(InputError, match="the run is not finished"):
        run([replace(config, predictions_of=str(found.folder))], registry)[0]


def test_a_skipped_example_gives_nothing_to_ask(config: RunConfig, found: Result, registry: Registry) -> None:
    path = found.folder / "predictions.jsonl"
    rows = [{**row, "prediction": None, "skipped": True} for row in found.predictions()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run([replace(config, predictions_of=str(found.folder))], registry)[0]
    assert [row["id"] for row in result.predictions()] == [f"s{i}.0" for i in range(12)]


# ── further metrics ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_further_metric_stands_beside_the_tasks_own(config: RunConfig, registry: Registry) -> None:
    plain = run([config], registry)[0]
    more = run([replace(config, metrics=("toy_lengths", "toy_accuracy", "toy_lengths"))], registry)[0]
    assert list(more.scores()) == ["toy_accuracy/accuracy", "toy_lengths/accuracy"]
    assert more.record["primary_metric"] == plain.record["primary_metric"] == ["toy_accuracy", "accuracy"]
    assert more.identity != plain.identity
    values = [row["prediction"] for row in more.predictions()]
    assert more.scores()["toy_lengths/accuracy"] == pytest.approx(100 * sum(map(len, values)) / len(values))


def test_an_unknown_metric_is_told_before_anything_is_asked(config: RunConfig, registry: Registry) -> None:
    with pytest.raises(UnknownNameError, match="there is no metric 'toy_length'\n  did you mean 'toy_lengths'"):
        run([replace(config, metrics=("toy_length",))], registry)[0]
    assert not Path(config.output).exists() or not list(Path(config.output).iterdir())


def test_a_file_is_scored_by_further_metrics(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "predictions.txt"
    path.write_text("no\n" * 12)
    scored = score_file(registry, "toy/follow", Source(), Submission(path=path, metrics=("toy_lengths", "toy_lengths")))
    assert {name: scored.scores[name]["accuracy"]["value"] for name in scored.scores} == {
        "toy_accuracy": 100.0,
        "toy_lengths": 200.0,
    }
    with pytest.raises(UnknownNameError):
        score_file(registry, "toy/follow", Source(), Submission(path=path, metrics=("bleurt",)))


def test_a_metric_that_cannot_score_such_predictions_is_told(registry: Registry, config: RunConfig) -> None:
    """The length of a number: no traceback, and the answers are kept."""
    said = r"metric 'toy_lengths' of .* cannot score such predictions: TypeError: .*\n  a prediction: "
    with pytest.raises(MetricError, match=said):
        run([replace(config, task="toy/find", metrics=("toy_lengths",))], registry)[0]
