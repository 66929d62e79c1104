"""Every task, model and metric of the installed plugins, by name; a value, not a global."""

import importlib
import importlib.metadata
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pluggy

from . import hookspecs, requests
from .errors import PluginError, UnknownNameError
from .metric import Metric
from .model import Model, Provider
from .requests import Request
from .task import Task

KINDS: Mapping[str, type] = {"task": Task, "model": Model, "metric": Metric}

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
    """"task", "model", "metric" → name → the item"""
    owners: Mapping[tuple[str, str], Plugin] = field(default_factory=dict)
    """(kind, name) → who brought it"""
    providers: Mapping[str, tuple[Provider, ...]] = field(default_factory=dict)
    clashes: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(kind, name) → the distributions that both claim it"""
    requests: Mapping[str, type[Request]] = field(default_factory=dict)
    manager: pluggy.PluginManager | None = None

    def task(self, name: str) -> Task:
        """The task of that name; "qa" alone is the first that its plugin registered.

        raises: UnknownNameError, PluginError
        """
        if "/" not in name:
            name = next((n for n in self.items["task"] if n.split("/")[0] == name), name)
        return self._get("task", name)

    def model(self, name: str) -> Model:
        """The model of that name, or the one that a provider makes of it.

        raises: UnknownNameError, PluginError, ModelError
        """
        return self._get("model", name)

    def metric(self, name: str) -> Metric:
        """raises: UnknownNameError, PluginError"""
        return self._get("metric", name)

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
        scheme, colon, rest = name.partition(":")
        for provider in self.providers[kind]:
            if colon and provider.scheme == scheme:
                return provider.make(rest)
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
        error = _register(manager, name, load)
        plugins[name] = Plugin(name=name, distribution=distribution, error=error)
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
    try:
        plugin = load()
        manager.register(plugin, name)
        unknown = [n for n in dir(plugin) if n.startswith(("register_", "report")) and not hasattr(hookspecs, n) and manager.parse_hookimpl_opts(plugin, n)]
        if unknown:
            manager.unregister(plugin)
            return f"unknown hook {unknown[0]!r}"
    except Exception as e:  # noqa: BLE001  whatever a stranger's module raises must not stop others
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
            for kind, expected in KINDS.items():
                for item in _call(manager, f"register_{kind}s", name):
                    if isinstance(item, Provider):
                        providers[kind].append(item)
                        continue
                    if not isinstance(item, expected):
                        raise TypeError(f"register_{kind}s gave {item!r}, which is no {expected.__name__}")
                    key = (kind, item.name)
                    if key in owners and owners[key].name != name:
                        clashes[key] = (*clashes.get(key, (owners[key].distribution,)), plugin.distribution)
                    items[kind][item.name] = item
                    owners[key] = plugin
            for request in _call(manager, "register_requests", name):
                kinds_of_request[request.kind()] = request
        except Exception as e:  # noqa: BLE001  as above
            plugins[name] = Plugin(name=name, distribution=plugin.distribution, error=f"{type(e).__name__}: {e}")
            for key in [k for k, owner in owners.items() if owner.name == name]:
                del items[key[0]][key[1]], owners[key]
    return Registry(
        plugins=tuple(plugins.values()), items=items, owners=owners, clashes=clashes, requests=kinds_of_request,
        providers={kind: tuple(p) for kind, p in providers.items()}, manager=manager,
    )  # fmt: skip


def _call(manager: pluggy.PluginManager, hook: str, plugin: str) -> Iterable[Any]:
    """What one plugin's implementation of a hook returns; nothing if it has none."""
    others = [p for n, p in manager.list_name_plugin() if n != plugin and p is not None]
    for returned in manager.subset_hook_caller(hook, others)():
        yield from returned
