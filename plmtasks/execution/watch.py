"""One process fails, all end: what each tells the others, and how it hears of them."""

import json
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..config import LAUNCHED
from ..errors import InputError, PlmtasksError
from .place import speaks

if TYPE_CHECKING:
    from .processes import Processes

SILENCE = "PLMTASKS_NODE_TIMEOUT"
"""Environment variable: seconds without a sign of life after which a process of another machine counts as dead; 60."""

HOLDER = "that holds the store"
"""Stands for the rank of the process that holds the store: our launcher, torchrun's agent or the main process."""

RESUME = "run the same command again: it goes on from what the journal holds"


def tell(store: Any, rank: int, error: BaseException) -> bool:
    """Tells all others that this process failed; returns whether the store was there to tell it."""
    failure = {
        "rank": rank, "message": getattr(error, "message", str(error)) or "interrupted",
        "hints": list(getattr(error, "hints", ())), "expected": isinstance(error, PlmtasksError), "exit_code": exit_code(error),
        "traceback": "".join(traceback.format_exception(error)),
    }  # fmt: skip
    try:
        if not store.check(["failure"]):
            store.set("failure", json.dumps(failure))
    except RuntimeError:  # the store is gone: whoever held it has ended, and the others see that
        return False
    return True


def exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, PlmtasksError) else 1


def watch_launcher(launcher: int) -> None:
    """Ends this process once its launcher has, even before there is a store to miss."""
    while os.getppid() == launcher:
        time.sleep(0.2)
    say_launcher_ended()
    end(1)


def say_launcher_ended() -> None:
    if speaks():
        with suppress(OSError):  # the terminal may have ended with it
            sys.stderr.write(f"the launcher has ended, and its processes with it\n  {RESUME}\n")


def watch(pulses: "Pulses", stop: threading.Event) -> None:
    """Ends this process once another has failed or fallen silent, or once the store is gone with whoever held it."""
    processes = pulses.processes
    while not stop.wait(0.5):
        try:
            if processes.store.check(["failure"]):
                failure = json.loads(processes.store.get("failure"))
            else:
                failure = pulses.check()
        except RuntimeError:
            if stop.is_set():
                return
            failure = {"rank": HOLDER, "message": "it is gone", "exit_code": 1}
        if failure and failure["rank"] != processes.rank:
            if not os.environ.get(LAUNCHED):
                message = f"process {failure['rank']} failed: {failure['message']}"
                sys.stderr.write(f"process {processes.rank} ends: {message}\n  {RESUME}\n")
            elif failure["rank"] == HOLDER:
                say_launcher_ended()
            end(failure["exit_code"])


class Pulses:
    """Whether the processes of other machines still live: a killed one tells nobody, and its launcher only its own machine.

    The main process looks at all others, they look at it.
    """

    def __init__(self, processes: "Processes") -> None:
        self.processes = processes
        self.silence = silence()
        several = processes.count > processes.local_count
        self.others = [r for r in range(processes.count) if r != processes.rank and (processes.main or r == 0)] if several else []
        self.seen: dict[int, tuple[int, float]] = {}

    def check(self) -> dict[str, Any]:
        """Gives this process's pulse; returns what is to be told of a process that gave none for too long."""
        if not self.others:
            return {}
        self.processes.add(f"pulse/{self.processes.rank}")
        now = time.monotonic()
        for rank in self.others:
            pulse = self.processes.add(f"pulse/{rank}", 0)
            last, since = self.seen.get(rank, (0, now))
            if pulse != last or pulse == 0:  # it has yet to come
                self.seen[rank] = (pulse, now)
            elif now - since > self.silence and not self.processes.store.check([f"gone/{rank}"]):
                return {"rank": rank, "message": f"it gave no sign of life for {self.silence:g} s ({SILENCE})", "exit_code": 1}
        return {}


def silence() -> float:
    """Seconds without a sign of life after which a process of another machine counts as dead.

    raises: InputError
    """
    setting = os.environ.get(SILENCE, "60")
    try:
        seconds = float(setting)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{SILENCE} is {setting!r}", "seconds, such as 60")
    return seconds


def end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # other threads may sit in a kernel or a collective
