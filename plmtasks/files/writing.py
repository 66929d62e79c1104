"""Rows as a file again."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError

TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson")
"""Formats that are written a row at a time."""

WRITTEN = (*TEXTS, ".json", ".parquet", ".xlsx")


def cell(value: Any) -> Any:
    """A value as a table's cell."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return "" if value is None else value
    return json.dumps(value, ensure_ascii=False, default=str)


def row_text(kind: str, values: Mapping[str, Any]) -> str:
    """A row as text, without a line's end.

    kind: in TEXTS
    """
    if kind in (".jsonl", ".ndjson"):
        return json.dumps(values, ensure_ascii=False, default=str)
    return cells_text(kind, [cell(v) for v in values.values()])


def cells_text(kind: str, cells: Sequence[Any]) -> str:
    """Cells as text, without a line's end; in a .tsv, which knows no quotes, a tab or a line's end is a space."""
    if kind == ".tsv":
        return "\t".join(" ".join(str(c).replace("\t", " ").splitlines()) for c in cells)
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def write_rows(kind: str, rows: Sequence[Mapping[str, Any]], header: bool) -> bytes:
    """The content of a file of rows, all with the same columns.

    kind: in WRITTEN
    header: whether the columns have names; without, positions are none

    raises: InputError without the library that the format needs
    """
    if kind in TEXTS:
        first = [cells_text(kind, list(rows[0]))] if header and rows and kind in (".csv", ".tsv") else []
        return "".join(f"{line}\n" for line in (*first, *(row_text(kind, row) for row in rows))).encode()
    if kind == ".json":
        return (json.dumps(list(rows), ensure_ascii=False, indent=1, default=str) + "\n").encode()
    out = io.BytesIO()
    if kind == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), out)
        return out.getvalue()
    try:
        import openpyxl
    except ImportError as e:
        raise InputError("writing .xlsx needs openpyxl", "pip install 'plmtasks[excel]', or name a .csv") from e
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for line in ([list(rows[0])] if header and rows else []) + [[cell(v) for v in row.values()] for row in rows]:
        sheet.append([_text_cell(sheet, value) for value in line])
    book.save(out)
    return out.getvalue()


def _text_cell(sheet: Any, value: Any) -> Any:
    """A text that begins with = stays one: it is data and no formula."""
    from openpyxl.cell import WriteOnlyCell

    made = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        made.data_type = "s"
    return made
