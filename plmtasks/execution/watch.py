"""One process fails, all end: what it tells, how it hears of its launcher's end, and how it ends itself."""

import json
import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Any

from ..config import LAUNCHED
from ..errors import InputError, PlmtasksError
from .place import speaks

SILENCE = "PLMTASKS_NODE_TIMEOUT"
"""Environment variable: seconds without a sign of life after which a process of another machine counts as dead; 60."""

RESUME = "run the same command again: it goes on where it was"


def failure_of(rank: int, error: BaseException) -> dict[str, Any]:
    """What others are told of this process's error."""
    return {
        "rank": rank, "message": getattr(error, "message", str(error)) or "interrupted",
        "hints": list(getattr(error, "hints", ())), "expected": isinstance(error, PlmtasksError), "exit_code": exit_code(error),
    }  # fmt: skip


def tell_launcher(store: Any, failure: dict[str, Any], error: BaseException) -> bool:
    """Tells our launcher that this process failed; returns whether its store was there to tell it."""
    told = {**failure, "traceback": "".join(traceback.format_exception(error))}
    try:
        if not store.check(["failure"]):
            store.set("failure", json.dumps(told))
    except RuntimeError:  # the store is gone, and the launcher that held it
        return False
    return True


def exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, PlmtasksError) else 1


def watch_launcher(launcher: int) -> None:
    """Ends this process once its launcher has, even before there is another process to miss."""
    while os.getppid() == launcher:
        time.sleep(0.2)
    say_launcher_ended()
    end(1)


def say_launcher_ended() -> None:
    if speaks() or LAUNCHED not in os.environ:  # torchrun's of one machine may end alone
        with suppress(OSError):  # the terminal may have ended with it
            sys.stderr.write(f"the launcher has ended, and its processes with it\n  {RESUME}\n")


def silence() -> float:
    """Seconds without a sign of life after which a process of another machine counts as dead.

    raises: InputError
    """
    setting = os.environ.get(SILENCE, "60")
    try:
        seconds = float(setting)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e6:
        raise InputError(f"{SILENCE} is {setting!r}", "seconds, such as 60")
    return seconds


def end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # other threads may sit in a kernel or a collective
