"""Results as a ranked table."""

from collections.abc import Sequence

from plmtasks.errors import InputError
from plmtasks.results import Result

from .boards import Board, Row, make_boards

FORMATS = ("table", "markdown", "csv", "json")

__all__ = ["FORMATS", "Board", "Row", "make_boards", "render"]


def render(results: Sequence[Result], form: str) -> str:
    """The ranked runs of each task as text.

    form: one of FORMATS; a table is as wide as the terminal

    raises: InputError for another form; DataError for a result that lacks what its schema demands
    """
    from . import formats

    if form not in FORMATS:
        raise InputError(f"there is no format {form!r}", f"there are: {', '.join(FORMATS)}")
    write = {"table": formats.table, "markdown": formats.markdown, "csv": formats.csv, "json": formats.json}[form]
    return write(make_boards(results))
