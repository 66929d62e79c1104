"""A process finds its place among those that somebody else's launcher started."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from slurm import Slurm, cluster_or_skip

from plmtasks.errors import InputError
from plmtasks.execution import place

STEP = {
    "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "2", "SLURM_STEP_NUM_TASKS": "7", "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
    "SLURM_STEP_NODELIST": "node[03-05,9]", "SLURM_PROCID": "6", "SLURM_LOCALID": "0", "SLURM_NODEID": "3",
}  # fmt: skip
"""What srun tells the last of seven tasks on four nodes."""

TORCH = {"WORLD_SIZE": "7", "LOCAL_WORLD_SIZE": "1", "RANK": "6", "LOCAL_RANK": "0", "MASTER_ADDR": "node03"}

BATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
"""What a batch script is told, which runs once."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment that the process finds and fills: nobody else's at first."""
    environment: dict[str, str] = {}
    monkeypatch.setattr(place, "os", SimpleNamespace(environ=environment))
    return environment


def test_a_task_of_a_step_is_one_of_several(told: dict[str, str]) -> None:
    told |= STEP
    assert not place.speaks()
    assert place.started_by_launcher()
    assert {name: told[name] for name in TORCH} == TORCH
    port = told["MASTER_PORT"]
    assert 15000 <= int(port) < 30000
    place.check_count(7)
    with pytest.raises(InputError, match="asks for 2 processes, the launcher started 7"):
        place.check_count(2)
    told.clear()
    told |= {**STEP, "SLURM_STEP_ID": "3"}
    assert place.started_by_launcher()
    assert told["MASTER_PORT"] != port, "steps of one job would meet each other"


def test_where_tasks_of_a_step_meet_can_be_said(told: dict[str, str]) -> None:
    told |= {**STEP, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000"}
    assert place.started_by_launcher()
    assert (told["MASTER_ADDR"], told["MASTER_PORT"], told["RANK"]) == ("10.0.0.1", "4000", "6")


@pytest.mark.parametrize("environment", [{}, BATCH, {**STEP, "SLURM_STEP_NUM_TASKS": "1"}])
def test_a_batch_script_and_a_step_of_one_are_alone(environment: Mapping[str, str], told: dict[str, str]) -> None:
    told |= environment
    assert not place.started_by_launcher()
    assert place.speaks()
    assert told == environment
    place.check_count(2)


@pytest.mark.parametrize(
    "inner",
    [
        {"WORLD_SIZE": "4", "RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
        {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
    ],
)
def test_the_launcher_within_the_step_has_the_word(inner: Mapping[str, str], told: dict[str, str]) -> None:
    """torchrun or mpirun, whose own daemons srun started."""
    told |= {**STEP, **inner}
    assert place.started_by_launcher()
    assert (told["WORLD_SIZE"], told["RANK"], told["MASTER_ADDR"]) == ("4", "1", "a")


def test_srun_that_speaks_for_mpi_says_where_to_meet(told: dict[str, str]) -> None:
    told |= {**STEP, "PMI_SIZE": "7", "PMI_RANK": "6"}
    assert place.started_by_launcher()
    assert {name: told[name] for name in TORCH} == TORCH


def test_mpi_alone_must_be_told_where_to_meet(told: dict[str, str]) -> None:
    told |= {"PMI_SIZE": "2", "PMI_RANK": "1"}
    assert not place.speaks()
    with pytest.raises(InputError, match="MPI started 2 processes, and they do not know where to meet"):
        place.started_by_launcher()


@pytest.mark.parametrize("several", [{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}, STEP])
def test_accelerate_that_started_one_of_several_says_so(several: Mapping[str, str], told: dict[str, str]) -> None:
    told |= {"ACCELERATE_MIXED_PRECISION": "no", **several}
    with pytest.raises(InputError, match="was to start several processes; this is one") as raised:
        place.started_by_launcher()
    assert any("plmtasks run --processes N" in hint for hint in raised.value.hints)
    assert place.speaks()


def test_accelerate_that_was_to_start_one(told: dict[str, str]) -> None:
    told["ACCELERATE_MIXED_PRECISION"] = "no"
    assert not place.started_by_launcher()
    with pytest.raises(InputError, match="asks for 2 processes, accelerate launch started 1"):
        place.check_count(2)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node0", "node0"),
        ("node[0-1]", "node0"),
        ("node[03-05,7],gpu1", "node03"),
        ("a,b[1-2]", "a"),
        ("r[1-2]n[3,4]-i", "r1n3-i"),
    ],
)
def test_the_first_of_a_list_of_nodes(nodes: str, first: str) -> None:
    assert place.first_host(nodes) == first


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with cluster_or_skip(tmp_path_factory.mktemp("slurm")) as up:
        yield up


@pytest.mark.slow
def test_tasks_of_two_nodes_and_a_batch_script_give_the_same_bytes(slurm: Slurm, tmp_path: Path) -> None:
    env = {**slurm.environment, "PLMTASKS_PLUGINS": "toy", "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "plmtasks", "run", "--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30"]
    tasks = slurm.run(0, ["srun", "-N2", "-n2", *run, "--output", tmp_path / "tasks"], env={**env, "TOY_SLEEP": "0.3"})
    assert tasks.returncode == 0, tasks.stderr
    script = tmp_path / "batch.sh"
    script.write_text(f"#!/bin/bash\n{' '.join(run)} --processes 2 --output {tmp_path}/batch\n")
    batch = slurm.run(0, ["sbatch", "--wait", "--ntasks=2", f"--output={tmp_path}/said", script], env=env)
    assert batch.returncode == 0, (tmp_path / "said").read_text()
    alone = slurm.run(0, [*run, "--output", tmp_path / "alone"], env=env)
    assert alone.returncode == 0, alone.stderr
    found = {path.relative_to(tmp_path).parts[0]: path for path in tmp_path.rglob("result.json")}
    assert sorted(found) == ["alone", "batch", "tasks"]
    assert len({path.read_bytes() for path in found.values()}) == 1
    assert len(list((tmp_path / "tasks").rglob("journal/*.jsonl"))) == 2, "a task did no work"
