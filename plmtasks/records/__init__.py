"""How the bytes of a file become lines, JSON values and rows."""

from .columns import column, no_column
from .files import RECORDS, is_records, kind_of, read_records
from .layout import Layout, bad_rows_aside, count_row, current_layout, laid_out, row_aside
from .tables import read_table
from .text import read_json, read_json_lines, read_lines, read_object
from .writing import TEXTS, WRITTEN, cells_text, row_text, write_rows

__all__ = [
    "RECORDS", "TEXTS", "WRITTEN", "Layout", "bad_rows_aside", "cells_text", "column", "count_row", "current_layout",
    "is_records", "kind_of", "laid_out", "no_column", "read_json", "read_json_lines", "read_lines", "read_object",
    "read_records", "read_table", "row_aside", "row_text", "write_rows",
]  # fmt: skip
