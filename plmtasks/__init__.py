"""Fine-tune, evaluate and compare language models on NLP tasks.

Light to import: what needs torch or numpy is loaded when it is called.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from .config import Generation, ModelSettings, RunConfig, Source, TrainSettings, run_config

if TYPE_CHECKING:
    from .results import Result

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("plmtasks")
"""Marks what a plugin gives for a hook of `plmtasks.hooks.hookspecs`."""

__all__ = [
    "Generation", "ModelSettings", "RunConfig", "Source", "TrainSettings", "hookimpl", "predict", "run", "run_config", "train",
]  # fmt: skip


def run(task: str, model: str, **settings: Any) -> "Result":
    """Runs a task on a model; the same as `plmtasks run`.

    settings: the fields of `RunConfig`, `Source`, `ModelSettings`, `Generation` and `TrainSettings`, as of `run_config`

    raises: PlmtasksError
    """
    from .evaluation import run

    return run([run_config(task, model, **settings)])[0]


def train(task: str | Mapping[str, Mapping[str, Any]], model: str, output: str, **settings: Any) -> Path:
    """Trains a model on a task; the same as `plmtasks train`. Returns the checkpoint's folder.

    task: its name; or several tasks, learned together, each with the fields of its `Source`:
        {"classification/sst2": {"data": "sst2"}, "srl/propbank": {"data": "propbank"}}

    raises: PlmtasksError
    """
    from .evaluation import train

    tasks = {task: {}} if isinstance(task, str) else task
    return train([run_config(name, model, **{**settings, **source}) for name, source in tasks.items()], output)


def predict(
    task: str,
    model: str,
    inputs: "str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]] | os.PathLike[str]",
    output: str | None = None,
    followed_model: str | None = None,
    **settings: Any,
) -> Iterator[dict[str, Any]]:
    """Answers new questions, as they are asked for; the same as `plmtasks predict --format json`.

    inputs: texts, or the task's fields by name and perhaps "id"; one text, or one question's fields, gives one answer; or a
        `Path`: a file of such lines, or a table, whose columns are found as `plmtasks predict` finds them
    output: a file of JSON lines that keeps the answers; all are computed at once, and, interrupted, the same call goes on
    followed_model: answers the task that this one follows; None: the same model
    settings: as of `run`

    raises: PlmtasksError
    """
    from .evaluation import PredictConfig, answers

    return answers(PredictConfig(run=run_config(task, model, **settings), followed_model=followed_model, output=output), inputs)
