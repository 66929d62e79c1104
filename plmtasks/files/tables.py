"""Cells in lines, sheets and Parquet as rows."""

import csv
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, DataWarning, InputError, counted, summary_of
from .columns import Row, position_names
from .documents import check_file
from .layout import SEPARATORS, current_layout, row_aside
from .text import read_lines

Rows = Iterator[tuple[str, Row]]

csv.field_size_limit(2**31 - 1)


def read_table(path: Path, *, header: bool | Sequence[str] = True) -> Rows:
    """("file:line", row) for each line of a text with tabs between its cells, in which a quotation mark is text.

    header: True: the first line names the columns; a list: their names, in a file without header; False: they have none, but
        positions from 0

    raises: DataError with the line where a row has too few or too many cells
    """
    return _named(path, _cells(path, read_lines(path), "\t", quoting=False), header)


def read_csv(path: Path) -> Rows:
    """A table with quotes, separated as its first line shows, or as the user says.

    raises: DataError
    """
    lines = read_lines(path)
    named = current_layout().separator
    if lines and lines[0].startswith("sep=") and len(lines[0]) == 5:  # as Excel writes and reads it
        named, lines = named or lines[0][4], ["", *lines[1:]]
    separator = SEPARATORS.get(named, named) or _separator(path, lines)
    return _named(path, _cells(path, lines, separator, quoting=True), current_layout().has_header())


def _separator(path: Path, lines: Sequence[str]) -> str:
    """What cuts the first line; of several such characters that by which all lines have equally many cells.

    raises: DataError if that does not tell
    """
    first = next((line for line in lines if line.strip()), "")
    # a quoted cell may go on: what stands between quotes is no separator in either case
    bare = "".join(first.split('"')[::2])
    found = [s for s in SEPARATORS.values() if s in bare]
    if len(found) > 1:
        even = [s for s in found if len({len(row) for _, row in _cells(path, lines, s, quoting=True) if any(row)}) == 1]
        found = even or found
    if len(found) > 1:
        names = [name for name, s in SEPARATORS.items() if s in found]
        raise DataError(
            f"{path}:1", "one character between cells", " and ".join(names),
            f"say which with --columns separator={names[0]}",
        )  # fmt: skip
    return found[0] if found else ","


def _cells(path: Path, lines: Sequence[str], delimiter: str, quoting: bool) -> Iterator[tuple[str, list[str]]]:
    rows = csv.reader(
        (line + "\n" for line in lines), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoting else csv.QUOTE_NONE
    )
    line = 1
    try:
        for row in rows:
            yield f"{path}:{line}", row
            line = rows.line_num + 1
    except csv.Error as e:
        if "new-line character" not in str(e):
            raise DataError(f"{path}:{rows.line_num}", "CSV", str(e)) from e
        hint = "within a cell it wants quotes, as CSV has them" if quoting else "a cell of tab-separated text cannot hold it"
        found = "a carriage return alone, without a line feed after it"
        raise DataError(f"{path}:{rows.line_num}", "lines that end in a line feed", found, hint) from e


def _named(path: Path, rows: Iterator[tuple[str, list[str]]], header: bool | Sequence[str]) -> Rows:
    """Cells under the names of their columns; rows without a cell that is not empty are none, and cells past the last name
    may only be empty: spreadsheets write both."""
    names = None if isinstance(header, bool) else list(header)
    blank, recurring = 0, ""
    for where, row in rows:
        if not row:
            continue
        if names is None:
            names = _names(where, row) if header else list(position_names(row))
            if header:
                continue
        if len(row) > 1 and not any(cell.strip() for cell in row):
            blank += 1
            continue
        cells = row[: len(names)] if not any(row[len(names) :]) else row
        with row_aside(unread=True):
            if len(cells) != len(names):
                raise DataError(where, f"{counted(len(names), 'cell')} ({', '.join(names)})", f"{len(row)}")
            if header is True and not recurring:
                recurring = next((n for n, c in zip(names, cells, strict=True) if n == c != ""), "")
            yield where, dict(zip(names, cells, strict=True))
    if recurring:
        told = f"{path}: its first line is taken for the header, and {recurring!r} stands in a row of that column too"
        warnings.warn(f"{told}; if that line is a row, name columns by position from 0", DataWarning, stacklevel=2)
    if blank:
        warnings.warn(f"{path}: {counted(blank, 'row')} of empty cells, passed over", DataWarning, stacklevel=2)


def _names(where: str, row: Sequence[str]) -> list[str]:
    """The names of columns. One without is called "", as pandas' index is; of several, each by its position."""
    while len(row) > 1 and not row[-1]:
        row = row[:-1]
    names = [f"Unnamed: {i}" if not name and row.count("") > 1 else name for i, name in enumerate(row)]
    if any(n > 1 for n in Counter(names).values()):
        raise DataError(where, "a different name for each column", ", ".join(names))
    return names


def read_sheet(path: Path) -> Rows:
    """The first sheet of an Excel workbook, its cells as a CSV export would have them.

    raises: InputError without openpyxl; DataError
    """
    try:
        import openpyxl
    except ImportError as e:
        raise InputError(f"{path}: reading .xlsx needs openpyxl", "pip install 'plmtasks[excel]', or save it as CSV") from e
    check_file(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = [[_cell(v) for v in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    except Exception as e:  # openpyxl hands on whatever zipfile, its XML parser and its own checks raise
        raise DataError(str(path), "an Excel workbook", f"{type(e).__name__}: {summary_of(e)}") from e
    if others := [sheet.title for sheet in book.worksheets[1:]]:
        told = f"{path}: its first sheet is read, {book.worksheets[0].title!r}, and not {', '.join(map(repr, others))}"
        warnings.warn(told, DataWarning, stacklevel=2)
    return _named(path, ((f"{path}: row {i}", row) for i, row in enumerate(rows, 1)), current_layout().has_header())


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def read_parquet(path: Path) -> Rows:
    """raises: DataError"""
    import pyarrow
    import pyarrow.parquet

    check_file(path)
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield f"{path}: row {number}", row
                number += 1
    # a damaged text is a UnicodeDecodeError, a date out of all calendars an OverflowError
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as e:
        raise DataError(str(path), "a Parquet file", f"a damaged one: {summary_of(e)}") from e
