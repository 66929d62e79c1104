"""The place of this process among those that a launcher started: what its environment says of it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..config import LAUNCHED
from ..errors import InputError

PLACE = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "TORCHELASTIC_USE_AGENT_STORE")
"""Environment variables by which a launcher tells a process its place."""

STARTS = "plmtasks run --processes N, or torchrun --nproc-per-node N -m plmtasks run …, start N"

MPI = {
    "WORLD_SIZE": ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"),
    "RANK": ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"),
    "LOCAL_RANK": ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK"),
    "LOCAL_WORLD_SIZE": ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE"),
}
"""torch's environment variable → those by which Open MPI, Intel MPI and MPICH, and MVAPICH say the same."""

STEP = {"WORLD_SIZE": "SLURM_STEP_NUM_TASKS", "RANK": "SLURM_PROCID", "LOCAL_RANK": "SLURM_LOCALID"}
"""torch's environment variable → that by which srun says the same; a batch script has no step, and so no number of its tasks."""


def started_by_launcher() -> bool:
    """Whether this is one of the processes that torchrun, accelerate, MPI, srun or our own launcher started.

    raises: InputError if it was to be one of several, and nobody said which, or where they meet
    """
    if "WORLD_SIZE" not in os.environ:
        told = _told()
        if int(told.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in {**told, **os.environ}:
            raise InputError(
                f"MPI started {told['WORLD_SIZE']} processes, and they do not know where to meet",
                "set MASTER_ADDR and MASTER_PORT to the first node's name and a free port",
            )
        # it sets this one for several, and leaves their numbers to MPI
        if not told and _by_accelerate() and ("MASTER_ADDR" in os.environ or _tasks() > 1):
            raise InputError(
                "accelerate launch was to start several processes; this is one, and it knows of no other",
                "on CPU it leaves that to MPI (--mpirun_hostfile), else --multi_gpu starts them, with GPUs or without",
                STARTS,
            )
        os.environ.update({name: value for name, value in told.items() if name not in os.environ})
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or LAUNCHED in os.environ


def counts() -> tuple[int, int]:
    """How many processes a launcher started, in all and on this machine; 1 and 1 where none did.

    raises: as `started_by_launcher`
    """
    started_by_launcher()
    count = os.environ.get("WORLD_SIZE", "1")
    return int(count), int(os.environ.get("LOCAL_WORLD_SIZE", count))


@contextmanager
def apart() -> Iterator[None]:
    """In the block no library sees that a launcher started this process as one of several."""
    names = (*PLACE, *(name for others in MPI.values() for name in others))
    held = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)


def _told() -> dict[str, str]:
    """What MPI or srun says of this process's place, in torch's words; the one that started it last comes first."""
    mpi = {ours: os.environ[name] for ours, names in MPI.items() for name in reversed(names) if name in os.environ}
    if _tasks() < 2 or _by_accelerate() or mpi.get("WORLD_SIZE", str(_tasks())) != str(_tasks()):
        return mpi
    step = os.environ["SLURM_STEP_TASKS_PER_NODE"]  # such as 2(x3),1
    here = [count for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", step) for _ in range(int(times or 1))]
    return {
        **{ours: os.environ[name] for ours, name in STEP.items()}, "LOCAL_WORLD_SIZE": here[int(os.environ["SLURM_NODEID"])],
        "MASTER_ADDR": first_host(os.environ["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": str(15000 + (97 * int(os.environ["SLURM_JOB_ID"]) + int(os.environ["SLURM_STEP_ID"])) % 15000),
    }  # fmt: skip


def first_host(nodes: str) -> str:
    """The first of a list as Slurm writes it: node[03-05,7],gpu1."""
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", nodes).partition(",")[0]


def _tasks() -> int:
    """Tasks of the Slurm step that this process belongs to; 1 outside of a step."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def _by_accelerate() -> bool:
    return any(name.startswith("ACCELERATE_") for name in os.environ)


def speaks() -> bool:
    """Whether this process tells the user what all of them did: the main one of a launcher's, or one alone."""
    return (os.environ.get("RANK") or _told().get("RANK", "0")) == "0"


def check_count(asked: int) -> None:
    """raises: InputError if another launcher has started another number of processes than was asked for"""
    started, by_accelerate = counts()[0], _by_accelerate()
    if asked and asked != started and (started > 1 or by_accelerate):
        launcher = "accelerate launch" if by_accelerate else "the launcher"
        raise InputError(
            f"--processes asks for {asked} processes, {launcher} started {started}",
            "on CPU, accelerate launch starts one process unless MPI is there" if by_accelerate else "leave --processes out",
            STARTS,
        )
