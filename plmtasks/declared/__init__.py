"""Tasks that are declared and not programmed: what is asked of which data, by a TOML file or in Python."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError, UnknownNameError, did_you_mean
from ..files import TomlFile
from ..metric import Metric
from .answers import Choices, Labels
from .base import DeclaredTask
from .file import Declaration, declare, read_declaration
from .texts import Likelihoods, Spans, Tags, Texts

__all__ = ["Choices", "DeclaredTask", "Labels", "Likelihoods", "Spans", "Tags", "Texts", "task", "task_of_config"]


def task(path: str | Path, metric: Callable[[str], Metric] | None = None) -> DeclaredTask:
    """The task that a TOML file declares; files of data that it names lie beside it.

    metric: what finds a metric by its name, so that an unknown one is told with its line

    raises: InputError if there is no such file; DataError, which names file and line, for what is no task
    """
    declared = read_declaration(Path(path))
    if metric is not None:
        _check_metrics(declared, metric)
    return _made(declared)


def _check_metrics(declared: Declaration, metric: Callable[[str], Metric]) -> None:
    scores: list[str] = []
    for number, name in enumerate(declared.metrics):
        try:
            scores += metric(name).scores()
        except UnknownNameError as e:
            raise DataError(
                declared.file.where("metrics", number), "a metric that a plugin registers", repr(name), *e.hints
            ) from e
    if declared.main and declared.main not in scores:
        known, said = ", ".join(scores), repr(declared.main)
        raise DataError(
            declared.file.where("main"), f"a score of its metrics: {known}", said, *did_you_mean(declared.main, scores)
        )


def task_of_config(facts: Mapping[str, Any]) -> DeclaredTask | None:
    """The task that a run tells these facts of, as it was declared then; None if it was not declared in a file."""
    content = facts.get("declared")
    return _made(declare(TomlFile(Path(f"{facts['name']}.toml"), "", content))) if content is not None else None


def _made(declared: Declaration) -> DeclaredTask:
    return FORMS[declared.form].of(declared)


FORMS: Mapping[str, type[DeclaredTask]] = {
    "labels": Labels, "choices": Choices, "texts": Texts, "spans": Spans, "tags": Tags, "likelihoods": Likelihoods,
}  # fmt: skip
"""What the reference is → the class of such tasks."""
