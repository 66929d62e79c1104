"""Hooks that a plugin may implement, and the registry of all that plugins bring."""

from .hookspecs import ENTRY_POINT
from .loading import DISABLED_VARIABLE, MODULES_VARIABLE, SLOW, Plugin, PluginWarning, blame, owner
from .names import NAMES_SHOWN, find
from .registry import Registry, load_registry

__all__ = [
    "DISABLED_VARIABLE",
    "ENTRY_POINT",
    "MODULES_VARIABLE",
    "NAMES_SHOWN",
    "SLOW",
    "Plugin",
    "PluginWarning",
    "Registry",
    "blame",
    "find",
    "load_registry",
    "owner",
]
