"""Runs on a real Ray of two nodes: the bytes of one process, whatever is lost on the way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import warm
from ray_nodes import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN = ["--task", "toy/even", "--threads", 1, "--batch-tokens", 8, "--quiet"]
PLMTASKS = [sys.executable, "-m", "plmtasks"]

SCRIPT = """
import json, ray, sys
import plmtasks
from plmtasks.errors import PlmtasksError
ray.init(log_to_driver=False)
told = {"threads": 1, "batch_tokens": 8, "quiet": True, "on": "ray"}
for name, model, processes in json.loads(sys.argv[1]):
    try:
        result = plmtasks.run("toy/even", model, processes=processes, output=name, **told)
        print(json.dumps([name, str(result.folder)]))
    except PlmtasksError as e:
        print(json.dumps([name, e.exit_code, e.message, *e.hints]))
"""
"""Runs of one driver; it joins the cluster once."""


@pytest.fixture(scope="module")
def alone(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """What one process on this machine makes of a model."""
    folder = tmp_path_factory.mktemp("alone")

    @cache
    def made(model: str) -> bytes:
        command = ["run", *RUN, "--model", model, "--output", folder]
        done = warm.plmtasks(list(map(str, command)), folder, {**cluster.environment, "SLOW_SECONDS": "0"})
        assert done.returncode == 0, done.stderr
        return result(folder, model).read_bytes()

    return made


def result(output: Path, model: str) -> Path:
    [found] = output.glob(f"toy/even/{model}/*/result.json")
    return found


def batches(output: Path) -> list[int]:
    """The batches of a journal, in the order in which they came."""
    lines = [line for path in output.rglob("journal/*.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line.partition(" ")[2])["batch"] for line in lines]


def on_ray(cluster: Cluster, folder: Path) -> "subprocess.Popen[str]":
    """A slow run with as many workers as there is room for, once some of its batches are answered."""
    run = cluster.popen([*PLMTASKS, "run", *RUN, "--model", "slow", "--output", folder, "--on", "ray"], folder)
    while run.poll() is None and len(batches(folder)) < 4:
        time.sleep(0.1)
    assert run.poll() is None, run.communicate()
    return run


def check(run: "subprocess.Popen[str]", folder: Path, alone: Callable[[str], bytes]) -> None:
    out, error = run.communicate(timeout=500)
    assert run.returncode == 0, error
    assert result(folder, "slow").read_bytes() == alone("slow")
    assert sorted(batches(folder)) == list(range(len(batches(folder))))
    assert "ray" not in (out + error).replace(str(folder), "").lower()


def test_a_killed_worker_costs_no_batch(cluster: Cluster, alone: Callable[[str], bytes], tmp_path: Path) -> None:
    run = on_ray(cluster, tmp_path)
    assert [len(cluster.workers(n)) for n in (0, 1)] == [2, 2]
    os.kill(cluster.workers(1)[0], signal.SIGKILL)
    check(run, tmp_path, alone)


SUITE = """
threads = 1
batch_tokens = 8

[ray]
num_cpus = 1

[[tasks]]
name = "toy/even"
"""


def test_a_sweep_ends_with_the_table_of_a_local_one(cluster: Cluster, tmp_path: Path) -> None:
    """One run fails, and one loses its process."""
    models = "".join(f'[[models]]\nname = "{name}"\n' for name in ("slow", "quick", "raises", "other"))
    (tmp_path / "suite.toml").write_text(SUITE + models)
    sweep = [*PLMTASKS, "sweep", "suite.toml", "--quiet"]
    runs = [cluster.popen([*sweep, "--output", on, *(["--on", on] if on == "ray" else [])], tmp_path) for on in ("ray", "here")]
    slow = tmp_path / "ray/toy/even/slow"
    while runs[0].poll() is None and len(batches(slow)) < 2:
        time.sleep(0.1)
    [killed] = [pid for n in (0, 1) for pid in cluster.workers(n, "do")][:1]
    os.kill(killed, signal.SIGKILL)
    (there, failed), (here, _) = [run.communicate(timeout=500) for run in runs]
    assert [run.returncode for run in runs] == [1, 1], failed
    assert there.replace("ray/", "here/") == here
    assert "1 of 4 runs failed\n  toy/even on raises, seed 0: plugin 'cluster_toy' (cluster_toy) failed: Run" in failed
    assert sorted(batches(slow)) == list(range(len(batches(slow))))
    assert "a fault on demand" in "".join(path.read_text() for path in (tmp_path / "ray/ray").glob("*.log"))


def test_runs_of_one_driver(cluster: Cluster, alone: Callable[[str], bytes], tmp_path: Path) -> None:
    asked = [("one", "quick", 1), ("fault", "raises", 1), ("refusal", "refuses", 1), ("loss", "kills", 2)]
    out, error = cluster.popen([sys.executable, "-c", SCRIPT, json.dumps(asked)], tmp_path).communicate(timeout=500)
    said = {name: rest for name, *rest in map(json.loads, re.findall(r"^\[.*", out, re.MULTILINE))}
    assert len(said) == len(asked), error
    assert (tmp_path / said["one"][0] / "result.json").read_bytes() == alone("quick")
    code, message, _ = said["fault"]
    assert code == 1
    assert "a worker on the Ray node 10." in message
    assert "RuntimeError: a fault on demand\nplugin 'cluster_toy' (cluster_toy) failed" in message
    code, message, hint, where = said["refusal"]
    assert (code, message, hint) == (5, "the model refuses", "ask another")
    assert "a worker on the Ray node 10." in where
    assert "ended 3 workers on the Ray cluster, one after another" in said["loss"][1]


def test_no_cluster_is_told_at_once(cluster: Cluster, tmp_path: Path) -> None:
    run = cluster.popen([*PLMTASKS, "run", *RUN, "--model", "quick", "--on", "ray"], tmp_path, RAY_ADDRESS="127.0.0.1:1")
    _, error = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1: [Errno 111] Connection refused\n  ray start --head" in error


def test_a_killed_node_costs_no_batch(cluster: Cluster, alone: Callable[[str], bytes], tmp_path: Path) -> None:
    """The last: the cluster has one node after it."""
    run = on_ray(cluster, tmp_path)
    cluster.nodes.kill(1)
    check(run, tmp_path, alone)
