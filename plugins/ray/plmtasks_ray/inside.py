"""What runs in the processes that Ray starts."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from plmtasks.errors import PlmtasksError


class Inside:
    """A worker in a process of Ray's; it keeps its model until it ends.

    What it raises comes back as a value: not every error of a library can be sent, and Ray would wrap it in its own.
    """

    def __init__(self, folder: str) -> None:
        """folder: as of the core's worker"""
        self.folder = folder
        self.worker: Any = None

    def ready(self) -> None:
        """That it returns says that this process has begun."""

    def call(self, name: str, *args: Any) -> tuple[bool, Any]:
        """(True, what that method of the core's worker returned), or (False, `failure`)."""
        try:
            if self.worker is None:
                from plmtasks.evaluation import Worker

                self.worker = Worker(self.folder)
            return True, getattr(self.worker, name)(*args)
        except Exception as e:  # noqa: BLE001  whatever it is, the driver ends with it
            return False, failure(e)


def do(work: str, log: str | None) -> tuple[bool, Any]:
    """(True, what `do_job` of the core returned), or (False, `failure`).

    log: the file that all output goes to; None: Ray's own
    """
    with nullcontext() if log is None else _written(Path(log)):
        try:
            from plmtasks.evaluation import do_job

            return True, do_job(work)
        except Exception as e:  # noqa: BLE001  it ends this run of the sweep, and no other
            told = failure(e)
            os.write(2, f"{e if told['expected'] else told['traceback']}\n".encode())  # where sys.stderr leads is Ray's affair
            return False, told


@contextmanager
def _written(log: Path) -> Iterator[None]:
    """Output of this process and of those that it starts goes to the end of a file."""
    kept = os.dup(1), os.dup(2)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for stream in (1, 2):
            os.dup2(file, stream)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, whole in zip((1, 2), kept, strict=True):
            os.dup2(whole, stream)
            os.close(whole)
        os.close(file)


def failure(error: BaseException) -> dict[str, Any]:
    """What the driver is told of an error."""
    import ray

    from plmtasks.hooks import blame

    whole = traceback.format_exception(error)
    if error.__traceback__ is not None:  # the frame that caught it is ours, and not to blame
        error = error.with_traceback(error.__traceback__.tb_next)
    return {
        "message": getattr(error, "message", ""), "hints": list(getattr(error, "hints", ())),
        "expected": isinstance(error, PlmtasksError), "exit_code": getattr(error, "exit_code", 1),
        "traceback": "".join([*whole, blame(error) or ""]).strip(),
        "node": ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
    }  # fmt: skip
