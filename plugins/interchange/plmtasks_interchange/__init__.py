"""Results in the formats of other tools, and other tools' results as runs, for plmtasks."""

from plmtasks import hookimpl
from plmtasks.formats import Format

from .formats import Evaluate, Glue, LmEval, ModelCard, Predictions, SuperGlue


@hookimpl
def register_formats() -> list[Format]:
    return [ModelCard(), Evaluate(), LmEval(), Predictions(), Glue(), SuperGlue()]
