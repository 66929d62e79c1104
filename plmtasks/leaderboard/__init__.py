"""Results as a ranked table."""

from .boards import Board, Row, make_boards, tested
from .compared import compared_json, compared_text, plain_table
from .findings import summary
from .formats import FORMATS, escape_markdown, higher, label, markdown_table, rank, render, shown_scores, with_interval
from .overview import Overview, Standing, make_overview
from .pairs import differences
from .recommendation import Limits, as_json, as_text, recommend
from .selection import COSTS, Selection

__all__ = [
    "COSTS",
    "FORMATS",
    "Board",
    "Limits",
    "Overview",
    "Row",
    "Selection",
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
