"""The command that makes a run again."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from plmtasks.cli.options import Setting
from plmtasks.cli.run import command as run
from plmtasks.config import GROUPS, RunConfig, all_settings
from plmtasks.files import values
from plmtasks.requests import from_json
from plmtasks.results import Result

ELSEWHERE = ("split", "output", "checkpoints", "processes", "retry_oom", "yes", "quiet", "save_minutes", "mixing")
"""What does not change a result, is said first, or is for several tasks."""


def command(result: Result) -> str | None:
    """`plmtasks run` with all that was not as it is by default, automatic choices among it, or `plmtasks score` of a submission.

    None where config.json is not there.
    A model that was trained before has to be at hand under its name.
    """
    told = result.config().get("config")
    if told is None:
        return None
    if (given := told.get("submission")) is not None:
        words = ["--task", result.task, "--predictions", str(given.get("predictions")), "--name", result.model]
        return shlex.join(["plmtasks", "score", *words, "--split", result.record["data"]["split"]])
    config: RunConfig = from_json(RunConfig, told)
    words = ["--task", result.task, "--model", config.model, "--split", result.record["data"]["split"]]
    return shlex.join(["plmtasks", "run", *words, *_words(_changed(config))])


def _changed(config: RunConfig) -> dict[str, Any]:
    """The settings that are not at their defaults, or that training would take from the others if they were not said."""
    asked, default = all_settings(config), all_settings(RunConfig(task="", model=""))
    default["training"] |= {name: asked[name] for name in ("seed", "batch_tokens")}
    for name in GROUPS:
        asked[name] = {one: value for one, value in asked[name].items() if value != default[name][one] and one not in ELSEWHERE}
    asked |= {"columns": config.source.all_columns(), "rows": "", "separator": ""}
    return {
        name: value for name, value in asked.items()
        if value != default[name] and value not in ({}, "") and name not in ELSEWHERE
    }  # fmt: skip


def _words(settings: Mapping[str, Any]) -> Iterator[str]:
    """Each as an option, or behind --config where there is none."""
    options = {param.name for param in run.params if isinstance(param, Setting)}
    for name in [name for name in settings if name in options]:
        yield f"--{name.replace('_', '-')}"
        if settings[name] is not True:
            told = settings[name]
            yield _pairs(told, name == "columns") if isinstance(told, Mapping) else values.written(told)
    if rest := {name: value for name, value in settings.items() if name not in options}:
        yield from ("--config", _pairs(rest))


def _pairs(settings: Mapping[str, Any], plain: bool = False) -> str:
    """plain: the values are texts that are taken as they are"""
    return ",".join(f"{name}={value if plain else values.written(value)}" for name, value in settings.items())
