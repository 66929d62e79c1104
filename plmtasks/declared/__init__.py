"""Tasks that are declared and not programmed: what is asked of which data, by a TOML file or in Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, UnknownNameError, did_you_mean
from ..files import TomlFile, read_toml
from ..metric import Metric
from .base import DeclaredTask
from .catalog import tasks
from .file import columns_in, fill
from .forms import Choices, Labels, Likelihoods, Spans, Texts
from .making import made
from .numbers import Numbers
from .tags import Tags

HINT = "a task without Python is a TOML file with name, metrics, [data], [columns] and a table for each kind of request"

__all__ = [
    "Choices", "DeclaredTask", "Labels", "Likelihoods", "Numbers", "Spans", "Tags", "Texts", "columns_in", "fill", "task",
    "task_of_config", "tasks",
]  # fmt: skip


def task(path: str | Path, metric: Callable[[str], Metric] | None = None) -> DeclaredTask:
    """The task that a TOML file declares; files of data that it names lie beside it.

    metric: what finds a metric by its name, so that an unknown one is told with its line

    raises: InputError if there is no such file; DataError, which names file and line, for what is no task
    """
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


def task_of_config(facts: Mapping[str, Any]) -> DeclaredTask | None:
    """The task that a run tells these facts of, as it was declared then; None if it was not declared in a file."""
    if facts.get("declared") is None:
        return None
    return made(TomlFile(Path(f"{facts['name']}.toml"), "", facts["declared"]))
