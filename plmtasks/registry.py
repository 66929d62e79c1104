"""Every task, model and metric of the installed plugins, by name; a value, not a global."""

import importlib
import importlib.metadata
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import pluggy

from . import declared, hookspecs, requests
from .errors import InputError, PluginError, UnknownNameError
from .metric import Metric
from .model import Model, Provider
from .perturbation import Perturbation
from .requests import Request
from .task import Task

KINDS: Mapping[str, type] = {"task": Task, "model": Model, "metric": Metric, "perturbation": Perturbation}

MODULES_VARIABLE = "PLMTASKS_PLUGINS"
"""Environment variable: further plugin modules, separated by commas (a plugin under development, a test's)."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """An installed plugin, loaded or not."""

    name: str
    distribution: str
    """The package to blame, with its version."""
    error: str | None = None
    """Why it could not be loaded."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """What the plugins registered."""

    plugins: tuple[Plugin, ...] = ()
    items: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """"task", "model", "metric", "perturbation" → name → the item"""
    owners: Mapping[tuple[str, str], Plugin] = field(default_factory=dict)
    """(kind, name) → who brought it"""
    providers: Mapping[str, tuple[Provider, ...]] = field(default_factory=dict)
    clashes: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(kind, name) → the distributions that both claim it"""
    requests: Mapping[str, type[Request]] = field(default_factory=dict)
    manager: pluggy.PluginManager | None = None

    def task(self, name: str) -> Task:
        """The task of that name; "qa" alone is the first that its plugin registered, a path that ends in .toml declares one.

        raises: UnknownNameError, PluginError; InputError, DataError for a file that declares no task
        """
        if name.endswith(".toml"):
            return self._declared(name)
        if "/" not in name:
            name = next((n for n in self.items["task"] if n.split("/")[0] == name), name)
        task: Task = self._get("task", name)
        return task

    def _declared(self, path: str) -> Task:
        made = declared.task(path, self.metric)
        installed = self.items["task"].get(made.name)
        if installed is not None and installed.facts() != made.facts():
            raise InputError(f"{path}: another task {made.name!r} is installed", "give the file's task a name of its own")
        return made

    def model(self, name: str) -> Model:
        """The model of that name, or the one that a provider makes of it.

        raises: UnknownNameError, PluginError, ModelError
        """
        model: Model = self._get("model", name)
        return model

    def metric(self, name: str) -> Metric:
        """raises: UnknownNameError, PluginError"""
        metric: Metric = self._get("metric", name)
        return metric

    def perturbation(self, name: str) -> Perturbation:
        """raises: UnknownNameError, PluginError, and whatever a provider finds wrong"""
        perturbation: Perturbation = self._get("perturbation", name)
        return perturbation

    def models_that_answer(self, kinds: Iterable[str]) -> list[str]:
        wanted = set(kinds)
        return [name for name, model in self.items["model"].items() if wanted & set(model.answers)]

    def _get(self, kind: str, name: str) -> Any:
        if (kind, name) in self.clashes:
            raise PluginError(
                f"{kind} {name!r} is claimed by more than one plugin: {', '.join(self.clashes[kind, name])}",
                "uninstall one of them",
            )
        if name in self.items[kind]:
            return self.items[kind][name]
        for provider in self.providers[kind]:
            if name.startswith(provider.beginning):
                return provider.make(name.removeprefix(provider.beginning))
        for provider in self.providers[kind]:
            if provider.default:
                return provider.make(name)
        broken = [f"{p.distribution} failed to load: {p.error}" for p in self.plugins if p.error]
        raise UnknownNameError(kind, name, self.items[kind], *broken)


def load_registry(modules: Iterable[ModuleType | str] = (), *, installed: bool = True) -> Registry:
    """Asks every plugin what it brings.

    modules: further plugins beside the installed ones, as modules or their names
    installed: whether to look for installed plugins (and those that PLMTASKS_PLUGINS names) at all

    A plugin that cannot be loaded is kept with its reason; nothing is raised for it here.
    """
    manager = pluggy.PluginManager("plmtasks")
    manager.add_hookspecs(hookspecs)
    plugins: dict[str, Plugin] = {}
    for name, distribution, load in _candidates(modules, installed):
        unique = name if name not in plugins else f"{name} of {distribution}"
        error = _register(manager, unique, load)
        plugins[unique] = Plugin(name=unique, distribution=distribution, error=error)
    return _collect(manager, plugins)


def _candidates(modules: Iterable[ModuleType | str], installed: bool) -> Iterable[tuple[str, str, Any]]:
    if installed:
        for entry in sorted(importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT), key=lambda e: e.name):
            distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
            yield entry.name, distribution, entry.load
        modules = [*(m for m in os.environ.get(MODULES_VARIABLE, "").split(",") if m), *modules]
    for module in modules:
        if isinstance(module, str):
            yield module, module, lambda name=module: importlib.import_module(name)
        else:
            yield module.__name__, module.__name__, lambda value=module: value


def _register(manager: pluggy.PluginManager, name: str, load: Any) -> str | None:
    """Loads a plugin; returns why it cannot be used, or None."""
    try:
        plugin = load()
        manager.register(plugin, name)
        for n in dir(plugin):
            if not hasattr(hookspecs, n) and manager.parse_hookimpl_opts(plugin, n):
                raise AttributeError(f"unknown hook {n!r}")
    except (Exception, SystemExit) as e:  # noqa: BLE001  whatever a stranger's module raises must not stop others
        if manager.get_plugin(name) is not None:
            manager.unregister(name=name)
        return f"{type(e).__name__}: {e}"
    return None


def _collect(manager: pluggy.PluginManager, plugins: dict[str, Plugin]) -> Registry:
    items: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    providers: dict[str, list[Provider]] = {kind: [] for kind in KINDS}
    owners: dict[tuple[str, str], Plugin] = {}
    clashes: dict[tuple[str, str], tuple[str, ...]] = {}
    kinds_of_request: dict[str, type[Request]] = {r.kind(): r for r in requests.BUILT_IN}
    for name, plugin in plugins.items():
        if plugin.error:
            continue
        try:
            brought = {kind: _brought(manager, name, f"register_{kind}s", form) for kind, form in KINDS.items()}
            asked = _new_kinds(manager, name, kinds_of_request)
        except (Exception, SystemExit) as e:  # noqa: BLE001  as above
            manager.unregister(name=name)
            plugins[name] = replace(plugin, error=f"{type(e).__name__}: {e}")
            continue
        kinds_of_request |= asked
        for kind, found in brought.items():
            providers[kind] += [item for item in found if isinstance(item, Provider)]
            for item in (item for item in found if not isinstance(item, Provider)):
                key = (kind, item.name)
                if key in owners:
                    clashes[key] = (*clashes.get(key, (owners[key].distribution,)), plugin.distribution)
                items[kind][item.name] = item
                owners[key] = plugin
    return Registry(
        plugins=tuple(plugins.values()), items=items, owners=owners, clashes=clashes, requests=kinds_of_request,
        providers={kind: tuple(p) for kind, p in providers.items()}, manager=manager,
    )  # fmt: skip


def _brought(manager: pluggy.PluginManager, plugin: str, hook: str, form: type) -> list[Any]:
    """The items and providers that one plugin's implementation of a hook returns; none if it has no such hook.

    raises: TypeError, ValueError for what cannot be registered, and whatever the plugin raises
    """
    found = _returned(manager, plugin, hook)
    for item in found:
        if not isinstance(item, (form, Provider)):
            raise TypeError(f"{hook} gave {item!r}, which is no {form.__name__}")
    twice = [name for name, n in Counter(item.name for item in found if not isinstance(item, Provider)).items() if n > 1]
    if twice:
        raise ValueError(f"{hook} gave {twice[0]!r} more than once")
    return found


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
    # called one by one, and not as a hook: pluggy leaves out an implementation that forgot its `return`
    found: list[Any] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name == plugin:
            returned = implementation.function()
            if returned is None:
                raise TypeError(f"{hook} gave nothing; it is to return a list")
            found += returned
    return found
