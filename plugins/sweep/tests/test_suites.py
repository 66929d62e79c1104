"""Suites by name, their columns and averages, and how their tables are printed."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import warm
from click.testing import CliRunner

from plmtasks.cli.list import command as listing
from plmtasks.errors import InputError
from plmtasks.evaluation import read_suite
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import Result
from plmtasks.tables import Column, read_columns, suite_table, suite_text

SUITES = ("clue", "glue", "superglue", "xtreme")

COLUMNS = """
[[tasks]]
name = "a/one"

[[columns]]
title = "one"
scores = ["a/one accuracy"]
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def score(value: float, width: float = 1.0) -> dict[str, Any]:
    return {"value": value, "low": value - width, "high": value + width, "interval": "bootstrap"}


def result(
    task: str, scores: Mapping[str, float], *, model: str = "m", seed: int = 0, slices: Mapping[str, float] | None = None
) -> Result:  # fmt: skip
    """A result as a run writes it, as far as tables look at it; slices: name → accuracy, of ten examples each."""
    full = {"unit": "points", "higher_is_better": True}
    record = {
        "identity": f"{task} {model} {seed}", "task": {"name": task, "version": 1, "metrics": {}},
        "model": {"name": model, "family": "encoder", "ask": "Classify"},
        "protocol": {"how": "fine-tuned", "shots": 0, "newly_initialized": False, "trained_on": []},
        "data": {
            "name": "data", "split": "validation", "fingerprint": "f", "examples": 100, "total": 100, "skipped": 0, "limit": None,
            "truncated": 0,
        },
        "seed": {"value": seed, "recipe": f"{task} {model}"},
        "settings": {
            "dtype": "float32", "seed": seed, "prompt": "plain", "truncation": "auto", "model_args": {}, "threads": 1,
            "batch_tokens": 1, "generation": {"temperature": 0.0, "num_beams": 1},
        },
        "scores": {"metric": {name: score(value) | full for name, value in scores.items()}},
        "primary_metric": ["metric", next(iter(scores))], "signatures": {},
        "slices": {
            name: {"examples": 10, "scores": {"metric": {"accuracy": score(value)}}} for name, value in (slices or {}).items()
        },
    }  # fmt: skip
    return Result(record=record, folder=Path(task, model, str(seed)))


# ── by name ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SUITES)
def test_a_carried_suite_says_what_it_runs_and_shows(name, registry):
    path = registry.suite(name)
    suite, columns = read_suite(path).on_line({}), read_columns(path)
    shown = {spec.split(" ")[0] for column in columns for spec in column.scores}
    assert shown == {task.name for task in suite.tasks}
    assert all(len(suite.configs(*pair)) in (1, 3) for pair in suite.pairs())
    assert max(len(column.mean) for column in columns) >= 6


@pytest.mark.parametrize("name", SUITES)
def test_a_carried_suites_columns_are_scores_of_its_tasks(name, registry):
    scores = {
        task.name: [score for metric in made.metrics for score in registry.metric(metric).bind(made).scores()]
        for task in read_suite(registry.suite(name)).tasks
        if (made := registry.task(task.name))
    }
    shown = [spec.split(" ") for column in read_columns(registry.suite(name)) for spec in (*column.scores, *column.less)]
    assert [(task, score) for task, score, *_ in shown if score not in scores[task]] == []


def test_suites_are_listed_and_found_by_name(registry):
    done = CliRunner().invoke(listing, ["suites"])
    assert [line.split()[0] for line in done.output.splitlines()[2:]] == list(SUITES)
    assert "GLUE: nine tasks of English sentences and pairs" in done.output
    assert registry.suite("some/where.toml") == Path("some/where.toml")
    with pytest.raises(InputError, match="there is no suite 'superglu'\n  did you mean 'superglue'"):
        registry.suite("superglu")


def test_a_path_goes_before_no_name(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "glue").mkdir()
    assert registry.suite("glue").name == "glue.toml"
    (tmp_path / "mine").mkdir()
    assert registry.suite("mine") == Path("mine")


def test_models_on_the_line_stand_in_place_of_the_suites(registry):
    suite = read_suite(registry.suite("glue")).on_line({}, models=["tiny-bert"])
    assert {model.name for _, model in suite.pairs()} == {"tiny-bert"}


# ── averages ──────────────────────────────────────────────────────────────────────────────────────────────────────

BERT_BASE = {
    "classification/cola": {"matthews": 52.1}, "classification/sst2": {"accuracy": 93.5},
    "classification/mrpc": {"f1[equivalent]": 88.9, "accuracy": 84.8}, "regression/stsb": {"pearson": 87.1, "spearman": 85.8},
    "classification/qqp": {"f1[duplicate]": 71.2, "accuracy": 89.2}, "classification/mnli": {"accuracy": 84.0},
    "classification/qnli": {"accuracy": 90.5}, "classification/rte": {"accuracy": 66.4},
    "classification/wnli": {"accuracy": 65.1},
}  # fmt: skip
BERT_LARGE = {
    "classification/cola": {"matthews": 60.5}, "classification/sst2": {"accuracy": 94.9},
    "classification/mrpc": {"f1[equivalent]": 89.3, "accuracy": 85.4}, "regression/stsb": {"pearson": 87.6, "spearman": 86.5},
    "classification/qqp": {"f1[duplicate]": 72.1, "accuracy": 89.3}, "classification/mnli": {"accuracy": 86.3},
    "classification/qnli": {"accuracy": 92.7}, "classification/rte": {"accuracy": 70.1},
    "classification/wnli": {"accuracy": 65.1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "parts", "published"),
    [
        # source: the leaderboard's rows as the READMEs of PaddlePaddle/ERNIE (2.0) and facebookresearch/XLM print them
        (BERT_BASE, {"part=matched": 84.6, "part=mismatched": 83.4}, "78.3"),
        (BERT_LARGE, {"part=matched": 86.7, "part=mismatched": 85.9}, "80.5"),
    ],
)
def test_the_average_of_glue_is_its_leaderboards(registry, figures, parts, published):
    results = [result(task, scores, slices=parts if task.endswith("mnli") else {}) for task, scores in figures.items()]
    (line,) = suite_table(results, read_columns(registry.suite("glue"))).lines
    assert f"{line.cells['GLUE'].total.value:.1f}" == published


def test_the_averages_of_clue_are_its_leaderboards(registry):
    # source: README.md of CLUEbenchmark/CLUE, the rows of BERT-base
    classified = {"afqmc": 73.70, "tnews": 56.58, "iflytek": 60.29, "cmnli": 79.69, "cluewsc": 62.0, "csl": 80.36}
    results = [result(f"classification/{task}", {"accuracy": value}) for task, value in classified.items()]
    results += [result("qa/cmrc2018", {"exact_match": 71.60}), result("qa/chid", {"accuracy": 82.04})]
    (line,) = suite_table([*results, result("qa/c3", {"accuracy": 64.50})], read_columns(registry.suite("clue"))).lines
    assert f"{line.cells['classification'].total.value:.2f}" == "68.77"
    assert f"{line.cells['reading'].total.value:.2f}" == "72.71"
    (line,) = suite_table(results, read_columns(registry.suite("clue"))).lines
    assert "reading" not in line.cells
    assert "n/a" in suite_text(suite_table(results, read_columns(registry.suite("clue"))), "markdown")


def test_the_gap_to_english_is_english_less_the_mean_of_the_others():
    languages = {"language=en": 80.0, "language=el": 70.0, "language=zh": 60.0, "length=1 to 9": 1.0}
    columns = [
        Column("all", scores=("a/one accuracy language=*",)),
        Column("gap", scores=("a/one accuracy language=en",), less=("a/one accuracy language!=en",)),
    ]
    (line,) = suite_table([result("a/one", {"accuracy": 71.0}, slices=languages)], columns).lines
    assert line.cells["all"].total.value == pytest.approx(70.0)
    gap = line.cells["gap"].total
    assert (gap.value, gap.higher_is_better, gap.examples) == (pytest.approx(15.0), False, 30)
    assert (gap.low, gap.high) == (pytest.approx(15 - 2**0.5), pytest.approx(15 + 2**0.5))


def test_two_scores_of_one_task_rest_on_the_same_examples():
    columns = [Column("both", scores=("a/one f1", "a/one accuracy")), Column("all", mean=("both",))]
    (line,) = suite_table([result("a/one", {"f1": 60.0, "accuracy": 80.0})], columns).lines
    assert (line.cells["both"].total.value, line.cells["both"].total.examples) == (70.0, 100)
    assert line.cells["all"].total.examples == 100


# ── what is printed ───────────────────────────────────────────────────────────────────────────────────────────────


def several() -> list[Result]:
    """Two models, one of them with two seeds; the other lacks a task."""
    first = [result("a/one", {"accuracy": value}, seed=seed) for seed, value in ((0, 90.0), (1, 92.0))]
    first += [result("a/two", {"f1": value, "accuracy": value - 5}, seed=seed) for seed, value in ((0, 80.0), (1, 84.0))]
    return [*first, result("a/one", {"accuracy": 95.0}, model="other")]


PAPER = [
    Column("One", scores=("a/one accuracy",)), Column("Two", scores=("a/two f1", "a/two accuracy")),
    Column("mean", mean=("One", "Two")),
]  # fmt: skip


def test_the_table_in_latex():
    assert (
        suite_text(suite_table(several(), PAPER), "latex")
        == r"""\begin{table}
\centering
\begin{tabular}{lrrr}
\toprule
model & One & Two & mean \\
\midrule
other & \textbf{95.0} & -- & n/a \\
m & 91.0$\pm$1.4 & 82.0$\pm$2.8/77.0$\pm$2.8 & 85.2$\pm$2.1 \\
\bottomrule
\end{tabular}
\begin{itemize}\footnotesize
\item bold: the best of a column
\item $\pm$: the deviation of one seed, beside the mean of all
\item --: no run, a score that is not defined, or a slice of fewer than 10 examples
\item n/a: the mean of columns of which one is missing
\item other: fine-tuned
\item other, with 95 \% intervals: One 95.00 [94.0, 96.0], n 100
\item m: fine-tuned, 2 seeds
\item m, with 95 \% intervals: One 91.00 [90.0, 92.0], n 100; Two WIDTHS, n 100; mean 85.25 [84.5, 86.0], n 200
\end{itemize}
\end{table}
""".replace("WIDTHS", "82.00 [81.0, 83.0] / 77.00 [76.0, 78.0]")
    )


def test_other_forms_have_the_same_figures():
    table = suite_table(several(), PAPER)
    assert "| m | 91.0±1.4 | 82.0±2.8/77.0±2.8 | 85.2±2.1 |" in suite_text(table, "markdown")
    assert "| other | **95.0** | – | n/a |" in suite_text(table, "markdown")
    assert re.search(r"other +95\.0\* +– +n/a", suite_text(table, "table"))
    told = json.loads(suite_text(table, "json"))
    mean = next(one for one in told["scores"] if (one["model"], one["column"]) == ("m", "mean"))
    assert (mean["value"], mean["seeds"], mean["examples"], mean["protocol"]) == (85.25, 2, 200, "fine-tuned, 2 seeds")
    assert mean["seed_deviation"] == pytest.approx(4.5 / 2**0.5 / 1.5)
    lines = suite_text(table, "csv").splitlines()
    assert lines[0].startswith("model,column,score,value,low,high,unit")
    assert sum(line.startswith("m,Two,") for line in lines) == 3
    with pytest.raises(InputError, match="there is no format 'html'"):
        suite_text(table, "html")


def test_runs_of_other_tasks_are_left_out():
    others = [result("b/one", {"accuracy": 1.0}), result("b/one", {"accuracy": 1.0}, model="stranger")]
    assert suite_table([*several(), *others], PAPER) == suite_table(several(), PAPER)


def test_nothing_below_zero_is_printed_where_zero_is():
    zero = [result("a/one", {"accuracy": -1e-14})]
    assert "| m | 0.0 |" in suite_text(suite_table(zero, PAPER[:1]), "markdown")
    assert "One 0.00 [-1.0, 1.0]" in suite_text(suite_table(zero, PAPER[:1]), "table")


def test_of_several_settings_the_best_ranked_stands_there_and_it_is_said():
    worse = result("a/one", {"accuracy": 50.0})
    worse = Result(record={**worse.record, "identity": "w", "seed": {"value": 0, "recipe": "w"}}, folder=Path("w"))
    table = suite_table([*several(), worse], PAPER)
    assert "91.0±1.4" in suite_text(table, "markdown")
    assert "m: fine-tuned, 2 seeds, the best of several runs (a/one); fine-tuned, 2 seeds (a/two)" in suite_text(
        table, "markdown"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('mean = ["two"]', r":10: expected titles of columns before, found 'two'"),
        ('mean = ["on"]', r"found 'on'\n  did you mean 'one'"),
        ('scores = ["a/two accuracy"]', r'expected "TASK SCORE" .* found \'a/two accuracy\''),
        ('scores = ["a/one"]', r"found 'a/one'"),
        ('scores = ["a/one f1"]\nmean = ["one"]', r"expected scores = .*, found both"),
        ("", r"found neither"),
        ('less = ["a/one f1"]', r"found neither"),
        ("score = []", r"expected a key in \[columns.1\]: title, scores, mean, less, found 'score'\n  did you mean 'scores'"),
        ("scores = 1", r"expected a list of texts for 'scores', found 1"),
    ],
)
def test_what_is_no_column_is_said_with_its_line(tmp_path, text, said):
    path = tmp_path / "suite.toml"
    path.write_text(COLUMNS + f'[[columns]]\ntitle = "two"\n{text}\n')
    with pytest.raises(InputError) as e:
        read_columns(path)
    assert re.search(said, str(e.value), re.DOTALL), str(e.value)


def test_a_title_stands_once(tmp_path):
    path = tmp_path / "suite.toml"
    path.write_text(COLUMNS + '[[columns]]\ntitle = "one"\nscores = ["a/one f1"]\n')
    with pytest.raises(InputError, match="expected a title of its own, found 'one'"):
        read_columns(path)


# ── from the command line ─────────────────────────────────────────────────────────────────────────────────────────

TOY = """
description = "even or odd"
threads = 1
[[tasks]]
name = "toy/even"
[[models]]
name = "nobody/nothing"
[[columns]]
title = "even"
scores = ["toy/even accuracy"]
[[columns]]
title = "mean"
mean = ["even"]
"""


def plmtasks(folder: Path, *arguments: str) -> CompletedProcess[str]:
    tests = str(Path(__file__).parents[3] / "tests")
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": tests, "PLMTASKS_PLUGINS": "toy", "HF_HUB_OFFLINE": "1"}
    return warm.plmtasks(arguments, folder, environment)


@pytest.mark.slow
def test_a_sweep_prints_its_suites_table_and_a_leaderboard_the_same(tmp_path):
    (tmp_path / "toy.toml").write_text(TOY)
    swept = plmtasks(tmp_path, "sweep", "toy.toml", "--model", "toy-model", "--format", "markdown")
    assert swept.returncode == 0, swept.stderr
    assert swept.stdout.startswith("| model | even | mean |\n| --- | --- | --- |\n| toy-model | 47.8 | 47.8 |\n")
    assert "1 run: 1 done" in swept.stderr
    shown = plmtasks(tmp_path, "leaderboard", "results", "--suite", "toy.toml", "--format", "markdown")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == swept.stdout
    listed = plmtasks(tmp_path, "leaderboard", "results", "--suite", "toy.toml", "--sort", "model")
    assert listed.returncode == 2
    assert "--suite has its columns from the suite's file" in listed.stderr
    (tmp_path / "bare.toml").write_text(TOY.partition("[[columns]]")[0])
    bare = plmtasks(tmp_path, "leaderboard", "results", "--suite", "bare.toml")
    assert bare.returncode == 2
    assert "bare.toml says no [[columns]]" in bare.stderr
