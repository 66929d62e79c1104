"""Hooks, called through pluggy for one plugin at a time: whose items these are stays known, and one that fails stops no other."""

import traceback
from typing import Any

import pluggy


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
