"""Files of rows, each read as its name says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError
from .columns import Row, as_row, nested
from .documents import parse
from .layout import count_row, current_layout, row_aside
from .tables import read_csv, read_parquet, read_sheet, read_table
from .text import OBJECT, PACKED_ENDINGS, each_line, read_json, read_lines

RECORDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx")
"""How the names of files with a row an example end."""

HINT = "known: .jsonl .json .csv .tsv .parquet .xlsx, and .gz, .bz2, .xz or .zip of the texts"


def kind_of(path: Path) -> str:
    """The ending that tells a file's format, in small letters: ".csv" of "Reviews.CSV.gz"."""
    name = path.name.lower()
    for ending in PACKED_ENDINGS:
        name = name.removesuffix(ending)
    return Path(name).suffix


def is_records(path: Path) -> bool:
    """Whether a file's name says that it holds rows."""
    return kind_of(path) in RECORDS


def read_records(path: Path) -> Iterator[tuple[str, Row]]:
    """(where, row) for each record of a file whose format its name says; a .txt has tabs between its cells, as a .tsv.

    What the user says of the file's layout holds: where its rows lie, what separates cells, whether it has a header. Not a
    number, as pandas writes what is missing, is None.

    raises: DataError; InputError for any other name
    """
    said = current_layout().rows
    for where, row in _nested(path, said) if said else _flat(path):
        count_row()
        if float in map(type, row.values()):
            row = {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}
        yield where, row


def _flat(path: Path) -> Iterator[tuple[str, Row]]:
    kind = kind_of(path)
    if kind in (".jsonl", ".ndjson"):
        yield from _json_lines(path)
    elif kind == ".json":
        yield from _json_records(path)
    elif kind == ".csv" or (kind in (".tsv", ".txt") and current_layout().separator):
        yield from read_csv(path)
    elif kind in (".tsv", ".txt"):
        yield from read_table(path, header=current_layout().has_header())
    elif kind == ".parquet":
        yield from read_parquet(path)
    elif kind == ".xlsx":
        yield from read_sheet(path)
    else:
        raise InputError(f"{path}: the format is not known by this name", HINT)


def _nested(path: Path, said: str) -> Iterator[tuple[str, Row]]:
    """The rows that lie inside a JSON document, or inside each row."""
    if kind_of(path) == ".json" and (document := _document(path)) is not None:
        yield from nested(f"{path}: ", document, said)
        return
    for where, row in _flat(path):
        with row_aside(unread=True):
            yield from nested(f"{where}: ", row, said)


def _json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(each_line(path), 1):
        if line and not line.isspace():
            where = f"{path}:{number}"
            with row_aside(unread=True):
                yield where, as_row(where, parse(where, line, line=OBJECT), OBJECT)


def _document(path: Path) -> Any:
    """The JSON value that a file is; None if it holds an object a line, as many do that are called .json."""
    lines = [line for line in read_lines(path) if line.strip()]
    if len(lines) > 1 and lines[0].lstrip().startswith("{"):
        try:
            parse(str(path), lines[0], line=OBJECT)
        except DataError:  # a document over many lines, or a broken row
            return None if lines[0].rstrip().endswith("}") else read_json(path)
        return None
    return read_json(path)


def _json_records(path: Path) -> Iterator[tuple[str, Row]]:
    """A list of objects, an object a line, or what pandas writes: an object a column, or lists of columns and data."""
    document = _document(path)
    if document is None:
        yield from _json_lines(path)
        return
    if isinstance(document, dict):
        yield from _of_pandas(path, document)
        return
    if not isinstance(document, list):
        raise DataError(str(path), "a list of objects", type(document).__name__)
    for i, row in enumerate(document):
        where = f"{path}: [{i}]"
        with row_aside(unread=True):
            yield where, as_row(where, row)


def _of_pandas(path: Path, document: Row) -> Iterator[tuple[str, Row]]:
    """The rows of `DataFrame.to_json`, with orient="columns" or "split"; any other object is one row."""
    names, data = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and all(isinstance(row, list) for row in data):
        for i, cells in enumerate(data):
            yield f"{path}: data[{i}]", dict(zip(map(str, names), cells, strict=False))
        return
    columns = [value for value in document.values() if isinstance(value, dict)]
    index = list(columns[0]) if columns else []
    if index and len(columns) == len(document) and all(list(c) == index for c in columns):
        for key in index:
            yield f"{path}: {key!r}", {name: values[key] for name, values in document.items()}
        return
    lists = [name for name, value in document.items() if isinstance(value, list)]
    if lists:
        raise DataError(
            str(path), "a list of objects", f"one object; the keys there: {', '.join(document)}",
            f"say where its rows lie with --columns rows={lists[0]}[]",
        )  # fmt: skip
    yield str(path), document
