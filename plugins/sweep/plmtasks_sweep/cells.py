"""The runs of a suite, and how each stands: what is there, what failed before, what is to be run."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plmtasks import results
from plmtasks.config import RunConfig, Source
from plmtasks.data import Dataset
from plmtasks.errors import MismatchError, PlmtasksError
from plmtasks.evaluation import Suite, load_data, outlook
from plmtasks.hooks import Registry
from plmtasks.requests import to_json
from plmtasks.results import Result
from plmtasks.task import Task

from .failures import failure

State = str
EXCLUDED, UNFIT, UNKNOWN, WAITING, THERE, BUSY, DONE, FAILED, FAILED_BEFORE = (
    "excluded", "left out", "not checked", "to run", "there", "busy", "done", "failed", "failed before",
)  # fmt: skip
QUEUED, RUNNING, REQUEUED = "queued", "running", "requeued"

Tell = Callable[[int, "Cell"], None]
"""Is given a cell's number and what has become of it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a suite, and how it stands."""

    task: str
    model: str
    """As the suite calls them: with what sets them apart."""
    config: RunConfig
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What the sweep's engine is to give it."""
    state: State = WAITING
    note: str = ""
    """Why it is left out, or how it failed."""
    learns: bool = False
    """Whether its model has to be trained first, as far as is known."""
    asked: str = ""
    """A hash of what is asked, the same on every machine: of cells that share it one is run."""
    result: Result | None = None
    seconds: float | None = None
    """That it took, or the moment when it began by the monotonic clock while it runs."""
    log: Path | None = None
    """Where its engine writes what it says."""

    @property
    def failed(self) -> bool:
        return self.state in (FAILED, FAILED_BEFORE)

    @property
    def reason(self) -> str:
        """The note in one line: of a traceback the last, of a message the first."""
        lines = [line for line in self.note.splitlines() if line and not line.startswith(" ")]
        return lines[-1 if any(line.startswith("Traceback") for line in lines) else 0] if lines else ""

    @property
    def key(self) -> str:
        """By which its failure is kept: all that it is told of the run itself."""
        told = replace(self.config, output="", checkpoints="", processes=0, on="", yes=False, quiet=False)
        return results.identity_hash({"config": to_json(told)})

    def __str__(self) -> str:
        return f"{self.task} on {self.model}, seed {self.config.seed}"


def plan(suite: Suite, registry: Registry) -> list[Cell]:
    """All runs of a suite, those that are left out too.

    raises: InputError for what the suite's file may not ask
    """
    suite.check(registry)
    cells = []
    for task, model in suite.pairs():
        state = EXCLUDED if suite.excludes(task, model) else WAITING
        for config in suite.configs(task, model):
            wanted = suite.wanted(config.on, task, model)
            cells.append(Cell(task=task.label, model=model.label, config=config, resources=wanted, state=state))
    return cells


@dataclass
class Look:
    """How a run stands, without a model loaded or anything computed.

    The data set of one is kept for the next, which is most often of the same task.
    """

    registry: Registry
    forgiven: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """Cell's key → its failure that does not count, as it is to be run again."""
    _source: tuple[str, Source] | None = None
    _data: Dataset | None = None

    @classmethod
    def at(cls, cells: Sequence[Cell], registry: Registry, *, retry: bool) -> "Look":
        """
        retry: what has failed until now is to be run; what fails from now on, in another sweep too, has failed
        """
        return cls(registry, {cell.key: failure(cell) for cell in cells} if retry else {})

    def __call__(self, cell: Cell) -> Cell:
        if cell.state == EXCLUDED:
            return cell
        try:
            found = outlook(cell.config, self.registry, self._opened)
        except MismatchError as e:
            return replace(cell, state=UNFIT, note=e.message)
        except Exception as e:  # noqa: BLE001  whatever a plugin's reading of data raises must not stop the other runs
            return replace(cell, state=UNKNOWN, note=said(e))
        cell = replace(cell, learns=found.learns, asked=found.asked, result=found.result)
        if found.result is not None:
            return replace(cell, state=THERE, note="")
        before = failure(cell)
        if before is not None and before != self.forgiven.get(cell.key):
            return replace(cell, state=FAILED_BEFORE, note=before["error"])
        return replace(cell, state=BUSY if found.busy else WAITING, note=found.busy)

    def _opened(self, task: Task, source: Source) -> Dataset:
        if self._data is None or self._source != (task.name, source):
            self._data, self._source = load_data(task, source), (task.name, source)
        return self._data


def said(error: Exception) -> str:
    """What is kept of an error."""
    return str(error) if isinstance(error, PlmtasksError) else "".join(traceback.format_exception(error)).strip()
