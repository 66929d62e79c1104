"""The installed package's types, as mypy and pyright see them from outside in their strict modes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import fresh
import pytest

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parent / "typed"


@pytest.fixture(scope="module")
def outside(wheels, tmp_path_factory):
    """A folder with the caller's files, and beside it an environment with the core alone."""
    folder = tmp_path_factory.mktemp("typed")
    made = fresh.Fresh.of(folder / "venv", ["plmtasks"], wheels)
    made.unpack(fresh.in_wheels(wheels)["plmtasks"])
    return made, Path(shutil.copytree(SOURCES, folder / "caller"))


def mypy(python, folder):
    command = ["mypy", "--strict", "--output", "json", "--python-executable", str(python), "--config-file", "", "."]
    return [
        (e["file"], e["line"], e["message"])
        for e in map(json.loads, output(command, folder).splitlines())
        if e["severity"] == "error"
    ]


def pyright(python, folder):
    """By basedpyright, which has the same rules in this mode and needs no download at first use."""
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}), encoding="utf-8")
    found = json.loads(output(["basedpyright", "--outputjson", "--pythonpath", str(python)], folder))
    errors = [e for e in found["generalDiagnostics"] if e["severity"] == "error"]
    return [(Path(e["file"]).name, e["range"]["start"]["line"] + 1, e["message"]) for e in errors]


def output(command, folder):
    command = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
    done = subprocess.run(command, cwd=folder, env=fresh.surroundings(), capture_output=True, text=True, timeout=240)
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_callers_types_fit_and_mistakes_are_refused(outside, checker):
    environment, folder = outside
    errors = checker(environment.bin / "python", folder)
    lines = (SOURCES / "mistakes.py").read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}
    assert len(wrong) > 10
    assert [error for error in errors if error[0] != "mistakes.py"] == []
    assert {line for file, line, _ in errors if file == "mistakes.py"} == wrong, errors
