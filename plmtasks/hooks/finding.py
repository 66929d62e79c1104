"""What a name stands for, where it may be that of a task, a model, a metric or a plugin."""

import difflib
from pathlib import Path
from typing import Any

from ..errors import UnknownNameError, meant
from .registry import NAMES_SHOWN, Registry


def find(registry: Registry, name: str, *, own_data: bool = False) -> tuple[str, Any]:
    """What a name stands for, and its kind: a metric and a model go before a task that only is called so.

    own_data: as of `Registry.task`

    raises: UnknownNameError if it is nothing; InputError if it may be several; PluginError, ModelError
    """
    tasks = registry.items["task"]
    fields = {task.split("/")[0] for task in tasks}
    for kind in ("metric", "model"):
        if name in registry.items[kind] and name not in fields and name not in tasks:
            return kind, getattr(registry, kind)(name)
    try:
        return "task", registry.task(name, own_data=own_data)
    except UnknownNameError:
        if any(name.startswith(provider.beginning) for provider in registry.providers["task"]):
            raise
    for plugin in registry.plugins:
        if name in (plugin.name, plugin.distribution, plugin.distribution.split()[0]):
            return "plugin", plugin
    scheme, colon, _ = name.partition(":")
    if colon and any(provider.scheme == scheme for provider in registry.providers["metric"]):
        return "metric", registry.metric(name)
    field, slash, _ = name.partition("/")
    if Path(name).is_dir() or colon or (slash and field not in fields):
        return "model", registry.model(name)
    close = registry.same("task", name) or _close(registry, name)
    hints = ["nor a model, metric or plugin of that name", *meant(close), *registry._broken()]
    raise UnknownNameError("task", name, [], *hints)


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
