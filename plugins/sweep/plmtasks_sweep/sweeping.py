"""A suite run on this machine, beside whoever runs it too: what is there is skipped, and what fails stops nothing else."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from plmtasks.errors import BusyError, InputError, PlmtasksError
from plmtasks.evaluation import BUSY_SECONDS, run_apart
from plmtasks.execution import started_by_launcher
from plmtasks.files import open_folder, place
from plmtasks.hooks import Registry

from .cells import BUSY, DONE, EXCLUDED, FAILED, RUNNING, UNKNOWN, WAITING, Cell, Tell
from .failures import forget, keep
from .looking import Look, said

TRIED_AFTER = 60.0
"""Seconds after which a run that seems busy is begun nevertheless: whoever was at it may have died, and then gives it up."""


def of_its_own() -> bool:
    """Makes this process a sweep of its own where srun started several: they share the runs among them.

    returns: whether it speaks for all

    raises: InputError if another launcher started it
    """
    first = os.environ.get("SLURM_PROCID", "0") == "0"
    if "SLURM_STEP_ID" in os.environ and "WORLD_SIZE" not in os.environ:
        for name in [name for name in os.environ if name.startswith(("SLURM_", "PMI_", "PMIX_"))]:
            del os.environ[name]
    if started_by_launcher():
        raise InputError(
            "a sweep starts its processes itself", "plmtasks sweep SUITE --processes N, without a launcher",
            "the same command on each of several machines, or srun plmtasks sweep SUITE, shares the runs among them",
        )  # fmt: skip
    return first


def sweep(cells: Sequence[Cell], registry: Registry, tell: Tell, *, retry: bool = False) -> list[Cell]:
    """Runs what is to be run, each in processes of its own; every failure is written down at once.

    What another process is at is looked at again when all else is done, until it is there or has failed.

    retry: what failed before too
    """
    for output in dict.fromkeys(cell.config.output for cell in cells if cell.state != EXCLUDED):
        open_folder(place(output))  # or what is wrong with it stops each run by itself
    swept, look = list(cells), Look.at(cells, registry, retry=retry)
    left = [number for number, cell in enumerate(swept) if cell.state != EXCLUDED]
    tried: dict[int, float] = {}
    while left:
        busy = []
        for number in left:
            was, now = swept[number], look(swept[number])
            if now.state == BUSY:
                since = tried.setdefault(number, time.monotonic())
                now = now if time.monotonic() - since < TRIED_AFTER else replace(now, state=WAITING)
            if now.state == WAITING:
                now = _run(now, registry, partial(tell, number))
                tried[number] = time.monotonic()
            elif now.state == UNKNOWN:
                now = replace(now, state=FAILED)
            if now.state == FAILED:
                keep(now)
            if now.state == BUSY:
                busy.append(number)
            swept[number] = now
            if (now.state, was.state) != (BUSY, BUSY):
                tell(number, now)
        if busy == left:
            time.sleep(BUSY_SECONDS)
        left = busy
    return swept


def _run(cell: Cell, registry: Registry, tell: Callable[[Cell], None]) -> Cell:
    """The cell after it was run; it may turn out to be busy."""
    forget(cell)
    began = time.monotonic()
    tell(replace(cell, state=RUNNING, seconds=began))
    try:
        result = run_apart(cell.config, registry, learns=cell.learns)
    except Exception as e:  # noqa: BLE001  whatever a run raises must not stop the others
        # an error that came from another process has kept no more of its type than this
        if isinstance(e, PlmtasksError) and e.exit_code == BusyError.exit_code:
            return replace(cell, state=BUSY, note=e.message)
        return replace(cell, state=FAILED, note=said(e), seconds=time.monotonic() - began)
    return replace(cell, state=DONE, result=result, seconds=time.monotonic() - began)
