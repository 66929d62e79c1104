"""The place of this process among those that a launcher started: what its environment says of it."""

import os

from ..config import LAUNCHED
from ..errors import InputError

PLACE = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "TORCHELASTIC_USE_AGENT_STORE")
"""Environment variables by which a launcher tells a process its place."""

MPI = {
    "WORLD_SIZE": ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"),
    "RANK": ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"),
    "LOCAL_RANK": ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK"),
    "LOCAL_WORLD_SIZE": ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE"),
}
"""torch's environment variable → those by which Open MPI, Intel MPI and MPICH, and MVAPICH say the same."""


def started_by_launcher() -> bool:
    """Whether this is one of the processes that torchrun, accelerate, MPI or our own launcher started.

    raises: InputError if MPI started it and nobody said where the processes meet
    """
    if "WORLD_SIZE" not in os.environ:
        from_mpi = {ours: os.environ[name] for ours, names in MPI.items() for name in names if name in os.environ}
        if int(from_mpi.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in os.environ:
            raise InputError(
                f"MPI started {from_mpi['WORLD_SIZE']} processes, and they do not know where to meet",
                "set MASTER_ADDR and MASTER_PORT to the first node's name and a free port",
            )
        os.environ.update(from_mpi)
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or LAUNCHED in os.environ


def speaks() -> bool:
    """Whether this process tells the user what all of them did: the main one of a launcher's, or one alone."""
    return os.environ.get("RANK", "0") == "0"


def check_count(asked: int) -> None:
    """raises: InputError if another launcher has started another number of processes than was asked for"""
    started_by_launcher()
    started = int(os.environ.get("WORLD_SIZE", "1"))
    by_accelerate = any(name.startswith("ACCELERATE_") for name in os.environ)
    if asked and asked != started and (started > 1 or by_accelerate):
        launcher = "accelerate launch" if by_accelerate else "the launcher"
        raise InputError(
            f"--processes asks for {asked} processes, {launcher} started {started}",
            "on CPU, accelerate launch starts one process unless MPI is there" if by_accelerate else "leave --processes out",
            "plmtasks run --processes N, or torchrun --nproc-per-node N -m plmtasks run …, start N",
        )
