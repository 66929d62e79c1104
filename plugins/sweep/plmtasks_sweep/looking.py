"""How the runs of a suite stand: what is there, what failed before, what is to be run."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from plmtasks.config import Source
from plmtasks.data import Dataset
from plmtasks.errors import MismatchError, PlmtasksError
from plmtasks.evaluation import load_data, outlook
from plmtasks.hooks import Registry
from plmtasks.task import Task

from .cells import BUSY, EXCLUDED, FAILED_BEFORE, THERE, UNFIT, UNKNOWN, WAITING, Cell
from .failures import failure


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
