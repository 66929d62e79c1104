"""What runs in the processes that Ray starts."""

import traceback
from typing import Any

from plmtasks.errors import PlmtasksError


class Inside:
    """A worker in a process of Ray's; it keeps its model until it ends.

    What it raises comes back as a value: not every error of a library can be sent, and Ray would wrap it in its own.
    """

    def __init__(self, folder: str) -> None:
        """folder: as of the core's worker"""
        self.folder, self.worker = folder, None
        self.given: tuple[str, ...] = ()

    def begin(self, *given: str) -> None:
        """Takes what the calls that follow have in common; that it returns says that this process is ready."""
        self.given = given

    def call(self, name: str, *args: Any) -> tuple[bool, Any]:
        """(True, what that method of the core's worker returned), or (False, `failure`)."""
        try:
            if self.worker is None:
                from plmtasks.evaluation import Worker

                self.worker = Worker(self.folder)
            return True, getattr(self.worker, name)(*self.given, *args)
        except Exception as e:  # noqa: BLE001  whatever it is, the driver ends with it
            return False, failure(e)


def failure(error: BaseException) -> dict[str, Any]:
    """What the driver is told of an error."""
    import ray

    from plmtasks.hooks import blame

    blamed = blame(error)
    return {
        "message": getattr(error, "message", ""), "hints": list(getattr(error, "hints", ())),
        "expected": isinstance(error, PlmtasksError), "exit_code": getattr(error, "exit_code", 1),
        "traceback": "".join([*traceback.format_exception(error), blamed or ""]).strip(),
        "node": ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
    }  # fmt: skip
