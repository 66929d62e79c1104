"""A suite run pair by pair: what is there is skipped, and what fails stops nothing else."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plmtasks import results
from plmtasks.config import RunConfig, Source
from plmtasks.data import Dataset
from plmtasks.errors import DataError, InputError, MismatchError, PlmtasksError
from plmtasks.evaluation import Suite, load_data, outlook, run_apart
from plmtasks.execution import started_by_launcher
from plmtasks.files import dump, open_folder, read_object, write_text
from plmtasks.hooks import Registry
from plmtasks.requests import to_json
from plmtasks.results import Result
from plmtasks.task import Task

FAILURES = "failures.json"
"""In the output folder: which runs failed, and why; a run that succeeds is taken out."""

State = str
EXCLUDED, UNFIT, UNKNOWN, WAITING, THERE, RUNNING, DONE, FAILED, FAILED_BEFORE = (
    "excluded", "left out", "not checked", "to run", "there", "running", "done", "failed", "failed before",
)  # fmt: skip

Tell = Callable[[int, "Cell"], None]
"""Is given a cell's number and what has become of it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a suite, and how it stands."""

    task: str
    model: str
    """As the suite calls them: with what sets them apart."""
    config: RunConfig
    state: State = WAITING
    note: str = ""
    """Why it is left out, or how it failed."""
    learns: bool = False
    """Whether its model has to be trained first, as far as is known."""
    result: Result | None = None
    seconds: float | None = None
    """That it took, or the moment when it began by the monotonic clock while it runs."""

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
        configs = suite.configs(task, model)
        cells += [Cell(task=task.label, model=model.label, config=config, state=state) for config in configs]
    return cells


def look(cells: Sequence[Cell], registry: Registry, *, retry: bool = False) -> list[Cell]:
    """How each run stands, without a model loaded or anything computed.

    retry: what failed before is to be run
    """
    look = _Look(registry=registry, retry=retry)
    return [look(cell) for cell in cells]


def sweep(cells: Sequence[Cell], registry: Registry, tell: Tell, *, retry: bool = False) -> list[Cell]:
    """Runs what is to be run, each in processes of its own; every failure is written down at once.

    retry: what failed before too
    """
    if started_by_launcher():
        raise InputError("a sweep starts its processes itself", "plmtasks sweep SUITE --processes N, without a launcher")
    swept, look = list(cells), _Look(registry=registry, retry=retry)
    for number, cell in enumerate(swept):
        if cell.state == EXCLUDED:
            continue
        looked = look(cell)
        if looked.state == WAITING:
            began = time.monotonic()
            tell(number, replace(cell, state=RUNNING, seconds=began))
            looked = replace(_run(looked, registry), seconds=time.monotonic() - began)
        elif looked.state == UNKNOWN:
            looked = replace(looked, state=FAILED)
        if looked.state in (DONE, FAILED):
            _keep(looked)
        swept[number] = looked
        tell(number, looked)
    return swept


@dataclass
class _Look:
    """How a run stands; the data set of one is kept for the next, which is most often of the same task."""

    registry: Registry
    retry: bool
    _source: tuple[str, Source] | None = None
    _data: Dataset | None = None

    def __call__(self, cell: Cell) -> Cell:
        if cell.state == EXCLUDED:
            return cell
        c = cell.config
        try:
            found = outlook(c, self.registry, self._opened)
        except MismatchError as e:
            return replace(cell, state=UNFIT, note=e.message)
        except Exception as e:  # noqa: BLE001  whatever a plugin's reading of data raises must not stop the other runs
            return replace(cell, state=UNKNOWN, note=_said(e))
        cell = replace(cell, learns=found.learns, result=found.result)
        if found.result is not None:
            return replace(cell, state=THERE)
        before = {} if self.retry else _failures(c.output)
        if cell.key in before:
            return replace(cell, state=FAILED_BEFORE, note=before[cell.key]["error"])
        return cell

    def _opened(self, task: Task, source: Source) -> Dataset:
        if self._data is None or self._source != (task.name, source):
            self._data, self._source = load_data(task, source), (task.name, source)
        return self._data


def _run(cell: Cell, registry: Registry) -> Cell:
    try:
        return replace(cell, state=DONE, result=run_apart(cell.config, registry, learns=cell.learns))
    except Exception as e:  # noqa: BLE001  as above
        return replace(cell, state=FAILED, note=_said(e))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, PlmtasksError) else "".join(traceback.format_exception(error)).strip()


def _keep(cell: Cell) -> None:
    """Writes a failure down, or takes that of an earlier try out."""
    folder = Path(cell.config.output)
    failures = _failures(cell.config.output)
    said = failures.pop(cell.key, None)
    if cell.failed:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        failures[cell.key] = {
            "task": cell.task, "model": cell.model, "seed": cell.config.seed, "error": cell.note, "at": at,
        }  # fmt: skip
    if failures:
        open_folder(folder)
        write_text(folder / FAILURES, dump(failures))
    elif said:
        (folder / FAILURES).unlink()


def _failures(output: str) -> dict[str, Any]:
    path = Path(output, FAILURES)
    try:
        return read_object(path, {...: {"error": str}})
    except FileNotFoundError:
        return {}
    except DataError as e:
        raise DataError(e.where, f"the failures of a sweep: {e.expected}", e.found, "delete it") from e
