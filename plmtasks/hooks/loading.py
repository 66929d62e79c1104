"""Plugins: found, loaded or refused, and blamed."""

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ..errors import UnknownNameError
from ..examples import Example
from . import hookspecs
from .entrypoints import entry_points

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


@dataclass(frozen=True)
class _Candidate:
    name: str
    distribution: str
    module: str
    load: Callable[[], Any]

    @property
    def names(self) -> tuple[str, ...]:
        """By which it can be left alone."""
        return self.name, self.distribution.split(" ")[0]


def load_plugins(
    manager: pluggy.PluginManager, modules: Iterable[ModuleType | str] = (), *, installed: bool = True
) -> dict[str, Plugin]:
    """Registers every plugin that can be loaded, and tells of all of them, by name.

    raises: UnknownNameError if PLMTASKS_DISABLE names a plugin that is not there
    """
    plugins: dict[str, Plugin] = {}
    candidates = list(_candidates(modules, installed))
    disabled = [name for name in os.environ.get(DISABLED_VARIABLE, "").split(",") if name] if installed else []
    _check_disabled(disabled, candidates)
    for found in candidates:
        unique = found.name if found.name not in plugins else f"{found.name} of {found.distribution}"
        if set(found.names) & set(disabled):
            plugins[unique] = Plugin(name=unique, distribution=found.distribution, module=found.module, disabled=True)
        else:
            plugins[unique] = _loaded(manager, unique, found)
    return plugins


def _check_disabled(disabled: Collection[str], candidates: Iterable[_Candidate]) -> None:
    known = {name for found in candidates for name in found.names}
    for name in disabled:
        if name not in known:
            raise UnknownNameError("plugin", name, known)


def _candidates(modules: Iterable[ModuleType | str], installed: bool) -> Iterator[_Candidate]:
    if installed:
        entries = []
        for entry in sorted(entry_points(hookspecs.ENTRY_POINT), key=lambda e: e.name):
            entries.append(entry.module)
            yield _Candidate(entry.name, entry.distribution, entry.module, entry.load)
        # one that is developed may be installed as well
        named = dict.fromkeys(m for m in os.environ.get(MODULES_VARIABLE, "").split(",") if m and m not in entries)
        modules = [*named, *modules]
    for module in modules:
        if isinstance(module, str):
            yield _Candidate(module, module, module, lambda name=module: importlib.import_module(name))  # type: ignore[misc]
        else:
            yield _Candidate(module.__name__, module.__name__, module.__name__, lambda value=module: value)  # type: ignore[misc]


def _loaded(manager: pluggy.PluginManager, name: str, found: _Candidate) -> Plugin:
    error, hooks, start = None, [], time.perf_counter()
    try:
        with redirect_stdout(sys.stderr):  # what we print may be read by a program
            plugin = found.load()
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
        name=name, distribution=found.distribution, module=found.module, hooks=tuple(hooks), seconds=seconds, error=error
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
    places = {place: found for found in _candidates((), True) if (place := _place(found.module)) is not None}
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
    inside = (found for found in _candidates((), True) if f"{module}.".startswith(f"{found.module}."))
    return next((found.distribution for found in inside), module)


def _place(module: str) -> Path | None:
    """The folder of a package's code, or a module's file; None: it was not imported."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    return Path(file).parent if Path(file).name == "__init__.py" else Path(file)
