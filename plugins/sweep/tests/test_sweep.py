"""Suites and their runs; the faults are those of the toy plugin."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import toy
import warm
from plmtasks_sweep.cells import Cell, plan
from plmtasks_sweep.handed import standing

from plmtasks.errors import InputError
from plmtasks.evaluation import read_suite, run
from plmtasks.files import claim
from plmtasks.hooks import Registry, load_registry
from plmtasks.results import read_results

pytestmark = pytest.mark.slow

SUITES = sorted((Path(__file__).parents[3] / "benchmarks" / "suites").glob("*.toml"))

PAIR = '[[tasks]]\nname = "qa/sample"\n[[models]]\nname = "tiny-bert"\n'


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def suite(folder: Path, text: str) -> Path:
    path = folder / "suite.toml"
    path.write_text(text, encoding="utf-8")
    return path


def cells(path: Path, registry: Registry, **line: Any) -> list[Cell]:
    """The runs of a suite, with what stands on the command line."""
    return plan(read_suite(path).on_line(line), registry)


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = \n", r"suite\.toml:1: expected TOML, found .*line 1"),
        ("", r"suite\.toml names no task\n  --task NAME, or task = \"NAME\" in a file"),
        ('tasks = "qa"\n', r"suite\.toml:1: expected tables \[\[tasks\]\], found 'qa'"),
        (PAIR + "lerning_rate = 1\n", r"suite\.toml:5: expected a setting in \[\[models\]\], found 'lerning_rate'\n"
         "  did you mean 'training.learning_rate'"),
        ("\nlimits = 3\n" + PAIR, r"suite\.toml:2: .* at the top, found 'limits'\n  did you mean 'limit'"),
        ("slurm = 3\n" + PAIR, r"suite\.toml:1: expected a table \{name = .*\} for 'slurm', found 3"),
        ("[slrum]\n" + PAIR, r"suite\.toml:1: expected a setting at the top, found 'slrum'\n  did you mean 'slurm'"),
        (PAIR + "seed = 3\n", r"suite\.toml:5: .* found 'seed'\n  seed = \[0, 1, …\] at the top says the seeds of all runs"),
        (PAIR + 'output = "x"\n', r"suite\.toml:5: .* found 'output'\n  it stands at the top"),
        ("task = 1\n" + PAIR, r"suite\.toml:1: expected task = .* found 1"),
        (PAIR + 'training.seed = "three"\n', r"suite\.toml:5: expected a whole number for 'seed', found 'three'"),
        (PAIR + "limit = true\n", r"suite\.toml:5: expected a whole number for 'limit', found True"),
        (PAIR + "limit = 1.5\n", r"suite\.toml:5: expected a whole number for 'limit', found 1\.5"),
        (PAIR + 'train = "perhaps"\n', r"suite\.toml:5: expected one of auto, never, always for 'train', found 'perhaps'"),
        (PAIR + 'training.freeze = "base"\n', r"suite\.toml:5: expected a list of texts for 'freeze', found 'base'"),
        (PAIR + "columns = {text = 1}\n", r'suite\.toml:5: expected a table \{name = "…"\} for \'columns\', found \{'),
        (PAIR + "training.num_train_epochs = -1\n", r"suite\.toml:5: num_train_epochs is a number above 0, not -1"),
        ("seed = [1, 1]\n" + PAIR, r"suite\.toml:1: expected seed = 0 or \[0, 1, …\], each once, found \[1, 1\]"),
        ('seed = "3"\n' + PAIR, r"suite\.toml:1: expected seed"),
        (PAIR + "[[models]]\nlimit = 1\n", r'suite\.toml:5: expected a name = "…" in \[\[models\]\], found None'),
        (PAIR + '[[models]]\nname = "tiny-bert"\n', r"suite\.toml:5: expected each of \[\[models\]\] once, found 'tiny-b"),
        (PAIR + '[[exclude]]\nmodle = "x"\n', r"suite\.toml:6: expected task = .* in \[\[exclude\]\], found modle = 'x'"),
        (PAIR + "[[exclude]]\n", r"suite\.toml:5: expected task = .* in \[\[exclude\]\], found neither"),
        (PAIR + '[[exclude]]\nmodel = "tiny-gp*"\n', r"suite\.toml:5: expected a pattern that some pair fits, found \{'model'"),
        (PAIR + "[models.model_args]\nx = 1\n[models.settings]\n", r"suite\.toml:7: .* found 'settings'"),
        ("[training]\nepochs = 1\n" + PAIR, r"suite\.toml:2: no setting of training is called 'epochs'"),
    ],
)  # fmt: skip
def test_what_is_no_suite_is_said_with_its_line(tmp_path, text, said):
    with pytest.raises(InputError) as e:
        read_suite(suite(tmp_path, text)).on_line({})
    assert re.search(said, str(e.value)), str(e.value)


def test_a_suite_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file"):
        read_suite(tmp_path / "none.toml")


@pytest.mark.parametrize(("kind", "name"), [("tasks", "qa/squat"), ("tasks", "nothing")])
def test_an_unknown_task_is_said_with_its_line(tmp_path, registry, kind, name):
    path = suite(tmp_path, PAIR + f'[[{kind}]]\nname = "{name}"\n')
    with pytest.raises(InputError, match=rf"suite\.toml:5: there is no task '{name}'"):
        cells(path, registry)


def test_a_model_goes_before_a_task_and_a_task_before_the_top(tmp_path, registry):
    text = """
        seed = [3, 5]
        training.num_train_epochs = 1
        limit = 10
        training.learning_rate = 1
        output = "a"
        [[tasks]]
        name = "qa/sample"
        training.num_train_epochs = 2
        limit = 20
        [[models]]
        name = "tiny-bert"
        training.num_train_epochs = 3
        training.freeze = ["base"]
        model_args = {x = 1}
        [[models]]
        name = "tiny-bert"
        training.max_train_samples = 7
    """
    first, second, third, _ = cells(suite(tmp_path, text), registry, output="b")
    c = first.config
    assert (c.training.num_train_epochs, c.limit, c.training.learning_rate, c.output) == (3, 20, 1, "b")
    assert (c.training.freeze, c.settings.model_args) == (("base",), {"x": 1})
    assert [(c.seed, c.training.seed) for c in (first.config, second.config)] == [(3, 3), (5, 5)]
    assert third.config.training.max_train_samples == 7
    assert first.model == 'tiny-bert (model_args {"x": 1}, num_train_epochs 3, freeze ["base"])'
    assert third.model == "tiny-bert (max_train_samples 7)"
    assert len({cell.key for cell in cells(suite(tmp_path, text), registry)}) == 4
    assert first.key == cells(suite(tmp_path, text), registry, quiet=True, processes=2)[0].key


def test_a_model_asks_an_engine_for_more_than_a_task_and_that_for_more_than_the_top(tmp_path, registry):
    text = (
        'on = "slurm"\n[slurm]\ntime = 1\nmem = "1GB"\n[[tasks]]\nname = "qa/sample"\nslurm.time = 2\nslurm.nodes = 2\n'
        '[[models]]\nname = "tiny-bert"\n[models.slurm]\ntime = 3\n[models.ray]\ngpus = 1\n[[models]]\nname = "tiny-gpt"\n'
    )
    first, second = cells(suite(tmp_path, text), registry)
    assert first.resources == {"time": 3, "mem": "1GB", "nodes": 2}
    assert second.resources == {"time": 2, "mem": "1GB", "nodes": 2}
    assert first.model == "tiny-bert"
    local, _ = cells(suite(tmp_path, text.replace('on = "slurm"\n', "")), registry)
    assert local.resources == {}


def test_excluded_pairs(tmp_path, registry):
    text = PAIR + '[[models]]\nname = "tiny-gpt"\n[[tasks]]\nname = "srl/sample"\n[[exclude]]\ntask = "srl/*"\nmodel = "*-gpt"\n'
    found = cells(suite(tmp_path, text), registry)
    assert [(c.config.task, c.config.model) for c in found if c.state == "excluded"] == [("srl/sample", "tiny-gpt")]
    assert len(found) == 4


def test_those_pairs_are_run_that_are_wanted(tmp_path, registry):
    text = PAIR + '[[models]]\nname = "tiny-gpt"\n[[tasks]]\nname = "srl/sample"\n[[exclude]]\ntask = "srl/*"\nmodel = "*-gpt"\n'
    asked = read_suite(suite(tmp_path, text)).on_line({})

    def pairs(*only):
        return [(c.config.task, c.config.model) for c in plan(asked.narrowed(only), registry) if c.state != "excluded"]

    assert pairs({"task": "qa/*", "model": "*-gpt"}) == [("qa/sample", "tiny-gpt")]
    assert pairs({"model": "*-gpt"}, {"task": "srl/*"}) == [("qa/sample", "tiny-gpt"), ("srl/sample", "tiny-bert")]
    with pytest.raises(
        InputError, match=r"--only task=srl/\*,model=tiny-gpt fits no run\n  there are:\n  task=qa/sample,model=tiny-b"
    ):
        pairs({"task": "srl/*", "model": "tiny-gpt"})
    with pytest.raises(InputError, match="no part of --only is called 'tusk'\n  did you mean 'task'"):
        pairs({"tusk": "srl/*"})


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_ready_suites_are_suites(path, registry):
    found = cells(path, registry)
    assert {cell.state for cell in found} <= {"to run", "excluded"}
    assert len(found) > 3


def test_there_are_ready_suites():
    assert {path.stem for path in SUITES} >= {"demo", "local", "squad", "srl", "translation"}


# ── its runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

TINY = """
threads = 1
limit = 5
[[tasks]]
name = "toy/even"
[[tasks]]
name = "classification/sample"
training.max_train_samples = 16
training.num_train_epochs = 1
[[models]]
name = "toy-model"
[[models]]
name = "tiny-bert"
[[exclude]]
task = "toy/even"
model = "tiny-bert"
[[exclude]]
task = "classification/*"
model = "toy-model"
"""


def command(folder: Path, *arguments: str, **environment: str) -> tuple[list[str], dict[str, object]]:
    tests = str(Path(__file__).parents[3] / "tests")
    made = {
        **os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PLMTASKS_PLUGINS": "toy",
        "PYTHONPATH": os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])]), **environment,
    }  # fmt: skip
    return [sys.executable, "-m", "plmtasks", "sweep", "suite.toml", *arguments], {"cwd": folder, "env": made, "text": True}


def sweep(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line, more = command(folder, *arguments, **environment)
    return warm.plmtasks(line[3:], folder, more["env"])  # type: ignore[arg-type]


def test_what_fails_stops_nothing_and_is_retried_on_request(tmp_path):
    suite(tmp_path, TINY)
    failures = tmp_path / "results" / "failures"
    done = sweep(tmp_path, TOY_FAULT="kill:0:1")
    assert done.returncode == 1
    assert "toy/even on toy-model, seed 0 (failed): process 0 ended by signal 9 (SIGKILL)" in done.stderr
    assert "error: 1 of 4 runs failed" in done.stderr
    assert "4 runs: 1 failed, 2 excluded, 1 done" in done.stdout
    assert "tiny-bert" in done.stdout  # the table
    (path,) = failures.glob("*.json")
    kept = json.loads(path.read_text())
    assert (kept["task"], kept["model"], kept["seed"]) == ("toy/even", "toy-model", 0)
    assert "SIGKILL" in kept["error"]

    log = tmp_path / "log"
    again = sweep(tmp_path, TOY_LOG=str(log))
    assert again.returncode == 1
    assert "(failed before): process 0 ended by signal 9" in again.stderr
    assert "1 failed before" in again.stdout
    assert "classification/sample on tiny-bert, seed 0: " in again.stderr
    assert "(is there)" in again.stderr
    assert not log.exists()

    retried = sweep(tmp_path, "--retry", TOY_LOG=str(log))
    assert retried.returncode == 0, retried.stderr
    assert log.exists()
    assert not list(failures.iterdir())
    assert "1 done" in retried.stdout
    assert len(read_results(tmp_path / "results")) == 2

    listed = sweep(tmp_path, "--dry-run").stdout
    assert "4 runs: 2 there, 2 excluded" in listed
    terminal, ours = pty.openpty()
    line, more = command(tmp_path)
    live = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=ours, **more)  # type: ignore[call-overload]
    os.close(ours)
    shown = _read(terminal)
    assert live.wait(100) == 0
    assert "task" in shown
    assert "there" in shown
    assert "toy/even" in shown


def _read(terminal: int) -> str:
    found = b""
    while True:
        try:
            block = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        found += block
    os.close(terminal)
    return found.decode(errors="replace")


def test_a_traceback_is_kept_whole_and_said_in_a_line_and_what_is_damaged_is_told(tmp_path):
    suite(tmp_path, '[[tasks]]\nname = "toy/even"\n[[models]]\nname = "toy-model"\n')
    done = sweep(tmp_path, TOY_FAULT="raise:0:1")
    assert done.returncode == 1
    said = "plugin 'toy' (toy) failed: RuntimeError: a fault on demand\n"
    assert f"(failed): {said}" in done.stderr
    assert f"seed 0: {said}" in done.stderr
    (path,) = (tmp_path / "results" / "failures").glob("*.json")
    kept = json.loads(path.read_text())
    assert "Traceback" in kept["error"]

    path.write_text("{1")
    done = sweep(tmp_path)
    assert done.returncode == 2
    assert f"results/failures/{path.name}:1:2: expected a sweep's failed run: JSON, found Expecting property name" in done.stderr


def test_the_matrix_is_listed_and_nothing_is_made(tmp_path):
    suite(
        tmp_path,
        'seed = [0, 1]\n[[tasks]]\nname = "translation/sample"\n[[tasks]]\nname = "classification/sst2"\ndata = "none"\n'
        '[[models]]\nname = "tiny-bert"\n[[models]]\nname = "tiny-t5"\n[[models]]\nname = "some/model"\n'
        '[[exclude]]\ntask = "classification/*"\nmodel = "tiny-t5"\n',
    )
    done = sweep(tmp_path, "--dry-run")
    assert done.returncode == 0
    rows = {tuple(line.split()[:2]): " ".join(line.split()[2:]) for line in done.stdout.splitlines() if "/" in line}
    unfit = "0, 1 left out: model 'tiny-bert' cannot be asked task 'translation/sample'"
    assert rows["translation/sample", "tiny-bert"] == unfit
    assert rows["translation/sample", "tiny-t5"] == "0, 1 to run"
    assert (
        "not checked: 'some/model' is not on this machine, and the hub cannot be reached"
        in rows["translation/sample", "some/model"]
    )
    assert rows["classification/sst2", "tiny-bert"] == "0, 1 not checked: none: no such file or folder"
    assert rows["classification/sst2", "tiny-t5"] == "0, 1 excluded"
    assert "12 runs: 2 left out, 2 to run, 6 not checked, 2 excluded" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"suite.toml"}


def test_the_line_goes_before_the_suite(tmp_path):
    suite(tmp_path, TINY.replace("limit = 5", "limit = 5\nseed = [0, 1]"))
    line = ("--only", "task=classification/*,model=tiny-*", "--num-train-epochs", "2", "--limit", "7", "--seed", "3", "--quiet")
    done = sweep(
        tmp_path, *line, "--training", "learning_rate=0.01", PLMTASKS_LIMIT="9", PLMTASKS_THREADS="2", PLMTASKS_SPLIT="test"
    )
    assert done.returncode == 0, done.stderr
    (result,) = read_results(tmp_path / "results")
    made = json.loads((result.folder / "config.json").read_text())["config"]
    assert (made["limit"], made["seed"], made["settings"]["threads"], made["split"]) == (7, 3, 1, "test")
    taken = {name: made["training"][name] for name in ("num_train_epochs", "max_train_samples", "learning_rate")}
    assert taken == {"num_train_epochs": 2.0, "max_train_samples": 16, "learning_rate": 0.01}


def test_a_seed_on_which_nothing_depends_is_run_once(tmp_path):
    suite(tmp_path, 'seed = [0, 1, 2]\nprocesses = 2\n[[tasks]]\nname = "toy/even"\n[[models]]\nname = "toy-model"\n')
    done = sweep(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 runs: 1 done, 2 there" in done.stdout
    (result,) = read_results(tmp_path / "results")
    environment = json.loads((result.folder / "environment.json").read_text())
    assert environment["processes"] == 2


def test_interrupted_the_same_command_goes_on(tmp_path):
    suite(
        tmp_path,
        '[[tasks]]\nname = "toy/even"\n[[models]]\nname = "toy-model"\n[[models]]\nname = "toy-model"\nbatch_tokens = 11\n',
    )
    log = tmp_path / "log"
    line, more = command(tmp_path, TOY_SLEEP="1", TOY_LOG=str(log))
    # where the tests run in the background of a shell, SIGINT is ignored
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    swept = subprocess.Popen(  # type: ignore[call-overload]
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=heeds, **more
    )
    deadline = time.monotonic() + 100
    while not (log.exists() and len(log.read_text().splitlines()) > 1 and read_results_of(tmp_path)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(swept.pid, signal.SIGINT)
    _, said = swept.communicate(timeout=100)
    assert swept.returncode == 130
    assert "interrupted: the same command goes on where it was" in said
    assert not (tmp_path / "results" / "failures").exists()
    before = len(read_results(tmp_path / "results"))
    assert before == 1
    done = sweep(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 runs: 1 there, 1 done" in done.stdout


def test_sweeps_over_one_folder_share_the_runs(tmp_path):
    models = "".join(f'[[models]]\nname = "toy-model"\nbatch_tokens = {tokens}\n' for tokens in (22, 23))
    suite(tmp_path, f'threads = 1\n[[tasks]]\nname = "toy/even"\n{models}')
    log = tmp_path / "log"
    line, more = command(tmp_path, TOY_SLEEP="0.5", TOY_LOG=str(log))
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more) for _ in range(2)]  # type: ignore[call-overload]
    tables = []
    for one in both:
        table, said = one.communicate(timeout=250)
        assert one.returncode == 0, said
        tables.append(table.rsplit("\n", 2)[0])
    assert tables[0] == tables[1]
    journals = [path for run in read_results_of(tmp_path) for path in (run.parent / "journal").glob("*.jsonl")]
    assert len(journals) == 2
    assert len(log.read_text().splitlines()) == sum(len(path.read_text().splitlines()) for path in journals)


def test_what_somebody_is_at_stands_as_busy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    registry = load_registry([toy], installed=False)
    [cell] = cells(suite(tmp_path, '[[tasks]]\nname = "toy/even"\n[[models]]\nname = "toy-model"\n'), registry, threads=1)
    [result] = run([cell.config], registry)
    (result.folder / "result.json").unlink()
    with claim(result.folder, "run"):
        [now] = standing([cell], registry, None)
    assert now.state == "busy"
    assert now.note.startswith(f"process {os.getpid()} on ")
    assert [one.state for one in standing([cell], registry, None)] == ["to run"]


def read_results_of(folder: Path) -> list[Path]:
    return list((folder / "results").rglob("result.json"))


def test_a_launcher_of_its_own_is_refused(tmp_path):
    suite(tmp_path, TINY)
    done = sweep(tmp_path, WORLD_SIZE="2", RANK="0")
    assert done.returncode == 2
    assert "a sweep starts its processes itself" in done.stderr
