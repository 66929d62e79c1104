"""What a job does: the run in a process of its own, which Slurm may end and begin again as often as it likes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from submitit.helpers import Checkpointable, DelayedSubmission

from .outcome import AGAIN, python, write_outcome

SAVE_SECONDS = 60.0
"""In which a run that was told to end may save what it has: less than the 90 that Slurm gives from its signal to the end."""


class Work(Checkpointable):
    """A run, which keeps nothing in this process: its journal and its training's state are all that a second try needs.

    Slurm's signals reach every process of a job. SIGTERM comes before another job takes the place, and Slurm itself begins this
    one again, unless it ends before it is ended; SIGUSR2 comes before the time is up, and submitit has it queued again.
    """

    def __init__(self, work: str, outcome: str) -> None:
        """
        work: as `plmtasks.evaluation.do_job` takes it
        outcome: the file that tells what became of it
        """
        self.work, self.outcome = work, outcome
        self._run: subprocess.Popen[str] | None = None

    def __call__(self) -> None:
        # the run's signals are its own, whatever the libraries in it do with them
        run = self._run = subprocess.Popen(
            [*python(), "-m", "plmtasks_slurm.run", self.outcome], stdin=subprocess.PIPE, text=True
        )
        assert run.stdin is not None
        run.stdin.write(self.work)
        run.stdin.close()
        while (code := run.poll()) is None:  # not in wait(), in which a signal's handler could not ask
            time.sleep(0.2)
        if code in (AGAIN, -signal.SIGTERM, -signal.SIGUSR2):  # the last two before it heeded them
            while True:  # one that ends by itself would not be begun again
                time.sleep(60)
        if not Path(self.outcome).exists():  # it was killed, for its memory perhaps
            write_outcome(self.outcome, error=f"the job's process ended by {_cause(code)}")
        if code:
            sys.exit(code if code > 0 else 128 - code)

    def checkpoint(self) -> DelayedSubmission:
        """The same again, once the run has saved what it has."""
        run, self._run = self._run, None
        deadline = time.monotonic() + SAVE_SECONDS
        while run is not None and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        return DelayedSubmission(Work(self.work, self.outcome))


def _cause(code: int) -> str:
    return f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
