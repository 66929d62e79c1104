"""The command that makes a run again."""

import json
import shlex
from collections.abc import Iterator, Mapping
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
    path = result.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")).get("config") if path.exists() else None
    if config is None:
        return None
    default = to_json(RunConfig(task="", model=""))
    options = dict(_options(config, default, ("source", "settings", "training")))
    options |= {
        **dict(_options(config["source"], default["source"])),
        # its seed, data type and token budget are those of the run, unless somebody wrote a config by hand
        **{f"--train-{k[2:]}" if k == "--limit" else k: v for k, v in _options(
            config["training"], default["training"], ("seed", "dtype", "batch_tokens"))},
        **dict(_options(config["settings"], default["settings"], ("generation", "prompt", "seed"))),
        **dict(_options(config["settings"]["generation"], default["settings"]["generation"])),
    }  # fmt: skip
    words = ["--task", result.task, "--model", config["model"], "--split", result.record["data"]["split"]]
    for name, value in options.items():
        words += [word for item in (value if isinstance(value, list) else [value]) for word in _words(name, item)]
    flag = FLAGS.get(config["settings"]["prompt"])
    return shlex.join(["plmtasks", "run", *words, *([flag] if flag else [])])


def _options(part: Mapping[str, Any], default: Mapping[str, Any], without: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The options of a part of the config whose values are not the defaults."""
    for name, value in part.items():
        if value != default.get(name) and name not in (*without, *ELSEWHERE):
            yield f"--{name.removesuffix('s') if name == 'metrics' else name}".replace("_", "-"), value


def _words(name: str, value: Any) -> list[str]:
    if value is True:
        return [name]
    if isinstance(value, dict):
        columns = ",".join(f"{k}={v}" for k, v in value.items())
        return [name, columns if name == "--columns" else json.dumps(value, sort_keys=True)]
    return [name, str(value)]
