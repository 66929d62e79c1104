"""The Ray cluster that this process belongs to, and the room in it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plmtasks.errors import InputError, ProcessError, summary_of
from plmtasks.hooks import DISABLED_VARIABLE, MODULES_VARIABLE

HANDED = (MODULES_VARIABLE, DISABLED_VARIABLE, "HF_HUB_OFFLINE")
"""Environment variables of this process that hold for those on the cluster too; the others are each node's own."""

RESUME = "run the same command again: it goes on from what the journal holds"


@contextmanager
def joined() -> Iterator[None]:
    """This process as a driver of the cluster that RAY_ADDRESS names, or of the one whose node this machine is.

    One that a caller has joined already is used, and not left.

    raises: InputError if there is none
    """
    # what Ray tells of its workers goes to its own log files; among our lines on the screen it would hide them
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as e:
        address = os.environ.get("RAY_ADDRESS")
        raise InputError(
            f"no Ray cluster at {address}: {summary_of(e)}" if address else "there is no Ray cluster here",
            "ray start --head starts one, ray start --address HOST:PORT adds this machine to another",
            "RAY_ADDRESS=HOST:PORT names one of several that this machine is a node of",
        ) from e
    try:
        yield
    finally:
        ray.shutdown()


def nodes() -> list[Mapping[str, float]]:
    """What each living node has: CPU, GPU, memory in bytes, and resources of its own."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def failed(told: Mapping[str, Any]) -> Exception:
    """The error of a process on the cluster, as `inside.failure` tells it."""
    if not told["expected"]:
        return ProcessError(f"a worker {told['node']} failed:\n{told['traceback']}", RESUME)
    error = ProcessError(told["message"], *told["hints"])
    error.exit_code = told["exit_code"]
    return error


def environment(threads: int) -> dict[str, Any]:
    """The runtime environment of a process that may use so many CPU threads."""
    handed = {name: os.environ[name] for name in HANDED if name in os.environ}
    return {"env_vars": {**handed, "OMP_NUM_THREADS": str(threads)}}
