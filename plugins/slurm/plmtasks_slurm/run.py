"""The process of a job's run: `python -m plmtasks_slurm.run OUTCOME`, with the work as its input."""

import signal
import sys
import traceback
from types import FrameType

from plmtasks.errors import PlmtasksError
from plmtasks.evaluation import do_job
from plmtasks.execution import started_by_launcher

from .outcome import AGAIN, write_outcome


class _Told:
    """Whether Slurm has announced the end."""

    ever = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        self.ever = True
        # processes that this one launched got the signal too, and end when they have saved; where it is one of several that srun
        # started, it has nobody to wait for
        if started_by_launcher():
            sys.exit(AGAIN)


def main() -> int:
    """returns: the exit code"""
    outcome, work, told = sys.argv[1], sys.stdin.read(), _Told()
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, told)
    try:
        write_outcome(outcome, result=do_job(work))
    except Exception as e:  # noqa: BLE001  whatever a run raises, whoever follows the job must hear of it
        said = str(e) if isinstance(e, PlmtasksError) else traceback.format_exc().strip()
        print(f"{'told to end' if told.ever else 'error'}: {said}", file=sys.stderr)
        if told.ever:  # most often that is why; what else it was comes again when the run goes on
            return AGAIN
        write_outcome(outcome, error=said)
        return e.exit_code if isinstance(e, PlmtasksError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
