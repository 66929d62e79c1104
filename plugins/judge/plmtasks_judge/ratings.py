"""People's own judgements, from a file with an id and a score a row."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.data import open_dataset
from plmtasks.errors import InputError
from plmtasks.examples import Example
from plmtasks.files import column, read_records, row_aside

if TYPE_CHECKING:
    from plmtasks.config import Source

COLUMNS = ("id", "score")


def rated(source: "Source", name: str, rating: Callable[[str, Any], Any]) -> Mapping[str, Any]:
    """The judgement of each id that has one.

    name: the task's
    rating: what a cell says, with its place for the error

    raises: InputError, DataError
    """
    for field in source.columns:
        if field not in COLUMNS:
            raise InputError(f"--columns: there is no field {field!r}", f"the fields are: {', '.join(COLUMNS)}")
    ids, scores = (source.columns.get(field, field) for field in COLUMNS)

    def read(path: Path) -> Iterator[Example]:
        for where, row in read_records(path):
            with row_aside():
                said = rating(where, column(where, row, scores))
                yield Example(id=str(column(where, row, ids)), inputs={}, reference=said)

    data = open_dataset(source, read, name=name)
    return {e.id: e.reference for e in data[data.default_split()] if e.reference is not None}
