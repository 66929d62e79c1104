"""Commands that other distributions bring."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from plmtasks import cli

GREET = """
import click


@click.command()
@click.argument("name")
def command(name):
    \"\"\"Greet somebody.\"\"\"
    click.echo(f"hello {name}")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of distributions: one command that works, one that cannot be loaded, one of the name of ours."""
    for module, name, code in (
        ("greeting", "greet", GREET),
        ("broken", "broken", "import nothing_such"),
        ("other", "run", GREET),
    ):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[plmtasks.commands]\n{name} = {module}:command\n")
    return tmp_path


def called(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "plmtasks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_it_is_listed_and_called(site: Path) -> None:
    said = called(site, "--help")
    assert said.returncode == 0
    assert "  greet        Greet somebody.\n" in said.stdout
    assert "broken cannot be loaded: ModuleNotFoundError: No module named 'nothing_such'" in " ".join(said.stdout.split())
    assert said.stdout.count("\n  run ") == 1
    assert "Evaluate models on tasks" in said.stdout
    assert called(site, "greet", "you").stdout == "hello you\n"
    assert "Usage: python -m plmtasks run" in called(site, "run", "--help").stdout


@pytest.mark.slow
def test_it_is_listed_with_the_plugins(site: Path) -> None:
    lines = [line.split() for line in called(site, "list", "plugins").stdout.splitlines()]
    assert ["greet", "greeting", "1.0", "command", "(plmtasks", "greet)"] in lines
    assert not [line for line in lines if line[:2] == ["run", "other"]]
    told = {plugin["name"]: plugin for plugin in json.loads(called(site, "list", "plugins", "--format", "json").stdout)}
    assert told["greet"]["distribution"] == "greeting 1.0"
    assert told["greet"]["brings"] == {"command": 1}
    assert told["greet"].keys() == told["qa"].keys()


def test_one_that_cannot_be_loaded_is_named(site: Path) -> None:
    said = called(site, "broken")
    assert said.returncode == 2
    assert said.stderr == (
        "error: command 'broken' (broken 1.0) cannot be loaded: ModuleNotFoundError: No module named 'nothing_such'\n"
    )


def test_ours_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "brought", dict)
    said = CliRunner().invoke(cli.cli, ["sweep", "suite.toml"])
    assert said.exit_code == 2
    assert "No such command 'sweep'" in said.output
    assert "pip install plmtasks-sweep brings it" in said.output
    assert "brings it" not in CliRunner().invoke(cli.cli, ["swep"]).output
