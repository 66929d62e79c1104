"""Which runs of a sweep failed, and why: a file each in the folder of results, so that several sweeps may share one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError
from plmtasks.files import dump, open_folder, place, read_object, write_text

from .cells import Cell

FAILURES = "failures"
"""The folder in that of the results; a run that is begun again is taken out of it."""


def failure(cell: Cell) -> Mapping[str, Any] | None:
    """What is kept of the cell's failure, if it failed when it was run last.

    raises: DataError if that cannot be read
    """
    path = _path(cell)
    try:
        return read_object(path, {"error": str})
    except FileNotFoundError:
        return None
    except DataError as e:
        raise DataError(e.where, f"a sweep's failed run: {e.expected}", e.found, "delete it") from e


def keep(cell: Cell) -> None:
    """Writes down how a cell failed.

    raises: OutputError
    """
    path = _path(cell)
    open_folder(path.parent)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    said = {"task": cell.task, "model": cell.model, "seed": cell.config.seed, "error": cell.note, "at": at}
    write_text(path, dump(said))


def forget(cell: Cell) -> None:
    """Takes the failure of an earlier try out: the cell is begun again."""
    _path(cell).unlink(missing_ok=True)


def _path(cell: Cell) -> Path:
    return place(cell.config.output) / FAILURES / f"{cell.key}.json"
