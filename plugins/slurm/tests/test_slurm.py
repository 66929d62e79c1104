"""Sweeps on a real Slurm of two nodes: runs as jobs, one that is preempted, and sweeps side by side."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from slurm import Slurm, cluster_or_skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]

CELLS = int(os.environ.get("PLMTASKS_TEST_CELLS", "2"))
"""Of the sweep that is handed over: two are the least, one that fails and one that is preempted."""

TOP = "threads = 1\n[slurm]\ntime = 5\n[[tasks]]\nname = 'toy/even'\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[Slurm]:
    with cluster_or_skip(tmp_path_factory.mktemp("slurm")) as up:
        yield up


def models(*batch_tokens: int) -> str:
    return "".join(f"[[models]]\nname = 'toy-model'\nbatch_tokens = {tokens}\n" for tokens in batch_tokens)


def environment(**more: str) -> Mapping[str, str]:
    return {
        "PYTHONPATH": str(ROOT / "tests"), "PLMTASKS_PLUGINS": "toy", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
        "COLUMNS": "200", **more,
    }  # fmt: skip


def sweep(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "plmtasks", "sweep", "suite.toml", *arguments]


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_sweep_with_a_run_that_fails_and_one_that_is_preempted(slurm, tmp_path):
    # more requests than fit into memory together are in the batches of the first alone
    (tmp_path / "suite.toml").write_text(TOP + models(1024, *range(12, 11 + CELLS)))
    log = tmp_path / "log"
    slowly = {**slurm.environment, **environment(TOY_SLEEP="4", TOY_LOG=str(log), TOY_EXAMPLES="6", TOY_MEMORY="5")}
    # where the tests run in the background of a shell, SIGINT is ignored
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    options = {"cwd": tmp_path, "env": slowly, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    driver = slurm.popen(0, sweep("--on", "slurm"), preexec_fn=heeds, **options)
    until(log.exists)
    known = set(slurm.states())
    running = {job for job, state in slurm.states().items() if state == "RUNNING"}
    urgent = slurm.run(0, ["sbatch", "--parsable", "--partition=urgent", "--ntasks=4", "--output=/dev/null", "--wrap", "sleep 1"])
    assert urgent.returncode == 0
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=100)
    assert driver.returncode == 130
    assert "interrupted: the same command goes on where it was" in said
    requeued: list[str] = []

    def preempted() -> bool:
        requeued[:] = [job for job, state in slurm.states().items() if state == "PENDING" and job in running]
        return bool(requeued) and slurm.states()[urgent.stdout.strip()] == "COMPLETED"

    until(preempted)
    for job in requeued:
        slurm.run(0, ["scontrol", "update", f"JobId={job}", "StartTime=now+1hour"])
    listed = slurm.run(0, sweep("--on", "slurm", "--status"), cwd=tmp_path, env=slowly)
    assert "requeued" in listed.stdout
    assert re.search(r" results/slurm/\d+_\d+_0_log\.out$", listed.stdout, re.MULTILINE)
    for job in requeued:  # Slurm itself would wait for two minutes
        slurm.run(0, ["scontrol", "update", f"JobId={job}", "StartTime=now"])
    quickly = {**slowly, "TOY_SLEEP": "0"}
    done = slurm.run(0, sweep("--on", "slurm"), cwd=tmp_path, env=quickly)
    assert set(slurm.states()) == known | {urgent.stdout.strip()}  # nothing was handed over twice
    if CELLS == 2:  # batches of the one that does not fail alone
        answered = log.read_text().splitlines()
        assert len(answered) == len(set(answered))  # and none of them twice
    check(done, tmp_path, quickly)


def check(done: "subprocess.CompletedProcess[str]", folder: Path, told: Mapping[str, str]) -> None:
    """The sweep ends as one on this machine does, and names the run that failed."""
    assert done.returncode == 1
    assert f"error: 1 of {CELLS} runs failed\n  toy/even on toy-model (batch_tokens 1024), seed 0: " in done.stderr
    local = subprocess.run(
        sweep("--output", "local"), cwd=folder, env={**os.environ, **told}, capture_output=True, text=True, check=False
    )
    assert local.returncode == 1
    table, *_ = done.stdout.rsplit("\n", 2)
    assert table == local.stdout.rsplit("\n", 2)[0]
    results = {path.parent.name: path.read_bytes() for path in (folder / "results").rglob("result.json")}
    assert len(results) == CELLS - 1
    assert results == {path.parent.name: path.read_bytes() for path in (folder / "local").rglob("result.json")}


def test_sweeps_side_by_side_share_the_runs(slurm, tmp_path):
    (tmp_path / "suite.toml").write_text(TOP + models(11, 12, 13))
    told = {**slurm.environment, **environment(TOY_SLEEP="0.2", TOY_LOG=str(tmp_path / "log"))}
    done = slurm.run(0, ["srun", "-N2", "-n2", *sweep()], cwd=tmp_path, env=told)
    assert done.returncode == 0, done.stderr
    assert "3 runs: " in done.stdout
    assert done.stdout.count("rank  tier") == 1  # one speaks for all
    answered = (tmp_path / "log").read_text().splitlines()
    results = list((tmp_path / "results").rglob("result.json"))
    assert len(results) == 3
    journals = [path for result in results for path in (result.parent / "journal").glob("*.jsonl")]
    assert len(answered) == sum(len(path.read_text().splitlines()) for path in journals)  # nothing was computed twice


def test_a_run_of_several_nodes(slurm, tmp_path):
    (tmp_path / "suite.toml").write_text(TOP.replace("time = 5", "time = 5\nnodes = 2") + models(11))
    told = {**slurm.environment, **environment()}
    done = slurm.run(0, sweep("--on", "slurm"), cwd=tmp_path, env=told)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results").rglob("environment.json")
    assert json.loads(path.read_text())["processes"] == 2


def test_what_slurm_does_not_give_is_said(slurm, tmp_path):
    suite = tmp_path / "suite.toml"
    told = {**slurm.environment, **environment()}

    def refused(resources: str) -> str:
        suite.write_text(TOP.replace("time = 5", resources) + models(11))
        done = slurm.run(0, sweep("--on", "slurm"), cwd=tmp_path, env=told)
        assert done.returncode == 2
        left = [path.name for path in (tmp_path / "results").rglob("*") if path.suffix in (".pkl", ".sh")]
        assert left == []
        return done.stderr

    assert "no resource of Slurm is called 'partion'\n  did you mean 'partition'?" in refused("partion = 'main'")
    assert "Slurm takes no such job: sbatch: error: invalid partition specified: none" in refused("partition = 'none'")
    assert "Slurm's time is a whole number of minutes, not '1:00'" in refused("time = '1:00'")
