"""Plugins: found, loaded or refused, called one at a time, and blamed.

Hooks are called through pluggy for one plugin alone: whose items these are stays known, and one that fails stops no other.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ..errors import UnknownNameError
from ..examples import Example
from . import hookspecs
from .entrypoints import EntryPoint, entry_points

MODULES_VARIABLE = "PLMTASKS_PLUGINS"
"""Environment variable: further plugin modules, separated by commas (a plugin under development, a test's)."""

DISABLED_VARIABLE = "PLMTASKS_DISABLE"
"""Environment variable: plugins that are left alone, by their names or those of their distributions, separated by commas."""

SLOW = 1.0
"""Seconds of importing a plugin from which on they are shown."""


class PluginWarning(UserWarning):
    """A plugin cannot be used; what does not need it goes on."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """An installed plugin, loaded or not."""

    name: str
    distribution: str
    """The package to blame, with its version."""
    module: str = ""
    """Where its hooks are."""
    hooks: tuple[str, ...] = ()
    """Those that it implements."""
    seconds: float = 0.0
    """How long its module took to import."""
    error: str | None = None
    """Why it could not be loaded; one line."""
    disabled: bool = False
    """It was left alone because the user said so."""


def load_plugins(
    manager: pluggy.PluginManager, modules: Iterable[ModuleType | str] = (), *, installed: bool = True
) -> dict[str, Plugin]:
    """Registers every plugin that can be loaded, and tells of all of them, by name.

    raises: UnknownNameError if PLMTASKS_DISABLE names a plugin that is not there
    """
    plugins: dict[str, Plugin] = {}
    candidates = [(entry, module, {entry.name, entry.distribution.split(" ")[0]}) for entry, module in _found(modules, installed)]
    disabled = [name for name in os.environ.get(DISABLED_VARIABLE, "").split(",") if name] if installed else []
    known = {name for *_, names in candidates for name in names}
    if unknown := [name for name in disabled if name not in known]:
        raise UnknownNameError("plugin", unknown[0], known)
    for entry, module, names in candidates:
        unique = entry.name if entry.name not in plugins else f"{entry.name} of {entry.distribution}"
        if names & set(disabled):
            plugins[unique] = Plugin(name=unique, distribution=entry.distribution, module=entry.module, disabled=True)
        else:
            plugins[unique] = _loaded(manager, unique, entry, module)
    return plugins


def _found(modules: Iterable[ModuleType | str] = (), installed: bool = True) -> Iterator[tuple[EntryPoint, ModuleType | None]]:
    """Each plugin, and its module if that is there."""
    if installed:
        entries = sorted(entry_points(hookspecs.ENTRY_POINT), key=lambda e: e.name)
        yield from ((entry, None) for entry in entries)
        # one that is developed may be installed as well
        there = ["", *(entry.module for entry in entries)]
        modules = [*dict.fromkeys(m for m in os.environ.get(MODULES_VARIABLE, "").split(",") if m not in there), *modules]
    for module in modules:
        name = module if isinstance(module, str) else module.__name__
        yield EntryPoint("", name, name, name, ""), None if isinstance(module, str) else module


def _loaded(manager: pluggy.PluginManager, name: str, entry: EntryPoint, module: ModuleType | None) -> Plugin:
    error, hooks, start = None, [], time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # what we print may be read by a program
            plugin = module or entry.load()
        _check_version(plugin)
        manager.register(plugin, name)
        said = {n: o for n in dir(plugin) if (o := manager.parse_hookimpl_opts(plugin, n))}
        hooks = list(dict.fromkeys(o.get("specname") or n for n, o in said.items()))
        for n in hooks:
            if not hasattr(hookspecs, n):
                raise AttributeError(f"unknown hook {n!r}")
    except (Exception, SystemExit) as e:  # noqa: BLE001  whatever a stranger's module raises must not stop others
        if manager.get_plugin(name) is not None:
            manager.unregister(name=name)
        error = reason(e)
    seconds = time.perf_counter() - start
    return Plugin(
        name=name, distribution=entry.distribution, module=entry.module, hooks=tuple(hooks), seconds=seconds, error=error
    )


def _check_version(plugin: Any) -> None:
    """raises: ValueError if the plugin says that it was written for hooks that are not these"""
    written = getattr(plugin, "plmtasks_hooks", hookspecs.VERSION)
    if written not in range(hookspecs.OLDEST, hookspecs.VERSION + 1):
        newer = isinstance(written, int) and written > hookspecs.VERSION
        raise ValueError(
            f"written for version {written!r} of the hooks; this plmtasks has {hookspecs.OLDEST} to {hookspecs.VERSION}: "
            f"upgrade {'plmtasks' if newer else 'the plugin'}"
        )


def reason(error: BaseException) -> str:
    """Why a plugin cannot be used, in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError) and error.filename:
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    ours = isinstance(error, ImportError) and (error.name or "").split(".")[0] == "plmtasks"
    if ours or isinstance(error, pluggy.PluginValidationError):
        from importlib.metadata import version

        return f"{text}: written for another version of plmtasks than {version('plmtasks')}"
    return text


def blame(error: BaseException) -> str | None:
    """Which plugin's code raised an error, where, and at which example; None: no plugin's did.

    It is the plugin whose code was nearest to the error.
    """
    places = {place: found for found, _ in _found() if (place := _place(found.module)) is not None}
    frames = list(traceback.walk_tb(error.__traceback__))
    for frame, line in reversed(frames):
        file = Path(frame.f_code.co_filename)
        found = next((found for place, found in places.items() if place == file or place in file.parents), None)
        if found is not None:
            example = next((e.id for f, _ in reversed(frames) for e in f.f_locals.values() if isinstance(e, Example)), None)
            at = "" if example is None else f", at example {example!r}"
            said = " ".join(f"{type(error).__name__}: {error}".split())
            where = f"{file}, line {line}, in {frame.f_code.co_name}"
            return f"plugin {found.name!r} ({found.distribution}) failed{at}: {said}\n  {where}"
    return None


def owner(item: Any) -> str:
    """The distribution whose plugin an item comes from; the module of its class or function, if no plugin's."""
    module = item.__module__  # a metric made of a function has the function's
    return next((found.distribution for found, _ in _found() if f"{module}.".startswith(f"{found.module}.")), module)


def _place(module: str) -> Path | None:
    """The folder of a package's code, or a module's file; None: it was not imported."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    return Path(file).parent if Path(file).name == "__init__.py" else Path(file)


def implementations(manager: pluggy.PluginManager, hook: str, plugin: str | None = None) -> list[pluggy.HookImpl]:
    """Those of a hook that are no wrappers: of one plugin, or of all."""
    found = getattr(manager.hook, hook).get_hookimpls()
    return [i for i in found if not (i.wrapper or i.hookwrapper) and plugin in (None, i.plugin_name)]


def call(manager: pluggy.PluginManager, plugin: str, hook: str, **given: Any) -> list[Any]:
    """What one plugin's implementations of a hook return, with the wrappers of all plugins around them.

    given: the hook's arguments, of which an implementation gets those that it names

    raises: whatever the plugin, or one that wraps it, raises
    """
    own = [i.plugin for i in implementations(manager, hook, plugin)]
    others = [i.plugin for i in implementations(manager, hook) if i.plugin not in own]
    returned: list[Any] = manager.subset_hook_caller(hook, others)(**given)
    return returned


def rank(manager: pluggy.PluginManager, plugin: str, hook: str) -> int:
    """-1 for `tryfirst`, 1 for `trylast`: what is brought first is listed and asked first."""
    return min((i.trylast - i.tryfirst for i in implementations(manager, hook, plugin)), default=0)


def culprit(manager: pluggy.PluginManager, plugin: str, error: BaseException) -> str:
    """Whose implementation was nearest to an error of a call for a plugin: that plugin, or one that wraps its hooks."""
    owners: dict[Any, str] = {}
    for one in sorted(manager.list_name_plugin(), key=lambda pair: pair[0] == plugin):  # its own last: they count
        for caller in manager.get_hookcallers(one[1]) or ():
            owners |= {getattr(i.function, "__code__", None): i.plugin_name for i in caller.get_hookimpls() if i.plugin is one[1]}
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return next((owners[code] for code in reversed(list(frames)) if code in owners), plugin)
