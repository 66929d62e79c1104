"""The command that makes a run again."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from plmtasks.config import RunConfig
from plmtasks.requests import to_json
from plmtasks.results import Result

ELSEWHERE = (
    "task",
    "model",
    "split",
    "output",
    "checkpoints",
    "processes",
    "retry_oom",
    "yes",
    "quiet",
    "save_minutes",
    "mixing",
)
"""What does not change a result, is said first, or is for several tasks."""

FLAGS = {"raw": "--raw-prompt", "chat": "--chat"}


def command(result: Result) -> str | None:
    """`plmtasks run` with all that was not as it is by default, automatic choices among it; None where config.json is not there.

    A model that was trained before has to be at hand under its name.
    """
    config = result.config().get("config")
    if config is None:
        return None
    default = to_json(RunConfig(task="", model=""))
    settings, training = config["settings"], config["training"]
    # given as an option, a token budget holds for training, too; one that was chosen for the answers would train otherwise
    chosen = result.record["protocol"]["trained_on"] and training["batch_tokens"] != settings["batch_tokens"]
    learned = _options(training, default["training"], ("seed", "dtype", "batch_tokens"))
    options = {
        **_options(config, default, ("source", "settings", "training")),
        **_options(config["source"], default["source"]),
        **{"--train-limit" if name == "--limit" else name: value for name, value in learned.items()},
        **_options(settings, default["settings"], ("generation", "prompt", "seed", *(["batch_tokens"] if chosen else []))),
        **_options(settings["generation"], default["settings"]["generation"]),
    }
    words = ["--task", result.task, "--model", config["model"], "--split", result.record["data"]["split"]]
    for name, value in options.items():
        words += [word for item in (value if isinstance(value, list) else [value]) for word in _words(name, item)]
    flag = FLAGS.get(settings["prompt"])
    return shlex.join(["plmtasks", "run", *words, *([flag] if flag else [])])


def _options(part: Mapping[str, Any], default: Mapping[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The options of a part of the config whose values are not the defaults."""
    changed = {name: value for name, value in part.items() if value != default.get(name) and name not in (*without, *ELSEWHERE)}
    return {f"--{'metric' if name == 'metrics' else name.replace('_', '-')}": value for name, value in changed.items()}


def _words(name: str, value: Any) -> list[str]:
    if value is True:
        return [name]
    if isinstance(value, dict):
        columns = ",".join(f"{k}={v}" for k, v in value.items())
        return [name, columns if name == "--columns" else json.dumps(value, sort_keys=True)]
    return [name, str(value)]
