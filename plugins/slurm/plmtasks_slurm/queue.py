"""What Slurm says of jobs: its queue, which is there without accounting, asked once for all of a user's."""

import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import Literal

from plmtasks.errors import InputError, summary_of

ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
    "RECONFIG_FAIL", "REVOKED", "TIMEOUT",
)  # fmt: skip
"""The states of jobs that Slurm does not begin again."""

WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")

ALIVE = (*WAITING, "RUNNING", "SUSPENDED", "STOPPED")

LATE = 30.0
"""Seconds in which what a job wrote may still be on its way over a shared file system after the job has ended."""

SECONDS = 1.0
"""For which an answer of the queue is good."""


@dataclass(frozen=True)
class State:
    """A job in the queue."""

    word: str
    """Slurm's."""
    restarts: int = 0
    why: str = ""
    """It waits, or has ended without a word of its own."""

    @property
    def ended(self) -> bool:
        return self.word in ENDED

    @property
    def standing(self) -> Literal["queued", "running", "requeued"]:
        if self.word in WAITING:
            return "requeued" if self.restarts else "queued"
        return "running"

    @property
    def reason(self) -> str:
        return self.why if self.word in (*WAITING, "COMPLETING") and self.why != "None" else ""


@dataclass
class Queue:
    """The queue, as it was when it was last asked."""

    _jobs: dict[str, State] = field(default_factory=dict)
    _asked: float = float("-inf")
    _missing: dict[str, float] = field(default_factory=dict)
    """Job → when it was first seen to have ended, by the monotonic clock."""

    def state(self, number: str) -> State | None:
        """How a job stands; None: it has left the queue for some time. One that has only just ended still counts as running.

        raises: InputError if Slurm does not answer, and never did
        """
        self._ask()
        state = self._jobs.get(number)
        if state is not None and not state.ended:
            self._missing.pop(number, None)
            return state
        since = self._missing.setdefault(number, time.monotonic())
        if time.monotonic() - since > LATE:
            return state
        return State("COMPLETING", why=f"has ended{f' as {state.word}' if state else ''}, and said nothing yet")

    def expire(self) -> None:
        """Has Slurm asked anew at once: what it said last knows nothing of jobs that were handed over since."""
        self._asked -= SECONDS

    def _ask(self) -> None:
        if time.monotonic() - self._asked < SECONDS:
            return
        form = "JobArrayID:40,State:20,RestartCnt:10,Reason:40"
        # no header, elements of arrays one by one, ended jobs too
        command = ["squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-O", form]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as e:
            if self._asked > 0:  # a controller may be away for some minutes: what it said last holds
                return
            why = summary_of(ValueError(e.stderr)) if isinstance(e, subprocess.CalledProcessError) and e.stderr else summary_of(e)
            raise InputError(f"Slurm does not tell its jobs: {why}", "give the command where jobs are submitted") from e
        self._asked = time.monotonic()
        self._jobs = {}
        for line in done.stdout.splitlines():
            number, word, restarts, why = (line[at : at + width].strip() for at, width in ((0, 40), (40, 20), (60, 10), (70, 40)))
            self._jobs[number] = State(word, int(restarts or 0), why)
