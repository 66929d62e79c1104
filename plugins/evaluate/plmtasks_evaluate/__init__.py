"""Metrics of the evaluate library in plmtasks, and plmtasks' metrics in evaluate."""

from plmtasks import hookimpl

from .exported import as_evaluate
from .imported import Modules

__all__ = ["as_evaluate", "register_metrics"]


@hookimpl
def register_metrics():
    return [Modules()]
