"""Which runs a leaderboard is of, by which score, with which columns and in which order."""

import json

import pytest
from click.testing import CliRunner
from test_leaderboard import result, score

from plmtasks.cli import cli
from plmtasks.errors import InputError
from plmtasks.files import dump
from plmtasks.tables import Selection, render


def scored(model, accuracy, f1, **parts):
    scores = {"a": {"acc": score(accuracy), "lengths": score(5.0, unit="words")}, "f": {"f1": score(f1), "f1[x]": score(1.0)}}
    return result(model, accuracy, scores=scores, signatures={"f": "f v1"}, **parts)


RUNS = [scored("b", 80.0, 10.0), scored("a", 70.0, 30.0), scored("c", 60.0, 20.0), scored("a", 50.0, 5.0, task="qa/two")]


def boards(**choices):
    return json.loads(render(RUNS, "json", selection=Selection(**choices)))["boards"]


def ranked(**choices):
    return {board["task"]: [(run["rank"], run["model"]) for run in board["runs"]] for board in boards(**choices)}


@pytest.mark.parametrize(
    ("choices", "found"),
    [
        ({"task": "t"}, {"t/one": [(1, "b"), (2, "a"), (3, "c")]}),
        ({"task": "*/two"}, {"qa/two": [(1, "a")]}),
        ({"task": "t/one", "model": "[ac]"}, {"t/one": [(1, "a"), (2, "c")]}),
        ({"task": "t", "score": "f1"}, {"t/one": [(1, "a"), (2, "c"), (3, "b")]}),
        ({"task": "t", "score": "f/f1"}, {"t/one": [(1, "a"), (2, "c"), (3, "b")]}),
        ({"task": "t", "sort": "f1"}, {"t/one": [(2, "a"), (3, "c"), (1, "b")]}),
        ({"task": "t", "sort": "model"}, {"t/one": [(2, "a"), (1, "b"), (3, "c")]}),
    ],
)
def test_runs_rows_and_their_order_are_chosen(choices, found):
    assert ranked(**choices) == found


def test_columns_are_the_chosen_ones_beside_the_score_that_ranks():
    def header(**choices):
        return next(line for line in render(RUNS, "markdown", selection=Selection(**choices)).splitlines() if "| rank" in line)

    assert header(task="t").startswith("| rank | model | family | protocol | n | acc | lengths | f1 |")
    assert (
        header(task="t", columns=("f1[x]", "parameters"))
        == r"| rank | model | family | protocol | n | acc | f1\[x\] | parameters |"
    )
    assert header(task="t", columns=("a/acc",), score="f1") == "| rank | model | family | protocol | n | f1 | acc |"
    (board,) = boards(task="t", columns=("f1",))
    assert {name for run in board["runs"] for of in run["scores"].values() for name in of} == {"acc", "f1"}


def test_a_run_without_the_score_keeps_its_own_table():
    runs = [*RUNS, result("lacking", 99.0)]
    made = json.loads(render(runs, "json", selection=Selection(task="t", score="f1")))["boards"]
    assert [(board["primary_metric"], board["apart"]) for board in made] == [
        (["f", "f1"], None), (["a", "acc"], "scored in another way"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choices", "said", "hint"),
    [
        ({"task": "qa/twoo"}, "no task of these runs is called 'qa/twoo'", "did you mean 'qa/two'?"),
        ({"model": "x*"}, "no model of these runs is called 'x*'", "there are: a, b, c"),
        ({"score": "f2"}, "no score of these runs is called 'f2'", "there are: acc, lengths, f1, f1[x]"),
        ({"columns": ("sped",)}, "no column of these tables is called 'sped'", "did you mean 'speed'?"),
        ({"sort": "modle"}, "no column to sort by is called 'modle'", "did you mean 'model'?"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(choices, said, hint):
    with pytest.raises(InputError) as found:
        boards(**choices)
    assert found.value.message == said
    assert hint in found.value.hints


def test_a_score_of_several_metrics_has_to_be_told():
    several = {"a": {"acc": score(1.0)}, "f": {"p": score(1.0)}, "g": {"p": score(2.0)}}
    run = result("m", scores=several, signatures={"f": "f v1", "g": "g v1"})
    with pytest.raises(InputError, match="several metrics of t/one have a score 'p'") as found:
        render([run], "csv", selection=Selection(score="p"))
    assert found.value.hints == ("one of: --score f/p, --score g/p",)
    assert "g,p,True,2.0" in render([run], "csv", selection=Selection(score="g/p"))


def test_the_command_chooses(tmp_path):
    for run in RUNS:
        folder = tmp_path / run.task.replace("/", "-") / run.model
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(dump(run.record), encoding="utf-8")
    call = ["leaderboard", str(tmp_path), "--task", "t", "--model", "[bc]", "--score", "f1", "--columns", "acc,speed"]
    done = CliRunner().invoke(cli, [*call, "--sort", "model", "--format", "json"])
    assert done.exit_code == 0, done.output
    (board,) = json.loads(done.output)["boards"]
    assert [(run["rank"], run["model"], list(run["scores"])) for run in board["runs"]] == [
        (2, "b", ["a", "f"]),
        (1, "c", ["a", "f"]),
    ]
    done = CliRunner().invoke(cli, ["leaderboard", str(tmp_path), "--no-examples"])
    assert (done.exit_code, "--no-examples is for a site" in done.output) == (2, True)
