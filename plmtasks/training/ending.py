"""A process that is told to end in the middle of a training: it first saves what it has."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SIGNALS = ("SIGTERM", "SIGUSR2")
"""By which clusters announce an end: Slurm sends SIGTERM to what is preempted, and submitit has it send SIGUSR2 before the time
is up."""


@dataclass
class Ending:
    """Whether this process, or any that trains with it, was told to end."""

    told: int = 0
    """The signal that this process got."""
    anybody: bool = False
    _before: Mapping[int, Any] = field(default_factory=dict)

    @contextmanager
    def noticed(self, processes: int) -> Iterator[None]:
        """In the block a signal is only noted: it does after it what it would have done, a second one of its kind at once.

        processes: that train together
        """
        # one that waits for another in a library hears nothing: only where somebody kills it in the end may it be so patient
        patient = processes == 1 or "SLURM_JOB_ID" in os.environ
        if not patient or threading.current_thread() is not threading.main_thread():  # a thread takes no signals
            yield
            return
        numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in heeded}
        try:
            yield
        finally:
            self._restore()
        self.end()

    def end(self) -> None:
        """Does what the signal would have done, if this process got one."""
        self._restore()
        told, self.told = self.told, 0
        if told:
            os.kill(os.getpid(), told)

    def _note(self, number: int, _: FrameType | None) -> None:
        again, self.told = self.told == number, number
        if again:
            self.end()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
