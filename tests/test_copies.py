"""Two people's copies of the same data: one run, one training, one row."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plmtasks import run
from plmtasks.cli import cli
from plmtasks.results import Result
from plmtasks.statistics import rank
from plmtasks.store import reasons
from plmtasks.tables.boards import make_boards

TEXTS = [("a good film", "yes"), ("a bad film", "no"), ("good", "yes"), ("bad", "no"), ("so bad it is bad", "no")]


def folder_of(place: Path, rows: Any = TEXTS) -> Path:
    place.mkdir(parents=True)
    for split, times in (("train", 4), ("test", 6)):
        lines = [f"{text} {i},{label}" for i in range(times) for text, label in rows]
        (place / f"{split}.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    return place


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Of one person's data, of another's copy of it, and of a version in which two of thirty texts differ."""
    root = tmp_path_factory.mktemp("copies")
    folders = [folder_of(root / "reviews"), folder_of(root / "of" / "somebody-else"), folder_of(root / "altered")]
    changed = (folders[2] / "test.csv").read_text().replace("good 0", "great 0").replace("good 3", "great 3")
    (folders[2] / "test.csv").write_text(changed)
    results = []
    for number, folder in enumerate(folders):
        made = run(
            "classification/custom", "tfidf-linear", data=str(folder), output=str(root / f"results-{number}"),
            checkpoints=str(root / f"checkpoints-{number}"), quiet=True,
        )  # fmt: skip
        results.append(made)
    return results


@pytest.mark.slow
def test_a_copy_in_another_folder_is_the_same_run_with_the_same_bytes(runs: list[Result]) -> None:
    mine, theirs, other = runs
    assert mine.identity == theirs.identity != other.identity
    assert (mine.folder / "result.json").read_bytes() == (theirs.folder / "result.json").read_bytes()
    assert mine.record["protocol"]["trained_on"] == theirs.record["protocol"]["trained_on"]


def test_each_is_shown_by_the_name_that_its_user_gave_it(runs: list[Result]) -> None:
    assert [result.data for result in runs] == ["reviews", "somebody-else", "altered"]
    (runs[0].folder / "config.json").rename(runs[0].folder / "away")
    try:
        assert runs[0].data == runs[0].record["data"]["name"] == f"content {runs[0].record['data']['fingerprint'][:12]}"
    finally:
        (runs[0].folder / "away").rename(runs[0].folder / "config.json")


def test_they_share_a_row_of_the_table_and_of_what_is_recommended(runs: list[Result], tmp_path: Path) -> None:
    [board] = make_boards(runs[:2])
    assert len(board.rows) == 1
    for number, result in enumerate(runs[:2]):
        shutil.copytree(result.folder, tmp_path / str(number))
    told = CliRunner().invoke(cli, ["recommend", "--task", "classification/custom", str(tmp_path), "--format", "json"])
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.stdout)["models"]) == 1


def test_how_many_examples_differ_and_which(runs: list[Result]) -> None:
    mine, _, other = runs
    assert reasons(mine, other)[-1] == "other examples: 2 of 30 differ (test-2, test-17)"
    (other.folder / "predictions.jsonl").rename(other.folder / "away")
    try:
        assert reasons(mine, other)[-1] == "other examples: 30 of 30"
    finally:
        (other.folder / "away").rename(other.folder / "predictions.jsonl")
    assert reasons(mine, replace(mine)) == []


def test_runs_that_answered_alike_say_nothing_of_what_can_be_told_apart() -> None:
    import numpy as np

    def mean(totals: Any) -> dict[str, Any]:
        return {"mean": 100 * totals[..., 0] / totals[..., 1]}

    rng = np.random.default_rng(0)
    one, two = (np.stack([rng.integers(0, 2, 400), np.ones(400)], axis=1) for _ in range(2))
    alone = rank(np.stack([one, two], axis=1), mean, "mean").smallest
    doubled = rank(np.stack([one, one, two], axis=1), mean, "mean").smallest
    assert alone == doubled
    assert rank(np.stack([one, one], axis=1), mean, "mean").smallest is None
