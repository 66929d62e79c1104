"""Published figures beside those that are found: what is reproduced, what is off, and what cannot be run."""

import json
import os
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import warm
from plmtasks_sweep.parity import Claim, Verdict, read_parity

from plmtasks.errors import InputError

PARITY = Path(__file__).parents[3] / "benchmarks" / "parity.toml"

ROW = """
[[rows]]
task = "toy/even"
model = "toy-model"
published = { accuracy = 47.83 }
tolerance = 0.01
source = "11 of its 23 examples"
"""


def parity(folder: Path, text: str, *arguments: str) -> CompletedProcess[str]:
    (folder / "parity.toml").write_text(text, encoding="utf-8")
    tests = str(Path(__file__).parents[3] / "tests")
    environment = {**os.environ, "COLUMNS": "300", "PYTHONPATH": tests, "PLMTASKS_PLUGINS": "toy", "HF_HUB_OFFLINE": "1"}
    return warm.plmtasks(["parity", "parity.toml", *arguments], folder, environment)


def verdict(published: float, found: float | None, tolerance: float) -> Verdict:
    known = {} if found is None else {"accuracy": {"value": found, "low": None, "high": None, "examples": 1, "seeds": 1}}
    return Verdict(task="t", model="m", claim=Claim({"accuracy": published}, tolerance, "s"), found=known)


def test_a_difference_of_the_very_tolerance_is_within_it():
    assert str(verdict(91.1, 91.2, 0.1)) == "reproduced"
    assert str(verdict(91.1, 91.0, 0.1)) == "reproduced"
    assert str(verdict(91.1, 90.9, 0.1)) == "off by -0.2 (accuracy)"
    assert str(Verdict(task="t", model="m", claim=Claim({}, 0, ""), reason="no weights")) == "not run: no weights"


@pytest.mark.slow
def test_each_row_is_reproduced_off_or_not_run(tmp_path):
    rows = "seed = [0, 1]\nthreads = 1\n" + ROW + ROW.replace("47.83", "50.0").replace("11 of its 23 examples", "nobody")
    rows += ROW.replace("toy-model", "nobody/nothing") + ROW.replace("accuracy", "nosuch") + ROW.replace("toy/even", "toy/evne")
    done = parity(tmp_path, rows)
    assert done.returncode == 1, done.stderr
    lines = [re.split(r" {2,}", line) for line in done.stdout.splitlines() if "/" in line]
    assert [line[-1].split(":")[0] for line in lines] == ["reproduced", "off by -2.17 (accuracy)", *["not run"] * 3]
    assert lines[0][2:6] == ["accuracy", "47.83 ±0.01", lines[0][4], lines[0][5]]
    assert lines[0][4].startswith("47.83 [")
    assert "'nobody/nothing' is not on this machine, and the hub cannot be reached" in done.stdout
    assert "toy/even has no score 'nosuch'" in done.stdout
    assert "there is no task 'toy/evne'" in done.stdout
    assert "5 rows: 1 reproduced, 1 off, 3 not run" in done.stdout
    assert (
        "error: 1 of 5 rows off by more than the tolerance\n  toy/even on toy-model: off by -2.17 (accuracy); nobody"
        in done.stderr
    )

    again = parity(tmp_path, "threads = 1\n" + ROW + ROW.replace("toy-model", "nobody/nothing"), "--format", "json")
    assert again.returncode == 0, again.stderr
    first, second = json.loads(again.stdout)
    assert (first["verdict"], first["source"]) == ("reproduced", "11 of its 23 examples")
    assert first["found"]["accuracy"]["value"] == pytest.approx(100 * 11 / 23)
    assert first["differences"]["accuracy"] == pytest.approx(100 * 11 / 23 - 47.83)
    assert first["found"]["accuracy"]["examples"] == 23
    assert second["verdict"].startswith("not run: 'nobody/nothing'")
    assert second["found"] == {}


@pytest.mark.slow
def test_published_predictions_are_scored_and_every_figure_is_reproduced(tmp_path, real_data):
    arguments = ["parity", str(PARITY.with_name("parity_offline.toml")), "--output", str(tmp_path), "--format", "json"]
    done = warm.plmtasks(arguments, real_data, {**os.environ, "HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0, done.stderr
    verdicts = [row["verdict"] for row in json.loads(done.stdout)]
    assert verdicts == ["reproduced"] * 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"parity\.toml: expected tables \[\[rows\]\], found \[\]"),
        (ROW.replace("source", "sauce"), r"parity\.toml:2: expected source = "),
        (ROW + 'sauce = "x"\n', r"parity\.toml:8: expected a setting in \[\[rows\]\], found 'sauce'"),
        (ROW.replace('"toy-model"', "1"), r"parity\.toml:4: expected a model = .* in \[\[rows\]\], found 1"),
        (ROW.replace("47.83", '"all"'), r"parity\.toml:5: expected a table .* for 'published'"),
        (ROW + 'output = "x"\n', r"parity\.toml:8: .* found 'output'\n  it stands at the top"),
        (ROW + "limit = true\n", r"parity\.toml:8: expected a whole number for 'limit', found True"),
    ],
)
def test_what_is_no_parity_file_is_said_with_its_line(tmp_path, text, said):
    path = tmp_path / "parity.toml"
    path.write_text(text)
    with pytest.raises(InputError) as e:
        read_parity(path)
    assert re.search(said, str(e.value), re.DOTALL), str(e.value)


def test_the_ready_rows_say_where_each_figure_stands():
    rows = read_parity(PARITY)
    assert len(rows) > 15
    for suite, claim in rows:
        ((task, model),) = suite.pairs()
        assert claim.source, task.name
        assert claim.published, model.name
        assert 0 < claim.tolerance <= 4
