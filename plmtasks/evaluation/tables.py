"""Questions that are the rows of a table, and the table with a prediction beside each."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import files
from ..config import Source
from ..errors import DataError, DataWarning, InputError, counted
from ..task import Task
from .questions import Listed

PREDICTION = "prediction"
"""The column that is put beside the others."""


def is_table(name: str) -> bool:
    """Whether a file of questions holds rows, by its name."""
    return name != "-" and files.is_records(Path(name))


class Table(Listed):
    """The rows of a file as questions: each is a JSON object of the task's fields.

    All rows are read at once, so that all that cannot be used are told before anything is answered. With `skip_bad_rows` such
    a row is a blank question: it stays in the table without a prediction.

    raises: InputError; DataError that tells all rows that are no question
    """

    def __init__(self, path: Path, columns: "Columns", check: Callable[[Mapping[str, Any], str], Any], source: Source) -> None:
        """check: raises DataError if fields, which it is given with their place, are no question"""
        layout = files.Layout.of(columns.given, source.rows, source.separator)
        with files.laid_out(layout), files.bad_rows_aside() as bad:
            records = list(files.read_records(path))
            if bad.errors:  # not even a row: there is no place for a prediction, so it cannot be skipped
                raise bad.error(all_bad=True)
            self.has_header = files.kind_of(path) in (".jsonl", ".ndjson", ".json", ".parquet") or layout.has_header()
            lines = [b""] * len(records)  # a blank question, unless the row is one
            for number, (where, row) in enumerate(records):
                with files.row_aside():
                    fields = columns.question(where, row)
                    check(fields, where)
                    lines[number] = json.dumps(fields, ensure_ascii=False, default=str).encode()
        super().__init__(str(path), lines)
        self.rows = [row for _, row in records]
        self.names = list(dict.fromkeys(name for row in self.rows for name in row))
        if not self.rows:
            raise DataError(self.name, "at least one row", "none")
        if bad.errors and not (source.skip_bad_rows and len(bad.errors) < len(records)):
            raise bad.error(all_bad=len(bad.errors) == len(records))
        if bad.errors:
            warning = f"{path}: {counted(len(bad.errors), 'row')} of {len(records):,} cannot be asked: no prediction"
            warnings.warn(warning, DataWarning, stacklevel=2)
        if PREDICTION in self.names:
            raise InputError(f"{path} has a column {PREDICTION!r} already", "rename it: the answers are put there")

    def answered(self, number: int, prediction: Any) -> dict[str, Any]:
        """A row, numbered from 0, with what was predicted of it."""
        row = self.rows[number]
        return {**{name: row.get(name) for name in self.names}, PREDICTION: prediction}

    def text(self, kind: str, number: int, prediction: Any) -> str:
        """The same as a line of a file; before the first stands the header, where there is one."""
        values = self.answered(number, prediction)
        header = [files.cells_text(kind, list(values))] if number == 0 and self.has_header and kind in (".csv", ".tsv") else []
        return "\n".join([*header, files.row_text(kind, values)])

    def write(self, path: Path, answers: Path) -> None:
        """The whole table in a format that cannot be written a row at a time.

        answers: its rows as JSON lines, in which values may have lost their types

        raises: InputError, OutputError
        """
        with answers.open(encoding="utf-8") as lines:
            rows = [self.answered(number, json.loads(line)[PREDICTION]) for number, line in enumerate(lines)]
        files.write_bytes(path, files.write_rows(files.kind_of(path), rows, self.has_header))


class Columns:
    """Which columns of a table hold a question's fields."""

    def __init__(self, tasks: Sequence[Task], given: Mapping[str, str], learned: Mapping[str, str]) -> None:
        """tasks: that are asked, or follow

        given: as the user says now; learned: as was said of the data that the model was trained on, for what is not given
        """
        fields = [name for task in tasks for name in (*task.fields, *task.more_fields)]
        self.fields: Mapping[str, Sequence[str]] = {
            name: list(dict.fromkeys(known for task in tasks for known in task.column_names(name)))
            for name in dict.fromkeys((*fields, "id"))
        }
        self.wanted = set(tasks[0].fields)
        self.given = {field: name for field, name in (given or learned).items() if field in self.fields}
        self.learned = bool(self.given) and not given

    def question(self, where: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that a row has.

        raises: DataError if it has no column for one that must be there
        """
        fields = {}
        for field, names in self.fields.items():
            named = self.given.get(field)
            value = self._value(where, row, named, names)
            if value is None and field in self.wanted and not any(name in row for name in (named, *names)):
                raise files.no_column(where, row, field, names)
            if value is not None and not (field == "id" and isinstance(value, float)):
                fields[field] = value
        return fields

    def _value(self, where: str, row: Mapping[str, Any], named: str | None, names: Sequence[str]) -> Any:
        if named is not None:
            try:
                return files.column(where, row, named)
            except DataError:
                if not self.learned:
                    raise
        for name in names:
            with suppress(DataError):
                return files.column(where, row, name)
        return None


def output_kind(path: Path, output: str | None) -> str:
    """The format of the table that comes back: as its name says, else that of the input, as text.

    raises: InputError for a name that says no format of tables
    """
    kind = files.kind_of(path) if output is None else Path(output).suffix.lower()
    if output is not None and kind not in files.WRITTEN:
        raise InputError(
            f"--output {output}: a table comes back as {', '.join(files.WRITTEN)}", "--format text writes a prediction a line"
        )
    return kind if output is not None or kind in files.TEXTS else ".csv" if kind == ".xlsx" else ".jsonl"
