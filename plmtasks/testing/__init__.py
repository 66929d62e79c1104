"""The conformance kit for plugin authors.

A check is a function of one subject: it returns nothing if the law in the first line of its docstring holds, raises
`CheckFailed` if it does not, and `NotApplicable` if the law says nothing of such a subject. `TASK_CHECKS`, `MODEL_CHECKS` and
`METRIC_CHECKS` hold them by name; `TaskConformance`, `ModelConformance` and `MetricConformance` are the same as pytest classes.
`DATA_CHECKS` are hints about a task's data, which may rightly be otherwise.
"""

from typing import TYPE_CHECKING, Any

from .checks import CheckFailed, NotApplicable
from .data import DATA_CHECKS
from .kit import ABSENT, Checker, Finding, State, plugin_modules
from .metrics import METRIC_CHECKS, Agreement, MetricSubject
from .models import MODEL_CHECKS, ModelSubject
from .solved import solved
from .subject import TaskSubject
from .tasks import TASK_CHECKS

if TYPE_CHECKING:
    from .conformance import MetricConformance, ModelConformance, TaskConformance

__all__ = [
    "ABSENT",
    "DATA_CHECKS",
    "METRIC_CHECKS",
    "MODEL_CHECKS",
    "TASK_CHECKS",
    "Agreement",
    "CheckFailed",
    "Checker",
    "Finding",
    "MetricConformance",
    "MetricSubject",
    "ModelConformance",
    "ModelSubject",
    "NotApplicable",
    "State",
    "TaskConformance",
    "TaskSubject",
    "plugin_modules",
    "solved",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # the classes need pytest, the checks do not
    if name in ("TaskConformance", "ModelConformance", "MetricConformance"):
        from . import conformance

        return getattr(conformance, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
