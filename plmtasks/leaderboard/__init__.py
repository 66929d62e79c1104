"""Results as a ranked table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plmtasks.errors import InputError
from plmtasks.results import Result

from . import formats
from .advice import as_json, as_text
from .boards import Board, Row, make_boards, tested
from .compared import compared_json, compared_text, plain_table
from .findings import summary
from .formats import escape_markdown, higher, label, markdown_table, rank, shown_scores, with_interval
from .overview import Overview, Standing, make_overview
from .pairs import differences
from .recommendation import Limits, recommend

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

FORMATS = ("table", "markdown", "csv", "json", "latex")

__all__ = [
    "FORMATS",
    "Board",
    "Limits",
    "Overview",
    "Row",
    "Standing",
    "as_json",
    "as_text",
    "compared_json",
    "compared_text",
    "differences",
    "escape_markdown",
    "higher",
    "label",
    "make_boards",
    "make_overview",
    "markdown_table",
    "plain_table",
    "rank",
    "recommend",
    "render",
    "shown_scores",
    "summary",
    "tested",
    "with_interval",
]


def render(results: Sequence[Result], form: str, registry: "Registry | None" = None) -> str:
    """The ranked runs of each task as text.

    form: one of FORMATS; a table is as wide as the terminal
    registry: whose metrics make ranks and tiers of the runs' statistics; None: ranks are those of the scores alone

    raises: InputError for another form; DataError for a result that lacks what its schema demands
    """
    if form not in FORMATS:
        raise InputError(f"there is no format {form!r}", f"there are: {', '.join(FORMATS)}")
    write = {
        "table": formats.table, "markdown": formats.markdown, "csv": formats.csv, "json": formats.json, "latex": formats.latex,
    }[form]  # fmt: skip
    boards = make_boards(results, registry)
    return write(boards, make_overview(boards))
