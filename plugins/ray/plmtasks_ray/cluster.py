"""The Ray cluster that this process belongs to: how it is joined, and what room there is."""

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from plmtasks.errors import InputError, ProcessError, summary_of
from plmtasks.hooks import DISABLED_VARIABLE, MODULES_VARIABLE

HANDED = (MODULES_VARIABLE, DISABLED_VARIABLE, "HF_HUB_OFFLINE")
"""Environment variables of this process that hold for those on the cluster too; the others are each node's own."""

QUIET = {
    # what Ray tells of its processes lies in its logs; standard output, where it would print it, is for what we print
    "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
    # a cluster that does not answer is looked for a few times, and not for minutes
    "RAY_NUM_REDIS_GET_RETRIES": "3",
}
"""Ray's own settings, where the user's environment has none; they are read when it is imported."""

RESUME = "run the same command again: it goes on where it was"

Node = Mapping[str, float]
"""What a node has: CPU, GPU, memory in bytes, and resources of its own."""


@contextmanager
def joined() -> Iterator[None]:
    """This process as a driver of the cluster that RAY_ADDRESS names, or of the one whose node this machine is.

    One that a caller has joined already is used, and not left.

    raises: InputError if there is none
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _knock(address)
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
        raise InputError(
            f"no Ray cluster at {address}: {summary_of(e)}" if address else f"no Ray cluster here: {summary_of(e)}",
            "ray start --head begins one; ray start --address HOST:PORT adds a machine, and any of them may give the command",
            "RAY_ADDRESS=HOST:PORT chooses; one with tokens needs RAY_AUTH_MODE=token and the token here too",
        ) from e
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """raises: OSError if nobody listens at HOST:PORT, which Ray itself would find out in minutes"""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def nodes() -> list[Node]:
    """Those that live."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def have_gpus(there: Sequence[Node]) -> bool:
    return any(node.get("GPU") for node in there)


def room(there: Sequence[Node], threads: int) -> int:
    """How many workers of so many CPUs, and of a GPU where there are any, the nodes have room for."""
    return sum(_room(node, threads, have_gpus(there)) for node in there)


def _room(node: Node, threads: int, gpu: bool) -> int:
    cpus = int(node.get("CPU", 0) // threads)
    return min(cpus, int(node.get("GPU", 0))) if gpu else cpus


def fair_threads(there: Sequence[Node], count: int) -> int:
    """CPUs of each worker, where nobody said it: OMP_NUM_THREADS, else as many as leave room for all.

    count: of workers; 0: one for each GPU, or where there are none, one for each node of the smallest size
    """
    said = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if said.isdigit() and int(said):
        return int(said)
    most = max((int(node.get("CPU", 0)) for node in there), default=1)
    if count:
        return next((threads for threads in range(most, 1, -1) if room(there, threads) >= count), 1)
    gpu = have_gpus(there)
    shares = [int(node.get("CPU", 0) // (node.get("GPU", 0) if gpu else 1)) for node in there if _room(node, 1, gpu)]
    return max(1, min(shares, default=1))


def failed(told: Mapping[str, Any]) -> ProcessError:
    """The error of a process on the cluster, as `inside.failure` tells it."""
    where = f"on the Ray node {told['node']}"
    if not told["expected"]:
        return ProcessError(f"a worker {where} failed:\n{told['traceback']}", RESUME)
    error = ProcessError(told["message"], *told["hints"], f"said by a worker {where}")
    error.exit_code = told["exit_code"]
    return error


def environment(threads: int) -> dict[str, Any]:
    """The runtime environment of a process that may use so many CPU threads."""
    handed = {name: os.environ[name] for name in HANDED if name in os.environ}
    return {"env_vars": {**handed, "OMP_NUM_THREADS": str(threads)}}
