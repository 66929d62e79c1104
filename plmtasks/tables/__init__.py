"""Results as tables: ranked, compared, recommended from, with what was wrong; for people and for programs."""

from plmtasks.files import with_interval

from .boards import Board, Row, make_boards, tested
from .compared import compared_json, compared_text
from .findings import summary
from .formats import FORMATS, escape_markdown, higher, label, markdown_table, rank, render, shown_scores
from .groups import grouped_text
from .mistaken import confusion_text, mistakes_csv, mistakes_json, mistakes_text
from .overview import Overview, Standing, make_overview
from .pairs import differences
from .printed import suite_text
from .recommendation import Limits, as_json, as_text, recommend
from .screen import run_text
from .selection import COSTS, Selection
from .shown import Compared, Leaderboard, Mistaken, Results, Scores, collected, collected_one, load_results
from .suites import Column, SuiteTable, read_columns, suite_table

__all__ = [
    "COSTS",
    "FORMATS",
    "Board",
    "Column",
    "Compared",
    "Leaderboard",
    "Limits",
    "Mistaken",
    "Overview",
    "Results",
    "Row",
    "Scores",
    "Selection",
    "Standing",
    "SuiteTable",
    "as_json",
    "as_text",
    "collected",
    "collected_one",
    "compared_json",
    "compared_text",
    "confusion_text",
    "differences",
    "escape_markdown",
    "grouped_text",
    "higher",
    "label",
    "load_results",
    "make_boards",
    "make_overview",
    "markdown_table",
    "mistakes_csv",
    "mistakes_json",
    "mistakes_text",
    "rank",
    "read_columns",
    "recommend",
    "render",
    "run_text",
    "shown_scores",
    "suite_table",
    "suite_text",
    "summary",
    "tested",
    "with_interval",
]
