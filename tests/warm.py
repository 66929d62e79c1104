"""plmtasks in a process that is forked where torch and transformers are imported already, so that it starts seconds sooner."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver, util
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

import hub

MODELS = [f"transformers.models.{name}.modeling_{name}" for name in ("bert", "gpt2", "t5")]
IMPORTED = ["torch", "accelerate", "datasets", "sacrebleu", "transformers", *MODELS]

SECONDS = 250

# where the sockets lie: a test that moves the temporary files would make their paths too long
util.get_temp_dir()


def plmtasks(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], *, together: bool = False
) -> CompletedProcess[str]:
    """What `plmtasks ARGUMENTS` does in the folder. What libraries read of the environment at their import has no effect here.

    together: errors go to the standard output too

    raises: TimeoutExpired
    """
    _start()
    with tempfile.TemporaryDirectory() as made:
        out, err = Path(made, "out"), Path(made, "out" if together else "err")
        process = multiprocessing.get_context("forkserver").Process(
            target=_run, args=(list(arguments), str(folder), dict(environment), str(out), str(err))
        )
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutExpired(list(arguments), SECONDS)
        return CompletedProcess(
            list(arguments), process.exitcode or 0, *(path.read_text(encoding="utf-8") for path in (out, err))
        )


def _start() -> None:
    """Starts the process that imports and forks, unless it runs: without a hub, with one model in its cache, and with one thread.

    A fork has no other threads than the one that forks.
    """
    forkserver.set_forkserver_preload(IMPORTED)
    before = dict(os.environ)
    os.environ.update({"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub.filled()), "OMP_NUM_THREADS": "1"})
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str) -> None:
    for name, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    named = [str(Path(path).resolve()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*named, *(path for path in sys.path if path and Path(path).name != "tests")]  # pytest's are not a user's
    sys.argv = ["plmtasks", *arguments]
    from plmtasks.cli import main

    main()
