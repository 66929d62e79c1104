"""Files and folders: rows, JSON and TOML read with errors that name the line; files written whole or not at all."""

from . import terminal, values
from .archive import Bundle, Tell, pack, read_bundle, unpack
from .arrays import read_array
from .caches import asked_of_cache, asked_of_datasets, asked_of_hub, noting_caches, use_caches
from .claims import Claim, Holder, claim, claims_file, holder
from .columns import column, no_column
from .documents import (
    CHECKSUM,
    Shape,
    as_text,
    check,
    dump,
    file_hash,
    is_sealed,
    parse,
    read_document,
    read_object,
    read_text,
    sealed,
    unlike_schema,
    value_hash,
)
from .folders import create_bytes, here, open_folder, place, reached, safe_name, write_bytes, write_files, write_text
from .layout import Layout, bad_rows_aside, count_row, current_layout, laid_out, row_aside
from .rows import is_records, kind_of, read_records
from .shown import Listed, Shown, Table, with_interval
from .tables import read_table
from .text import read_json, read_json_line, read_json_lines, read_lines
from .toml import TomlFile, fits, parsed_toml, read_toml
from .writing import TEXTS, WRITTEN, cells_text, row_text, write_rows

__all__ = [
    "CHECKSUM",
    "TEXTS",
    "WRITTEN",
    "Bundle",
    "Claim",
    "Holder",
    "Layout",
    "Listed",
    "Shape",
    "Shown",
    "Table",
    "Tell",
    "TomlFile",
    "as_text",
    "asked_of_cache",
    "asked_of_datasets",
    "asked_of_hub",
    "bad_rows_aside",
    "cells_text",
    "check",
    "claim",
    "claims_file",
    "column",
    "count_row",
    "create_bytes",
    "current_layout",
    "dump",
    "file_hash",
    "fits",
    "here",
    "holder",
    "is_records",
    "is_sealed",
    "kind_of",
    "laid_out",
    "no_column",
    "noting_caches",
    "open_folder",
    "pack",
    "parse",
    "parsed_toml",
    "place",
    "reached",
    "read_array",
    "read_bundle",
    "read_document",
    "read_json",
    "read_json_line",
    "read_json_lines",
    "read_lines",
    "read_object",
    "read_records",
    "read_table",
    "read_text",
    "read_toml",
    "row_aside",
    "row_text",
    "safe_name",
    "sealed",
    "terminal",
    "unlike_schema",
    "unpack",
    "use_caches",
    "value_hash",
    "values",
    "with_interval",
    "write_bytes",
    "write_files",
    "write_rows",
    "write_text",
]
