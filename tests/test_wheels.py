import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile

import fresh
import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow

PLUGINS = {
    tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]: path.parent
    for path in fresh.ROOT.glob("plugins/*/pyproject.toml")
}
EXTRAS = tomllib.loads((fresh.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
LIGHT = sorted(
    name for name, folder in PLUGINS.items() if "plmtasks[run]" not in (folder / "pyproject.toml").read_text(encoding="utf-8")
)
"""Those that are of use without torch."""

DEAR = ("deepspeed",)
"""Extras that no set-up of ours installs: what they bring compiles itself for minutes."""

UNDECLARED = {"IPython", "comet"}
"""What no extra can require: a notebook has IPython; unbabel-comet wants older libraries than ours, and is a user's choice."""


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_core_and_each_plugin_have_a_wheel(wheels):
    assert set(fresh.in_wheels(wheels)) == {"plmtasks", *PLUGINS}


def test_the_core_is_small(wheels):
    assert fresh.in_wheels(wheels)["plmtasks"].stat().st_size < 550_000


def test_a_wheel_holds_its_package_whole_and_no_tests(wheels):
    for distribution, wheel in fresh.in_wheels(wheels).items():
        folder = PLUGINS.get(distribution, fresh.ROOT)
        package = distribution.replace("-", "_")
        kept = {name for name in names_in(wheel) if ".dist-info/" not in name}
        there = {
            path.relative_to(folder).as_posix()
            for path in (folder / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert kept == there
        assert not [name for name in kept if re.search(r"(^|/)(tests?/|test_|conftest)", name)]
        assert not [name for name in kept if name.endswith((".npy", ".parquet", ".safetensors", ".gz"))]


def test_the_metadata_are_what_an_index_accepts(wheels):
    for distribution, wheel in fresh.in_wheels(wheels).items():
        text = fresh.described(wheel).read_text("METADATA")
        described = Metadata.from_email(text.encode(), validate=True)
        assert described.name == distribution
        assert described.description_content_type == "text/markdown"
        assert described.description.startswith("# ")
        assert described.license_expression == "Apache-2.0"
        assert {str(r) for r in described.requires_dist or ()}


def imported(wheel):
    """The top-level modules that a wheel's code names in imports, at module level or inside functions."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            for node in ast.walk(ast.parse(archive.read(name))) if name.endswith(".py") else ():
                if isinstance(node, ast.Import):
                    yield from ((alias.name.split(".")[0], name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    yield node.module.split(".")[0], name


@pytest.mark.parametrize("distribution", ["plmtasks", *sorted(PLUGINS)])
def test_what_is_imported_is_required(wheels, distribution):
    """By the distribution itself, or by an extra of its own; what the core requires is the core's."""
    ours = fresh.in_wheels(wheels)
    described = fresh.described(ours[distribution])
    extras = [extra for extra in described.metadata.get_all("Provides-Extra") or () if extra not in ("dev", "docs", "all", *DEAR)]
    wanted = [f"{distribution}[{','.join(extras)}]" if extras else distribution]
    if distribution != "plmtasks":
        wanted.append("plmtasks[run]")  # a model that is answered for has it
    there = {part.removesuffix(".py") for d in fresh.required(wanted, ours).values() for part in fresh.top_level(d)}
    there |= {distribution.replace("-", "_"), *sys.stdlib_module_names, *UNDECLARED}
    assert {(module, file) for module, file in imported(ours[distribution]) if module not in there} == set()


def test_all_is_what_most_users_want(wheels):
    wanted = [Requirement(text) for text in EXTRAS["all"]]
    assert {r.name for r in wanted} == {"plmtasks", *PLUGINS}
    assert next(r.extras for r in wanted if r.name == "plmtasks") == {"excel", "run", "store", "site"}


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_a_plugin_loads_alone_beside_the_core(wheels, plugin, tmp_path):
    ours, alone = fresh.in_wheels(wheels), fresh.Fresh.of(tmp_path / "venv", [plugin], wheels)
    alone.unpack(ours["plmtasks"], ours[plugin])
    entries = {e.group: e.name for e in fresh.described(ours[plugin]).entry_points}
    entry = entries.get("plmtasks") or entries["plmtasks.commands"]  # a plugin with hooks, or a command alone
    listed = alone.run("python", "-m", "plmtasks", "list", "plugins", cwd=tmp_path)
    assert listed.splitlines()[2].split()[:2] == [entry, plugin]
    assert "failed" not in listed


@pytest.fixture(scope="module")
def light(wheels, tmp_path_factory):
    """The core and what needs no torch, in an environment without it."""
    made = fresh.Fresh.of(tmp_path_factory.mktemp("light") / "venv", LIGHT, wheels)
    made.install("--find-links", str(wheels), *LIGHT)
    made.run("python", "-c", "import importlib.util as u; assert not u.find_spec('torch')", cwd=made.folder)
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of the toy model."""
    folder = tmp_path_factory.mktemp("runs") / "results"
    code = """
import plmtasks, sys
for tokens in (64, 128):
    plmtasks.run("classification/sample", "toy-model", limit=40, batch_tokens=tokens, output=sys.argv[1], quiet=True)
"""
    around = {**os.environ, "PLMTASKS_PLUGINS": "toy", "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=fresh.ROOT, env=around, check=True)
    return folder


def test_the_core_alone_lists_and_reads_tables(wheels, tmp_path, runs):
    core = fresh.Fresh.of(tmp_path / "venv", ["plmtasks"], wheels)
    core.install("--find-links", str(wheels), "plmtasks")
    core.run("python", "-c", "import importlib.util as u; assert not u.find_spec('torch')", cwd=tmp_path)
    assert "pip install 'plmtasks[all]'" in core.run("plmtasks", "list", "tasks", cwd=tmp_path)
    assert "classification/sample" in core.run("plmtasks", "leaderboard", str(runs), cwd=tmp_path)
    assert "2 runs" in core.run("plmtasks", "results", "list", str(runs), cwd=tmp_path)
    assert "no plugin is installed that brings formats" in core.run("plmtasks", "list", "formats", cwd=tmp_path)
    site, other = ("leaderboard", str(runs), "--site", "x"), ("convert", str(runs), "--to", "lm-eval", "--output", "x")
    assert "\n  pip install 'plmtasks[site]' brings 'site'\n" in core.run("plmtasks", *site, cwd=tmp_path, code=2)
    assert "\n  pip install plmtasks-interchange brings 'lm-eval'\n" in core.run("plmtasks", *other, cwd=tmp_path, code=2)
    missing = {
        line.split("  ")[-1].strip() for line in core.run("plmtasks", "doctor", cwd=tmp_path).splitlines() if line.startswith("–")
    }
    assert missing >= {
        "needs plmtasks-site: pip install 'plmtasks[site]'", "needs plmtasks-interchange: pip install plmtasks-interchange",
    }  # fmt: skip


@pytest.mark.parametrize(
    "task", ["classification/sample", "qa/sample", "translation/sample", "summarization/sample", "srl/sample"]
)
def test_the_core_and_the_task_plugins_score_without_torch(light, task, tmp_path):
    code = f"""
from plmtasks.config import Source
from plmtasks.data import write_predictions
from plmtasks.examples import Prediction
from plmtasks.hooks import load_registry
task = load_registry().task({task!r})
examples = (data := task.load(Source()))[data.default_split()]
task = task.bind(data)
solved = {{}}
for e in examples:
    request = task.ask(e.hidden(), task.asks[0])
    solved[e.id] = task.read(e.hidden(), request, task.solve(e, request))
print(write_predictions(examples, solved), end="")
"""
    (tmp_path / "predictions.jsonl").write_text(light.run("python", "-c", code, cwd=tmp_path), encoding="utf-8")
    printed = light.run("plmtasks", "score", "--task", task, "--predictions", "predictions.jsonl", cwd=tmp_path)
    assert "100.000" in printed
