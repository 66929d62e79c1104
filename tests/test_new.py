"""`plmtasks new`: what it writes installs, passes its tests, is listed and runs, as it stands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plmtasks.cli.new import LICENSES, New, create
from plmtasks.errors import InputError, OutputError
from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
KINDS = ("task", "model", "metric")
LISTED = {"task": "fresh-task/first", "model": "fresh-model", "metric": "fresh_metric"}


def python(cwd: Path, *arguments: str, site: Path | None = None) -> str:
    """What a fresh interpreter prints that finds the packages in `site` too."""
    path = [str(site)] if site else []
    path += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new distribution of each kind, and all of them installed in its folder `site`."""
    folder = tmp_path_factory.mktemp("new")
    for kind in KINDS[1:]:
        create(New(kind=kind, name=f"fresh-{kind}"), folder / f"plmtasks-fresh-{kind}", load_registry(installed=False))
    said = python(folder, "plmtasks", "new", "task", "fresh-task")
    assert said.startswith("plmtasks-fresh-task: 11 files, for the task fresh-task/first\n")
    assert said.endswith("  plmtasks run --task fresh-task/first --model tiny-bert --training num_train_epochs=20\n")
    made = [f"./plmtasks-fresh-{kind}" for kind in KINDS]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    python(folder, "pip", "install", *offline, "--target", "site", *made)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_tests_pass(home: Path, kind: str) -> None:
    said = python(home / f"plmtasks-fresh-{kind}", "pytest", "-q", "-p", "no:cacheprovider", site=home / "site")
    assert " passed" in said
    assert "warning" not in said


def test_what_is_installed_is_listed(home: Path) -> None:
    plugins = python(home, "plmtasks", "list", "plugins", site=home / "site")
    listed = {kind: python(home, "plmtasks", "list", f"{kind}s", site=home / "site") for kind in KINDS}
    for kind in KINDS:
        assert f"plmtasks-fresh-{kind} 0.1.0" in plugins
        assert LISTED[kind] in listed[kind]
    assert "failed" not in plugins


def test_the_three_run_together(home: Path) -> None:
    """The task is learned by the model and scored by the metric; tiny-bert learns it as the next steps say."""
    run = ["plmtasks", "run", "--task", "fresh-task/first", "--metrics", "fresh_metric", "--quiet"]
    run += ["--training", "num_train_epochs=20"]
    table = python(home, *run, "--model", "fresh-model,tiny-bert", "--threads", "1", site=home / "site")
    for model in ("fresh-model", "tiny-bert"):
        [row] = [line for line in table.splitlines() if f" {model} " in line and "fine-tuned" in line]
        assert float(row.split("fine-tuned")[1].split()[1]) > 80
    assert "fresh_metric" in table
    # and the model is taken from the folder in which it was saved
    [saved] = home.glob("checkpoints/fresh-task/first/fresh-model/*")
    again = python(home, *run, "--model", f"fresh-model:{saved}", "--train", "never", "--threads", "1", site=home / "site")
    assert " fine-tuned " in again


def test_strict_types_accept_it(home: Path) -> None:
    packages = [str(home / f"plmtasks-fresh-{kind}" / f"plmtasks_fresh_{kind}") for kind in KINDS]
    # in the repository, whose cache knows torch already
    assert python(ROOT, "mypy", "--strict", *packages).startswith("Success")


def test_the_house_style_accepts_it(home: Path) -> None:
    rules = ["--isolated", "--no-cache", "--config", "line-length = 130"]
    for kind in KINDS:
        python(home / f"plmtasks-fresh-{kind}", "ruff", "check", *rules, "--extend-select", "I,UP,B,C4,PTH,PT,RUF,D100", ".")
        python(home / f"plmtasks-fresh-{kind}", "ruff", "format", *rules, "--check", ".")


@pytest.mark.parametrize("license", LICENSES)
def test_its_license(tmp_path: Path, license: str) -> None:
    files = create(New(kind="task", name="hotels", license=license), tmp_path / "made", load_registry(installed=False))
    said = (tmp_path / "made" / "pyproject.toml").read_text()
    if license == "none":
        assert "LICENSE" not in files
        assert "license" not in said
        assert "Private :: Do Not Upload" in said
    else:
        assert f'license = "{LICENSES[license]}"' in said
        assert "the developers of plmtasks-hotels" in (tmp_path / "made" / "LICENSE").read_text()


# ── what cannot be written ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("task", "Hotel Reviews", "'Hotel Reviews' is no name for a task: .*\n  did you mean 'hotel-reviews'?"),
        ("task", "../x", "'../x' is no name for a task: .*\n  did you mean 'x'"),
        ("task", "2x", "'2x' is no name"),
        ("task", "a--b", "'a--b' is no name for a task: .*\n  did you mean 'a-b'"),
        ("task", "", "'' is no name"),
        ("task", "plmtasks-hotels", "'plmtasks-hotels': plmtasks- is put before the name\n  did you mean 'hotels'"),
        ("task", "qa", "there is a task 'qa/squad' already"),
        ("model", "tiny-bert", "there is a model 'tiny-bert' already"),
        ("model", "transformers", "there is a model 'transformers:' already"),
        ("metric", "accuracy-norm", "there is a metric 'accuracy_norm' already"),
        ("metric", "robustness", "there is a plugin 'robustness' already"),
        ("metric", "language-modeling", "there is a package plmtasks-language-modeling 0.1.0 already"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_used(tmp_path: Path, kind: str, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        create(New(kind=kind, name=name), tmp_path / "made", load_registry())
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine")
    with pytest.raises(
        OutputError, match="made is there already\n  nothing is overwritten: name another folder with --output DIR"
    ):
        create(New(kind="task", name="hotels"), tmp_path / "made", load_registry(installed=False))
    assert [p.name for p in tmp_path.rglob("*")] == ["made", "mine.txt"]


def test_a_folder_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written"):
        create(New(kind="task", name="hotels"), tmp_path / "file" / "made", load_registry(installed=False))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert "pyproject.toml" in create(New(kind="metric", name="hotels"), tmp_path, load_registry(installed=False))
