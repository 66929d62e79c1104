"""Tasks that are declared and not programmed: what is asked of which data, by a TOML file or in Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, UnknownNameError, did_you_mean
from ..files import TomlFile, read_toml
from ..metric import Metric
from .catalog import tasks
from .templates import columns_in, fill

if TYPE_CHECKING:
    from .base import DeclaredTask
    from .forms import Choices, Labels, Likelihoods, Spans, Texts
    from .numbers import Numbers
    from .tags import Tags

HINT = "a task without Python is a TOML file with name, metrics, [data], [columns] and a table for each kind of request"

__all__ = [
    "Choices", "DeclaredTask", "Labels", "Likelihoods", "Numbers", "Spans", "Tags", "Texts", "columns_in", "fill", "task",
    "task_of_config", "tasks",
]  # fmt: skip


def task(path: str | Path, metric: Callable[[str], Metric] | None = None) -> "DeclaredTask":
    """The task that a TOML file declares; files of data that it names lie beside it.

    metric: what finds a metric by its name, so that an unknown one is told with its line

    raises: InputError if there is no such file; DataError, which names file and line, for what is no task
    """
    from .making import made

    declared = (told := made(read_toml(Path(path), HINT))).declared
    main, where, scores = declared.main, declared.file.where, list[str]()
    if metric is not None:
        for number, name in enumerate(declared.metrics):
            try:
                scores += metric(name).bind(told).scores()
            except UnknownNameError as e:
                raise DataError(where("metrics", number), "a metric that a plugin registers", repr(name), *e.hints) from e
        if main and main not in scores:
            known = ", ".join(name for name in scores if "[" not in name)  # those of single labels may be hundreds
            raise DataError(where("main"), f"a score of its metrics: {known}", repr(main), *did_you_mean(main, scores))
    return told


def task_of_config(facts: Mapping[str, Any]) -> "DeclaredTask | None":
    """The task that a run tells these facts of, as it was declared then; None if it was not declared in a file."""
    if facts.get("declared") is None:
        return None
    from .making import made

    return made(TomlFile(Path(f"{facts['name']}.toml"), "", facts["declared"]))


def __getattr__(name: str) -> Any:
    # a list of tasks needs the heads of their files, and none of the classes
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import base, forms, numbers, tags

    return next(getattr(module, name) for module in (base, forms, numbers, tags) if hasattr(module, name))
