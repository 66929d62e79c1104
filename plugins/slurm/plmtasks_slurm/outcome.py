"""What became of a job, in a file beside its log; and by which command its processes begin."""

import os
import sys
from pathlib import Path

from plmtasks.files import dump, write_text

AGAIN = 75
"""The exit code of a run that was told to end, and is to be gone on with."""


def write_outcome(path: str, *, result: str = "", error: str = "") -> None:
    """Of several processes of a job, the first speaks for all.

    result: what `plmtasks.evaluation.do_job` returned
    error: why it did not
    """
    if os.environ.get("SLURM_PROCID", "0") == "0":
        write_text(Path(path), dump({"result": result, "error": error}))


def python() -> list[str]:
    """This interpreter. Modules of the current folder, maybe a stranger's, are not imported where they would not be here."""
    return [sys.executable, *([] if any(Path(place).resolve() == Path.cwd() for place in sys.path) else ["-P"])]
