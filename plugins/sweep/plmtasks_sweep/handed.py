"""A suite whose runs are handed to an engine, and followed until all have ended; whoever stops to follow stops no run."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from plmtasks.engine import Engine, Job, Standing
from plmtasks.errors import InputError
from plmtasks.evaluation import work_of
from plmtasks.files import place
from plmtasks.hooks import Registry
from plmtasks.results import read_result

from .cells import BUSY, DONE, FAILED, RUNNING, THERE, UNKNOWN, WAITING, Cell, Tell
from .failures import forget, keep
from .looking import Look

LEAST, MOST = 1.0, 15.0
"""Seconds between two looks at what the engine does: more and more while nothing changes."""


def hand_over(cells: Sequence[Cell], registry: Registry, engine: Engine, tell: Tell, *, retry: bool = False) -> list[Cell]:
    """Has the engine run what is to be run, and follows it; every failure is written down as soon as it is seen.

    What the engine is at since the same command was given before is followed, and not handed over again.

    retry: what failed before is run again

    raises: InputError if the engine is not there, or does not take what a run needs
    """
    handed = _Handed.looked(cells, Look.at(cells, registry, retry=retry), tell)
    if not handed.waiting:
        return handed.cells
    with engine.jobs(handed.jobs(), handed.folder, begin=False) as held:
        handed.take(held.look(), earlier=True, retry=retry)
    for number in [number for numbers in handed.waiting.values() for number in numbers]:
        forget(handed.cells[number])  # or whoever looks from now on believes that it has failed
    with engine.jobs(handed.jobs(), handed.folder) as held:
        pause = LEAST
        while handed.waiting:
            before = list(handed.cells)
            handed.take(held.look())
            pause = LEAST if handed.cells != before else min(pause * 1.3, MOST)
            if handed.waiting:
                time.sleep(pause)
    return handed.cells


def standing(cells: Sequence[Cell], registry: Registry, engine: Engine | None) -> list[Cell]:
    """How each run stands now, with those that the engine has; nothing is begun.

    raises: InputError if the engine is not there
    """
    handed = _Handed.looked(cells, Look(registry))
    if engine is not None and handed.waiting:
        with engine.jobs(handed.jobs(), handed.folder, begin=False) as held:
            handed.take(held.look(), earlier=True)
    return handed.cells


@dataclass
class _Handed:
    """The cells, and which of them wait for a job of the engine; those that ask the same wait for the same job."""

    cells: list[Cell]
    tell: Tell | None
    """None: somebody only looks, and nothing is written down."""
    waiting: dict[str, list[int]] = field(default_factory=dict)
    """Job's name → numbers of the cells."""

    @classmethod
    def looked(cls, cells: Sequence[Cell], look: Look, tell: Tell | None = None) -> "_Handed":
        """What is there, does not fit or failed before waits for nothing."""
        handed = cls(list(cells), tell)
        for number, cell in enumerate(cells):
            now = look(cell)
            if now.state in (WAITING, BUSY):
                # a job waits by itself for whoever is at the same run
                handed.cells[number] = now if tell is None else replace(now, state=WAITING, note="")
                handed.waiting.setdefault(now.asked, []).append(number)
            elif now.state == UNKNOWN and tell is not None:
                handed.become(number, replace(now, state=FAILED))
            else:
                handed.become(number, now)
        return handed

    @property
    def folder(self) -> Path:
        """That of the results."""
        return place(self.cells[0].config.output)

    def jobs(self) -> list[Job]:
        """One for each that waits."""
        made = []
        for name, (number, *_) in self.waiting.items():
            cell = self.cells[number]
            # what it says goes to a file, which somebody may want to read
            config = replace(cell.config, on="", quiet=False)
            made.append(Job(name=name, work=work_of(config, learns=cell.learns), resources=cell.resources))
        return made

    def take(self, found: Mapping[str, Standing], *, earlier: bool = False, retry: bool = False) -> None:
        """Takes what has become of the jobs.

        earlier: they were handed over by an earlier command; what is not to be had of them waits on
        retry: those too that failed
        """
        for name in [name for name in self.waiting if name in found]:
            now, result = found[name], None
            if now.state == DONE:
                try:
                    result = read_result(place(now.result))
                except InputError as e:
                    if earlier:  # deleted since, or damaged, which the run itself tells
                        continue
                    now = Standing(state="failed", log=now.log, note=f"{e}\n  it was written: all machines need the same files")
            if now.state == FAILED and earlier and retry:
                continue
            done = THERE if earlier else DONE
            for number in self.waiting[name]:
                state = done if now.state == DONE else now.state
                self.become(number, replace(self.cells[number], state=state, note=now.note, result=result, log=now.log))
                done = THERE  # the others ask the same
            if now.state in (DONE, FAILED):
                del self.waiting[name]

    def become(self, number: int, cell: Cell) -> None:
        """Says what has become of a cell, if that is new."""
        before, now = self.cells[number], time.monotonic()
        if cell.state == RUNNING and self.tell is not None:
            cell = replace(cell, seconds=before.seconds if before.state == RUNNING else now)
        elif before.state == RUNNING and before.seconds is not None:
            cell = replace(cell, seconds=now - before.seconds)
        self.cells[number] = cell
        if self.tell is None or cell.state == before.state:
            return
        if cell.state == FAILED:
            keep(cell)
        self.tell(number, cell)
