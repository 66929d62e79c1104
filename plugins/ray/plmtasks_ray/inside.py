"""What runs in the processes that Ray starts."""

import os
import traceback
from pathlib import Path
from typing import Any

from plmtasks.errors import PlmtasksError


class Inside:
    """A worker in a process of Ray's; it keeps its model until it ends.

    What it raises comes back as a value: not every error of a library can be sent, and Ray would wrap it in its own.
    """

    def __init__(self, folder: str) -> None:
        """folder: the driver's, from which relative paths count"""
        self.missing = "" if (there := Path(folder).is_dir()) else folder
        if there:
            os.chdir(folder)
        self.given: tuple[Any, ...] = ()
        self.worker: Any = None

    def begin(self, *given: Any) -> None:
        """Takes what the calls that follow have in common; and tells by its return that this process is ready."""
        self.given = given

    def call(self, name: str, *args: Any) -> tuple[bool, Any]:
        """(True, what a method of the core's worker returned), or (False, `failure`)."""
        try:
            if self.worker is None:
                from plmtasks.evaluation import Worker

                self.worker = Worker()
            return True, getattr(self.worker, name)(*self.given, *args)
        except Exception as e:  # noqa: BLE001  whatever it is, the driver ends with it
            return False, failure(e, self.missing)


def failure(error: BaseException, missing: str = "") -> dict[str, Any]:
    """What the driver is told of an error.

    missing: the folder that relative paths count from, where this node has none of the name
    """
    import ray

    node = f"on node {ray.util.get_node_ip_address()}"  # type: ignore[no-untyped-call]
    if missing:
        node += f", which has no folder {missing} for relative paths to count from"
    return {
        "message": getattr(error, "message", ""), "hints": (*getattr(error, "hints", ()), node),
        "expected": isinstance(error, PlmtasksError), "exit_code": getattr(error, "exit_code", 1),
        "traceback": "".join(traceback.format_exception(error)).strip(), "node": node,
    }  # fmt: skip
