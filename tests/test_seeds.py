import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner, Result
from test_leaderboard import validate

from plmtasks.cli import cli
from plmtasks.config import of_seeds, run_config
from plmtasks.evaluation import run
from plmtasks.hooks import load_registry
from plmtasks.results import read_results
from plmtasks.statistics import spread
from plmtasks.tables import make_boards, render

pytestmark = pytest.mark.slow

LITTLE = ["--training", "max_train_samples=160,num_train_epochs=3", "--limit", "40", "--threads", "1", "--quiet"]


def plmtasks(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, [*arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model made from scratch and trained with three seeds, and once more with a fourth and more epochs."""
    path = tmp_path_factory.mktemp("seeds")
    where = ["--output", str(path / "results"), "--checkpoints", str(path / "checkpoints")]
    common = ["run", "--task", "classification/sample", *LITTLE, *where]
    # on the test split, so that another chooses the epoch
    plmtasks(*common, "--split", "test", "--model", "tiny-bert", "--seed", "1,2,3")
    more = [one.replace("epochs=3", "epochs=4") for one in common]
    plmtasks(*more, "--split", "test", "--model", "tiny-bert", "--seed", "9")
    return path


def test_a_config_of_several_seeds():
    configs = of_seeds(run_config("t", "m", seed=5, shots=2), range(5, 8))
    assert [(c.seed, c.settings.seed, c.training.seed) for c in configs] == [(s, s, s) for s in (5, 6, 7)]


def test_each_seed_has_its_own_result_and_all_share_a_row(folder):
    results = read_results(folder / "results")
    assert len({r.identity for r in results}) == len(results) == 4
    for result in results:
        validate(result.record)
    several, one = sorted(make_boards(results)[0].rows, key=lambda row: -len(row.results))
    assert [r.record["seed"]["value"] for r in several.results] == [1, 2, 3]
    assert [r.record["protocol"]["training"]["seed"] for r in several.results] == [1, 2, 3]
    assert [r.record["seed"]["value"] for r in one.results] == [9]
    weights = {json.dumps(json.loads((r.folder / "config.json").read_text())["identity"]["model"]) for r in several.results}
    assert len(weights) == 3


def test_the_seeds_spread_is_apart_from_the_sampling_interval(folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "240")
    results = read_results(folder / "results")
    row = max(make_boards(results)[0].rows, key=lambda row: len(row.results))
    scores = [r.record["scores"]["accuracy"]["accuracy"] for r in row.results]
    found, expected = row.spread(row.main), spread([s["value"] for s in scores])
    assert found == expected
    shown = row.score(row.main)
    assert shown["value"] == pytest.approx(expected.mean)
    assert shown["low"] == pytest.approx(sum(s["low"] for s in scores) / 3)
    line = next(
        r for r in csv.DictReader(io.StringIO(render(results, "csv"))) if r["seeds"] == "3" and r["primary_metric"] == "True"
    )
    assert float(line["seed_deviation"]) == pytest.approx(expected.deviation)
    cell = f"3: ±{expected.deviation:.2g} [{expected.low:.4g}, {expected.high:.4g}]"
    for form in ("table", "markdown", "latex"):
        text = render(results, form).replace("\\", "")
        assert cell in text
        assert "under seeds the deviation of one and the interval of that mean" in " ".join(text.split())
    header = next(s for s in render(results, "table").splitlines() if s.startswith("rank")).split()
    assert header[:7] == ["rank", "model", "family", "protocol", "n", "accuracy", "seeds"]
    assert "seeds" not in render([one for one in results if one.record["seed"]["value"] == 9], "markdown")


def test_seeds_on_which_no_answer_depends_are_run_once(tmp_path, folder):
    trained = next((folder / "checkpoints").rglob("plmtasks.json")).parent
    common = ["run", "--task", "classification/sample", "--model", str(trained), *LITTLE, "--output", str(tmp_path)]
    said = plmtasks(*common, "--seed", "0,1,2").stdout
    assert "no answer depends on the seed: 1 run stands for all 3" in said
    (result,) = read_results(tmp_path)
    assert "seed" not in result.record
    assert result.record["settings"]["seed"] == 0
    assert plmtasks(*common, "--seed", "7").stdout.count("classification/sample on") == 1
    assert len(read_results(tmp_path)) == 1


def test_a_toy_that_draws_is_run_for_each_seed(tmp_path, monkeypatch):
    def results(name):
        config = run_config("toy/even", "toy-model", output=str(tmp_path / name), threads=1, quiet=True)
        return run(of_seeds(config, range(2)), load_registry([toy], installed=False))

    assert len({r.identity for r in results("draws none")}) == 1
    monkeypatch.setattr(toy.ToyModel, "identity", lambda self, form, settings: {"seed": settings.seed})
    found = results("draws")
    assert [r.record["seed"]["value"] for r in found] == [0, 1]
    assert [len(row.results) for row in make_boards(found)[0].rows] == [2]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        (["--shots", "1"], [2]),  # drawn from the train split
        (["--shots", "1", "--config", "shots_from=per-example"], [2]),
        (["--ask", "Generate", "--generation", "temperature=0.9"], [2]),
    ],
)
def test_shots_and_drawn_tokens_of_several_seeds_share_a_row(tmp_path, decoder, options, rows):
    common = ["run", "--task", "classification/sample", "--model", str(decoder), "--limit", "8", "--threads", "1", "--quiet"]
    plmtasks(*common, *options, "--train", "never", "--seed", "0,1", "--output", str(tmp_path))
    results = read_results(tmp_path)
    assert [r.record["seed"]["value"] for r in sorted(results, key=lambda r: r.record["seed"]["value"])] == [0, 1]
    assert [len(row.results) for row in make_boards(results)[0].rows] == rows


def test_other_shots_are_no_other_seed(tmp_path, decoder):
    common = ["run", "--task", "classification/sample", "--model", str(decoder), "--limit", "8", "--threads", "1", "--quiet"]
    for number, seed in (("1", "0"), ("2", "1")):
        plmtasks(*common, "--train", "never", "--shots", number, "--seed", seed, "--output", str(tmp_path))
    assert [len(row.results) for row in make_boards(read_results(tmp_path))[0].rows] == [1, 1]


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with weights of its own."""
    path = tmp_path_factory.mktemp("decoder") / "gpt"
    common = ["--model", "tiny-gpt", "--training", "max_train_samples=16,num_train_epochs=1", "--threads", "1", "--quiet"]
    plmtasks("train", "--task", "classification/sample", *common, "--output", str(path))
    return path


def test_two_trainings_of_one_seed_are_no_two_seeds(folder):
    """Another machine's weights of the same recipe."""
    results = read_results(folder / "results")
    one = next(r for r in results if r.record["seed"]["value"] == 2)
    other = replace(one, record={**one.record, "identity": "f" * 32})
    rows = make_boards([*results, other])[0].rows
    assert sorted(len(row.results) for row in rows) == [1, 1, 3]
