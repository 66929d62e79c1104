"""What a suite may ask of Slurm, and what is known of a job that has ended; without a Slurm."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from plmtasks_slurm.engine import Slurm, _Held
from plmtasks_slurm.queue import LATE, Queue

from plmtasks.engine import Job
from plmtasks.errors import InputError
from plmtasks.evaluation import read_suite
from plmtasks.hooks import load_registry

SUITE = "on = 'slurm'\n[slurm]\n{}\n[[tasks]]\nname = 'qa/sample'\n[[models]]\nname = 'tiny-bert'\n"


@pytest.mark.parametrize(
    ("said", "unsafe"),
    [
        ("partition = 'main'\nmem = '2GB'\nadditional_parameters = {reservation = 'ours', threads-per-core = 1}", ""),
        ("partion = 'main'", ""),  # which is refused when it is handed over
        ("setup = ['touch canary']", "setup"),
        ("teardown = ['touch canary']\nmail_user = 'them@there'", "mail_user, teardown"),
        ("additional_parameters = {export = 'PYTHONPATH=.'}", "export"),
        ('partition = "main\\ntouch canary"', "partition"),
        ('additional_parameters = {reservation = "ours\\ntouch canary"}', "reservation"),
    ],
)
def test_what_runs_commands_needs_the_flag(tmp_path: Path, said: str, unsafe: str) -> None:
    (tmp_path / "suite.toml").write_text(SUITE.format(said))
    suite = read_suite(tmp_path / "suite.toml").on_line({"output": str(tmp_path)})
    suite.check(load_registry(trusting=True))
    if not unsafe:
        suite.check(load_registry())
        return
    with pytest.raises(InputError) as refused:
        suite.check(load_registry())
    assert f"asks slurm with {unsafe}, which may run code that is not installed" in str(refused.value)


def test_a_job_that_ended_without_a_word_is_known_to_have_failed(tmp_path: Path) -> None:
    """The first command waits for its word; a later one does not, and may hand it over again."""
    (tmp_path / "run.json").write_text('{"job": "7"}')

    def look(**known: Any) -> tuple[str, str]:
        now = time.monotonic()
        standing = _Held([Job(name="run", work="")], tmp_path, Queue(_asked=now, **known)).look()["run"]
        return standing.state, standing.note

    assert look() == ("running", "has ended, and said nothing yet")
    log = tmp_path / "7_0_log.out"
    assert look(_missing={"7": time.monotonic() - LATE - 1}) == ("failed", f"job 7 ended: {log}")
    assert look() == ("failed", f"job 7 ended: {log}")
    assert json.loads((tmp_path / "run.outcome.json").read_text())["result"] == ""


def test_an_address_keeps_no_logs_of_jobs() -> None:
    from plmtasks.files import place

    with pytest.raises(InputError, match="Slurm's jobs keep their logs"), Slurm().jobs([], place("memory://swept")):
        pass
