"""What a name stands for that may be a task's, a model's, a metric's or a plugin's."""

import difflib
from pathlib import Path
from typing import Any

from ..errors import UnknownNameError
from .registry import Registry

NAMES_SHOWN = 8
"""Of a list that `plmtasks list` shows whole."""


def find(registry: Registry, name: str) -> tuple[str, Any]:
    """What a name stands for, and its kind.

    raises: UnknownNameError if it is nothing; PluginError, ModelError
    """
    try:
        return "task", registry.task(name)
    except UnknownNameError:
        if any(name.startswith(provider.beginning) for provider in registry.providers["task"]):
            raise
    for kind in ("metric", "model"):
        if name in registry.items[kind]:
            return kind, getattr(registry, kind)(name)
    for plugin in registry.plugins:
        if name in (plugin.name, plugin.distribution, plugin.distribution.split()[0]):
            return "plugin", plugin
    scheme, colon, _ = name.partition(":")
    if colon and any(provider.scheme == scheme for provider in registry.providers["metric"]):
        return "metric", registry.metric(name)
    field, slash, _ = name.partition("/")
    a_task = any(task.startswith(f"{field}/") for task in registry.items["task"])
    if Path(name).is_dir() or colon or (slash and not a_task):
        return "model", registry.model(name)
    close = _close(registry, name)
    raise UnknownNameError(
        "task", name, [], "nor a model, metric or plugin of that name",
        *([f"did you mean {' or '.join(repr(n) for n in close)}?"] if close else []),
        *(f"{plugin.distribution} failed to load: {plugin.error}" for plugin in registry.plugins if plugin.error),
    )  # fmt: skip


def _close(registry: Registry, name: str) -> list[str]:
    """Names of tasks, models, metrics and plugins like this one, whole or by their last part."""
    known: dict[str, list[str]] = {}
    for full in [*(n for names in registry.items.values() for n in names), *(p.name for p in registry.plugins)]:
        for part in {full, full.split("/")[-1]}:
            known.setdefault(part, []).append(full)
    if name in known:
        return known[name][:NAMES_SHOWN]
    found = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return list(dict.fromkeys(full for part in found for full in known[part]))[:NAMES_SHOWN]
