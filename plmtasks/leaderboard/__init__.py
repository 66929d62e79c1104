"""Results as a ranked table."""

from .boards import Board, Row, make_boards, tested
from .compared import compared_json, compared_text, plain_table
from .findings import summary
from .formats import FORMATS, escape_markdown, higher, label, markdown_table, rank, render, shown_scores, with_interval
from .overview import make_overview
from .pairs import differences
from .recommendation import Limits, as_json, as_text, recommend
from .shown import Compared, Leaderboard, Results, Scores, collected, collected_one, load_results

__all__ = [
    "FORMATS",
    "Board",
    "Compared",
    "Leaderboard",
    "Limits",
    "Results",
    "Row",
    "Scores",
    "as_json",
    "as_text",
    "collected",
    "collected_one",
    "compared_json",
    "compared_text",
    "differences",
    "escape_markdown",
    "higher",
    "label",
    "load_results",
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
