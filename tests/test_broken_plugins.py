"""Broken plugins: each has one readable message that names its distribution, and what does not need it goes on."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import warm

import plmtasks

HEAD = "from plmtasks import hookimpl\nimport toy\n"
TASKS = HEAD + "@hookimpl\ndef register_tasks():\n    "


class Broken(NamedTuple):
    """A plugin, and what is said of it when any plugin is asked for."""

    code: str | None
    """Of its module; None: there is none."""
    said: str


LOADING = {
    "import-error": Broken("from plmtasks.task import Taks\n", "ImportError: cannot import name 'Taks' from 'plmtasks.task'"),
    "missing-dependency": Broken("import a_package_that_nobody_has\n", "No module named 'a_package_that_nobody_has'"),
    "syntax-error": Broken("def register_tasks(:\n", "SyntaxError: invalid syntax"),
    "missing-module": Broken(None, "No module named 'broken_missing_module'"),
    "exit": Broken("import sys\nsys.exit('no licence')\n", "SystemExit: no licence"),
    "unknown-hook": Broken(HEAD + "@hookimpl\ndef register_taks():\n    return []\n", "unknown hook 'register_taks'"),
    "wrong-signature": Broken(HEAD + "@hookimpl\ndef register_tasks(language):\n    return []\n", "{'language'} are declared"),
    "hook-raises": Broken(TASKS + "return [][0]\n", "IndexError: list index out of range"),
    "hook-returns-nothing": Broken(TASKS + "pass\n", "register_tasks gave nothing"),
    "hook-returns-no-list": Broken(TASKS + "return 3\n", "'int' object is not iterable"),
    "no-task": Broken(TASKS + "return ['a task']\n", "register_tasks gave 'a task', which is no Task"),
    "a-class": Broken(TASKS + "return [toy.ToyTask]\n", "which is no Task"),
    "twice": Broken(TASKS + "return [toy.ToyTask(name='t/a'), toy.ToyTask(name='t/a')]\n", "gave 't/a' more than once"),
    "no-name": Broken(
        HEAD + "class T(toy.ToyAccuracy):\n    name = None\n@hookimpl\ndef register_metrics():\n    return [T()]\n",
        "gave a T of the name None; a name is a word",
    ),
    "strange-name": Broken(TASKS + "return [toy.ToyTask(name='../a b')]\n", "of the name '../a b'; a name is a word"),
    "old-interface": Broken(
        HEAD + "import plmtasks.task\nclass T(plmtasks.task.Task):\n    name = 'a'\n"
        "@hookimpl\ndef register_tasks():\n    return [T()]\n",
        "Can't instantiate abstract class T with abstract methods ask, load, read, solve",
    ),
    "old-hooks": Broken("plmtasks_hooks = 0\n", "for version 0 of the hooks; this plmtasks has 1 to 1: upgrade the plugin"),
    "new-hooks": Broken("plmtasks_hooks = 99\n", "for version 99 of the hooks; this plmtasks has 1 to 1: upgrade plmtasks"),
    "taken-request": Broken(
        HEAD + "from plmtasks.requests import Request\nclass Tag(Request):\n    pass\n"
        "@hookimpl\ndef register_requests():\n    return [Tag]\n",
        "register_requests gave 'Tag', which is another kind already",
    ),
}  # fmt: skip

CLASHING = TASKS + "return [toy.ToyTask(name='clash/a')]\n"
SLOW = "import time\ntime.sleep(1.1)\n" + TASKS + "return [toy.ToyTask(name='slow/a')]\n"
TALKING = "print('hello from the import')\n" + TASKS + "print('hello from the hook'); return [toy.ToyTask(name='talking/a')]\n"

FAULTS = (
    HEAD
    + """
import dataclasses
import numpy as np
from plmtasks.data import Dataset


class Asks(toy.ToyTask):
    def ask(self, example, kind):
        return {}["no such field"]


class Loads(toy.ToyTask):
    def load(self, source):
        return {}["no such file"]


class Nan(toy.ToyAccuracy):
    name = "nan"

    def statistics(self, predictions, examples):
        return np.full((len(examples), 2), np.nan)


class Shape(toy.ToyAccuracy):
    name = "shape"

    def statistics(self, predictions, examples):
        return np.zeros((3, 7))


class Raises(toy.ToyAccuracy):
    name = "raises"

    def reduce(self, totals):
        raise ArithmeticError("no reduction today")


class Weights(toy.ToyModel):
    def load(self, form, settings, device):
        raise RuntimeError("no weights today")


@hookimpl
def register_tasks():
    names = {"metric-nan": "nan", "metric-shape": "shape", "metric-raises": "raises"}
    return [
        Asks(name="fault/asks"), Loads(name="fault/loads"),
        *(toy.ToyTask(name=f"fault/{name}", metrics=(metric,)) for name, metric in names.items()),
    ]


@hookimpl
def register_metrics():
    return [Nan(), Shape(), Raises()]


@hookimpl
def register_models():
    return [Weights(name="no-weights")]


@hookimpl
def report(result):
    raise OSError("the tracker is away")
"""
)


def install(folder: Path, name: str, code: str | None) -> None:
    """A distribution as pip leaves it behind: its metadata and one module."""
    module = f"broken_{name.replace('-', '_')}"
    if code is not None:
        (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: broken-{name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[plmtasks]\n{name} = {module}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name, broken in LOADING.items():
        install(folder, name, broken.code)
    install(folder, "clashing-one", CLASHING)
    install(folder, "clashing-two", CLASHING)
    install(folder, "slow", SLOW)
    install(folder, "talking", TALKING)
    install(folder, "faults", FAULTS)
    return folder


def call(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    places = [str(site), str(Path(__file__).parent), str(Path(plmtasks.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    more = {"PYTHONPATH": os.pathsep.join(places), "PLMTASKS_PLUGINS": "toy", **environment}
    return warm.plmtasks(arguments, Path.cwd(), {**os.environ, **more})


@pytest.fixture(scope="module")
def listed(site: Path) -> subprocess.CompletedProcess[str]:
    done = call(site, "list", "plugins")
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
@pytest.mark.parametrize("name", LOADING)
def test_one_line_says_why(name: str, listed: subprocess.CompletedProcess[str]) -> None:
    for text in (listed.stdout, listed.stderr):
        (line,) = (line for line in text.splitlines() if f"broken-{name} 1.0" in line)
        assert "failed to load: " in line
        assert LOADING[name].said in line
    assert "Traceback" not in listed.stderr


@pytest.mark.slow
def test_what_was_written_for_another_version_says_so(listed: subprocess.CompletedProcess[str]) -> None:
    for name in ("import-error", "wrong-signature"):
        (line,) = (line for line in listed.stderr.splitlines() if f"broken-{name} " in line)
        assert line.endswith(f"written for another version of plmtasks than {plmtasks.__version__}")


def test_slow_and_clashing_ones_are_told_of(listed: subprocess.CompletedProcess[str]) -> None:
    said = {line.split()[1]: " ".join(line.split()[3:]) for line in listed.stdout.splitlines()[2:]}
    assert said["broken-slow"].startswith("1 task (register_tasks); took 1.")
    assert "task 'clash/a' is claimed by broken-clashing-one 1.0 and broken-clashing-two 1.0: it cannot be used" in listed.stdout


@pytest.mark.slow
def test_what_a_plugin_prints_is_not_our_output(site: Path) -> None:
    done = call(site, "list", "plugins", "--format", "json")
    told = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    assert told["talking"]["brings"] == {"task": 1}
    assert told["exit"]["error"] == "SystemExit: no licence"
    assert "hello from the import\n" in done.stderr
    assert "hello from the hook\n" in done.stderr


@pytest.mark.slow
def test_a_run_that_does_not_need_them_goes_on(site: Path, tmp_path: Path) -> None:
    small = ["--training", "max_train_samples=32,num_train_epochs=1,select_split=none"]
    small += ["--limit", "8", "--threads", "1", "--quiet"]
    places = ["--output", str(tmp_path / "r"), "--checkpoints", str(tmp_path / "c")]
    done = call(site, "run", "--task", "qa/sample", "--model", "tiny-bert", *small, *places)
    assert done.returncode == 0, done.stderr
    assert "tiny-bert" in done.stdout
    assert "warning: plugin broken-exit 1.0 failed to load: SystemExit: no licence\n" in done.stderr
    assert "warning: plugin broken-faults 1.0 failed at a result: OSError: the tracker is away\n" in done.stderr
    assert len(list((tmp_path / "r").rglob("result.json"))) == 1


FAILED = "plugin 'faults' (broken-faults 1.0) failed"
NEEDED = {
    "a task that nobody brings": ("old/a", "toy-model", "broken-old-interface 1.0 failed to load: TypeError: Can't inst", 2),
    "a name of two": ("clash/a", "toy-model", "by more than one plugin: broken-clashing-one 1.0, broken-clashing-two 1.0", 2),
    "a task that cannot ask": ("fault/asks", "toy-model", f"{FAILED}, at example 'n0': KeyError: 'no such field'", 1),
    "a task that cannot load": ("fault/loads", "toy-model", f"{FAILED}: KeyError: 'no such file'", 1),
    "a metric of nan": ("fault/metric-nan", "toy-model", "metric 'nan' of broken-faults 1.0 gave statistics of shape (23, 2)", 1),
    "a metric of a wrong shape": ("fault/metric-shape", "toy-model", "metric 'shape' of broken-faults 1.0 gave statistics of", 1),
    "a metric that raises": ("fault/metric-raises", "toy-model", f"{FAILED}: ArithmeticError: no reduction today", 1),
    "a model without weights": ("toy/even", "no-weights", f"{FAILED}: RuntimeError: no weights today", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize(("task", "model", "said", "code"), NEEDED.values(), ids=NEEDED)
def test_a_run_that_needs_one_ends_with_its_reason(
    task: str, model: str, said: str, code: int, site: Path, tmp_path: Path
) -> None:
    done = call(site, "run", "--task", task, "--model", model, "--output", str(tmp_path), PLMTASKS_DISABLE="slow")
    assert done.returncode == code
    error = done.stderr[done.stderr.index("error: ") :]
    assert said in error
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.slow
def test_of_several_processes_the_traceback_ends_with_the_plugin(site: Path, tmp_path: Path) -> None:
    done = call(
        site, "run", "--task", "fault/loads", "--model", "toy-model", "--processes", "2", "--output", str(tmp_path),
        PLMTASKS_DISABLE="slow",
    )  # fmt: skip
    assert done.returncode == 1
    assert f"KeyError: 'no such file'\n{FAILED}: KeyError: 'no such file'\n" in done.stderr


@pytest.mark.slow
def test_what_is_disabled_is_not_even_imported(site: Path) -> None:
    done = call(site, "list", "plugins", "--disable", "talking,broken-exit", "--debug")
    assert "hello" not in done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" disabled")} == {"talking", "exit"}
    assert "no licence" not in done.stdout + done.stderr
    lacking = call(site, "--disable")
    assert lacking.returncode == 2
    assert "Option '--disable' requires an argument" in lacking.stderr
    unknown = call(site, "list", "plugins", "--disable", "talkin")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("error: there is no plugin 'talkin'\n  did you mean 'talking'")
