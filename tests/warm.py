"""plmtasks in a process that is forked where what takes seconds is imported already, so that it starts seconds sooner."""

import multiprocessing
import os
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, util
from multiprocessing.process import BaseProcess
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

import hub

from plmtasks.hooks.entrypoints import entry_points

MODELS = [f"transformers.models.{name}.modeling_{name}" for name in ("bert", "gpt2", "t5")]
OURS = [f"plmtasks.{name}" for name in ("cli", "evaluation", "store", "tables")]
OTHERS = [
    "accelerate",
    "datasets",
    "sacrebleu",
    "sklearn.linear_model",
    "torch.distributed.elastic.multiprocessing",
    "transformers",
]
IMPORTED = ["torch", *OTHERS, *MODELS, *OURS, "plmtasks_transformers.answering", "plmtasks_transformers.training"]

SECONDS = 250
NOWHERE = Path(os.devnull)

# where the sockets lie: a test that moves the temporary files would make their paths too long
util.get_temp_dir()


def plmtasks(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    together: bool = False,
    processes: int = 0,
    given: bytes = b"",
) -> CompletedProcess[str]:
    """What `plmtasks ARGUMENTS` does in the folder. What libraries read of the environment at their import has no effect here.

    together: errors go to the standard output too
    given: its standard input
    processes: as so many processes, started as a launcher starts them, in place of one that may start others

    raises: TimeoutExpired
    """
    with tempfile.TemporaryDirectory() as made:
        into, out, err = Path(made, "in"), Path(made, "out"), Path(made, "out" if together else "err")
        into.write_bytes(given)
        forks = started(arguments, folder, environment, processes, (into, out, err))
        for fork in forks:
            fork.join(SECONDS)
        if any(fork.is_alive() for fork in forks):
            for fork in forks:
                fork.kill()
            raise TimeoutExpired(list(arguments), SECONDS)
        code = next((fork.exitcode for fork in forks if fork.exitcode), 0)
        return CompletedProcess(list(arguments), code, *(path.read_text(encoding="utf-8") for path in (out, err)))


def started(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], processes: int = 0,
    standard: Sequence[Path] = (NOWHERE, NOWHERE, NOWHERE),
) -> list[BaseProcess]:  # fmt: skip
    """The processes of `plmtasks`, which run.

    standard: files of their input, output and errors
    """
    start()
    forks = [
        multiprocessing.get_context("forkserver").Process(
            target=_run, args=(list(arguments), str(folder), {**environment, **place}, [str(path) for path in standard])
        )
        for place in (_places(processes) if processes else [{}])
    ]
    for fork in forks:
        fork.start()
    return list(forks)


def _places(count: int) -> list[dict[str, str]]:
    """What a launcher on this machine tells each of its processes of its place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]


def start() -> None:
    """Starts the process that imports and forks, unless it runs: without a hub, with one model in its cache, and with one thread.

    A fork has no other threads than the one that forks.
    """
    forkserver.set_forkserver_preload([*IMPORTED, *(found.module for found in entry_points("plmtasks"))])
    before = dict(os.environ)
    os.environ.update({"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub.filled()), "OMP_NUM_THREADS": "1"})
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(arguments: list[str], folder: str, environment: dict[str, str], standard: list[str]) -> None:
    for descriptor, name in enumerate(standard):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND if descriptor else os.O_RDONLY), descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  a fork has none
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    named = [str(Path(path).resolve()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*named, *(path for path in sys.path if path and Path(path).name != "tests")]  # pytest's are not a user's
    sys.argv = ["plmtasks", *arguments]
    from plmtasks.cli import main

    main()
