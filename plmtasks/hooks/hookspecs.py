"""The hooks that a plugin may implement."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from ..engine import Engine
    from ..formats import Format
    from ..metric import Metric
    from ..model import Model, Provider
    from ..requests import Request
    from ..results import Result
    from ..task import Listed, Perturbation, Task

hookspec = pluggy.HookspecMarker("plmtasks")

VERSION, OLDEST = 1, 1
"""Of these hooks; and the oldest that a plugin may have been written for. Its module may say which: `plmtasks_hooks = 1`.

A hook that gets a further argument is no new version: an implementation is given the arguments that it names.
"""

ENTRY_POINT = "plmtasks"
"""The entry-point group under which a distribution names its plugin modules."""


@hookspec
def register_tasks() -> "Iterable[Task | Listed | Provider]":  # type: ignore[empty-body]
    """Tasks, what a list shows of tasks that are made when they are used, or providers that make a task of any name."""


@hookspec
def register_models() -> "Iterable[Model | Provider]":  # type: ignore[empty-body]
    """Models, or providers that make a model of any name under their scheme."""


@hookspec
def register_metrics() -> "Iterable[Metric | Provider]":  # type: ignore[empty-body]
    """Metrics, or providers that make a metric of any name under their scheme."""


@hookspec
def register_perturbations() -> "Iterable[Perturbation | Provider]":  # type: ignore[empty-body]
    """Perturbations, or providers that make a perturbation of any name under their scheme."""


@hookspec
def register_formats() -> "Iterable[Format]":  # type: ignore[empty-body]
    """Formats in which results are written, or from which they are read."""


@hookspec
def register_suites() -> Iterable[Path]:  # type: ignore[empty-body]
    """Files of suites, each called by its name without `.toml`."""


@hookspec
def register_engines() -> "Iterable[Engine]":  # type: ignore[empty-body]
    """What runs the workers of a run, or the runs of a sweep, beyond this machine."""


@hookspec
def register_requests() -> "Iterable[type[Request]]":  # type: ignore[empty-body]
    """New kinds of request, each with its `answer_type`."""


@hookspec
def report(result: "Result") -> None:
    """A result was written, or found again. Called in the main process."""
