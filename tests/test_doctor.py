import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_broken_plugins import install

from plmtasks.execution.doctor import Finding, examine
from plmtasks.hooks import load_registry


def found(tmp_path: Path) -> dict[tuple[str, str], Finding]:
    return {(f.about, f.what): f for f in examine(load_registry(), str(tmp_path / "results"))}


def test_what_is_there_is_told(tmp_path: Path) -> None:
    made = found(tmp_path)
    assert made["versions", "torch"].said == importlib.metadata.version("torch")
    assert made["plugins", "qa"] == Finding("plugins", "qa", f"plmtasks-qa {importlib.metadata.version('plmtasks-qa')}")
    assert made["requirements", "running models"].said == "all there"
    assert "GB free" in made["folders", "results"].said
    assert made["processes", "rendezvous"].state == "fine"
    assert f"{len(os.sched_getaffinity(0))} cores" in made["devices", "processor"].said
    assert not [f for f in made.values() if f.state == "broken"]


def test_what_is_missing_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "wanting", "")
    metadata = tmp_path / "broken_wanting-1.0.dist-info" / "METADATA"
    metadata.write_text(
        metadata.read_text() + 'Requires-Dist: numpy>=99\nRequires-Dist: no-such-package\nRequires-Dist: x; extra == "y"\n'
    )
    numpy = importlib.metadata.version("numpy")
    assert found(tmp_path)["requirements", "broken-wanting"] == Finding(
        "requirements", "broken-wanting",
        f"needs numpy>=99 (there is {numpy}), no-such-package: pip install broken-wanting", "broken",
    )  # fmt: skip


def test_the_defaults_of_the_environment_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("OUTPUT", "runs"), ("LIMITS", "3"), ("SEED", "x"), ("NODE_TIMEOUT", "9"), ("DATA", "here")):
        monkeypatch.setenv(f"PLMTASKS_{name}", text)
    said = {
        f.what.removeprefix("PLMTASKS_"): (f.said, f.state) for f in examine(load_registry(), "x") if f.about == "environment"
    }
    assert said["OUTPUT"] == ("runs: the default of output", "fine")
    assert said["LIMITS"][0].startswith("3: no setting, did you mean 'PLMTASKS_LIMIT'")
    assert said["SEED"] == ("expected a whole number, found 'x'", "broken")
    assert said["NODE_TIMEOUT"] == ("9: no setting", "fine")
    assert said["DATA"] == ("here: no setting, say --data with the command", "missing")


@pytest.mark.slow
def test_the_command_fails_where_something_is_broken(tmp_path: Path) -> None:
    def call(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "plmtasks", "doctor", "--results", str(tmp_path), "--online"]
        more = {**os.environ, "HF_HUB_OFFLINE": "1", **environment}
        return subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False, env=more)

    fine = call()
    assert fine.returncode == 0
    assert json.loads(fine.stdout)[-1]["said"] == "not asked: HF_HUB_OFFLINE is set"
    broken = call(PLMTASKS_PLUGINS="no_such_module")
    assert broken.returncode == 1
    assert [f["said"] for f in json.loads(broken.stdout) if f["state"] == "broken"] == [
        "no_such_module failed to load: ModuleNotFoundError: No module named 'no_such_module'"
    ]
