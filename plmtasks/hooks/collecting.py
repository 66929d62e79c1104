"""Every plugin asked what it brings."""

import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from .. import requests
from ..model import Provider
from ..requests import Request
from ..task import Listed, Task
from . import hookspecs, loading
from .loading import Plugin, PluginWarning, load_plugins, reason
from .registry import KINDS, NAME, Registry


def load_registry(modules: Iterable[ModuleType | str] = (), *, installed: bool = True, trusting: bool = False) -> Registry:
    """Asks every plugin what it brings.

    modules: further plugins beside the installed ones, as modules or their names
    installed: whether to look for installed plugins (and those that PLMTASKS_PLUGINS names) at all
    trusting: whether what files name may run code that is not installed

    A plugin that cannot be loaded is kept with its reason, and a warning tells of it; nothing is raised for it here.

    raises: UnknownNameError if PLMTASKS_DISABLE names a plugin that is not there
    """
    manager = pluggy.PluginManager("plmtasks")
    manager.add_hookspecs(hookspecs)
    registry = _collect(manager, load_plugins(manager, modules, installed=installed))
    for told in registry._broken():
        warnings.warn(f"plugin {told}", PluginWarning, stacklevel=2)
    return replace(registry, trusting=trusting)


def _collect(manager: pluggy.PluginManager, plugins: dict[str, Plugin]) -> Registry:
    brought, kinds_of_request = _all_brought(manager, plugins)
    items: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    providers: dict[str, list[Provider]] = {kind: [] for kind in KINDS}
    owners: dict[tuple[str, str], Plugin] = {}
    clashes: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind in KINDS:
        for name in sorted(brought, key=lambda name: loading.rank(manager, name, f"register_{kind}s")):
            found, plugin = brought[name][kind], plugins[name]
            providers[kind] += [item for item in found if isinstance(item, Provider)]
            for item in (item for item in found if not isinstance(item, Provider)):
                key = (kind, _name(item))
                if key in owners:
                    clashes[key] = (*clashes.get(key, (owners[key].distribution,)), plugin.distribution)
                items[kind][key[1]] = item
                owners[key] = plugin
    return Registry(
        plugins=tuple(plugins.values()), items=items, owners=owners, clashes=clashes, requests=kinds_of_request,
        providers={kind: tuple(p) for kind, p in providers.items()}, manager=manager,
    )  # fmt: skip


def _all_brought(
    manager: pluggy.PluginManager, plugins: dict[str, Plugin]
) -> tuple[dict[str, dict[str, list[Any]]], dict[str, type[Request]]]:
    """What each plugin brings, by its name and the kind of item; and every kind of request.

    A plugin that fails brings nothing, and gets its reason; where it wraps another's hooks, the other is asked again without it.
    """
    brought: dict[str, dict[str, list[Any]]] = {}
    asked: dict[str, dict[str, type[Request]]] = {"": {r.kind(): r for r in requests.BUILT_IN}}
    waiting = [name for name, plugin in plugins.items() if not (plugin.error or plugin.disabled)]
    while waiting:
        name = waiting[0]
        try:
            found = {kind: _brought(manager, name, f"register_{kind}s", form) for kind, form in KINDS.items()}
            asked[name] = _new_kinds(manager, name, {k: r for kinds in asked.values() for k, r in kinds.items()})
        except (Exception, SystemExit) as e:  # noqa: BLE001  whatever a stranger's hook raises must not stop others
            broken = loading.culprit(manager, name, e)
            manager.unregister(name=broken)
            plugins[broken] = replace(plugins[broken], error=reason(e))
            brought.pop(broken, None)
            asked.pop(broken, None)
            waiting = [n for n in waiting if n != broken]
            continue
        brought[name] = found
        waiting.pop(0)
    return brought, {kind: request for kinds in asked.values() for kind, request in kinds.items()}


def _brought(manager: pluggy.PluginManager, plugin: str, hook: str, form: type) -> list[Any]:
    """The items and providers that one plugin's implementation of a hook returns; none if it has no such hook.

    raises: TypeError, ValueError for what cannot be registered, and whatever the plugin raises
    """
    found = _returned(manager, plugin, hook)
    for item in found:
        if not isinstance(item, (form, Provider, *([Listed] if form is Task else []))):
            raise TypeError(f"{hook} gave {item!r:.100}, which is no {form.__name__}")
        name = _name(item)
        if not isinstance(item, Provider) and not (isinstance(name, str) and NAME.fullmatch(name)):
            raise ValueError(
                f"{hook} gave a {type(item).__name__} of the name {name!r}; a name is a word such as 'plugin/variant'"
            )
    twice = [name for name, n in Counter(_name(item) for item in found if not isinstance(item, Provider)).items() if n > 1]
    if twice:
        raise ValueError(f"{hook} gave {twice[0]!r} more than once")
    return found


def _name(item: Any) -> Any:
    """By which an item is asked for."""
    return item.stem if isinstance(item, Path) else getattr(item, "name", None)


def _new_kinds(manager: pluggy.PluginManager, plugin: str, known: Mapping[str, type[Request]]) -> dict[str, type[Request]]:
    """The kinds of request that one plugin brings.

    raises: TypeError, ValueError, as above
    """
    found = _returned(manager, plugin, "register_requests")
    for request in found:
        if not (isinstance(request, type) and issubclass(request, Request)):
            raise TypeError(f"register_requests gave {request!r}, which is no kind of Request")
        if known.get(request.kind(), request) is not request:
            raise ValueError(f"register_requests gave {request.kind()!r}, which is another kind already")
    return {request.kind(): request for request in found}


def _returned(manager: pluggy.PluginManager, plugin: str, hook: str) -> list[Any]:
    """raises: TypeError if an implementation returns nothing, and whatever the plugin raises"""
    own = loading.implementations(manager, hook, plugin)
    if not own:
        return []
    with redirect_stdout(sys.stderr):  # what we print may be read by a program
        returned = loading.call(manager, plugin, hook)
        found = [item for one in returned for item in one]  # a generator is run here too
    if len(returned) < len(own):  # pluggy leaves out what an implementation that forgot its `return` gives
        raise TypeError(f"{hook} gave nothing; it is to return a list")
    return found
