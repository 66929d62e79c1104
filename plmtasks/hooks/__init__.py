"""Hooks that a plugin may implement, and the registry of all that plugins bring."""

from typing import TYPE_CHECKING, Any

from .entrypoints import EntryPoint, entry_points

if TYPE_CHECKING:
    from .collecting import load_registry
    from .finding import find
    from .hookspecs import ENTRY_POINT
    from .loading import DISABLED_VARIABLE, MODULES_VARIABLE, SLOW, Plugin, PluginWarning, blame, owner
    from .registry import NAMES_SHOWN, Registry

__all__ = [
    "DISABLED_VARIABLE", "ENTRY_POINT", "MODULES_VARIABLE", "NAMES_SHOWN", "SLOW", "EntryPoint", "Plugin", "PluginWarning",
    "Registry", "blame", "entry_points", "find", "load_registry", "owner",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # even --help has to find what is installed, and needs nothing else of this package
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import collecting, finding, hookspecs, loading, registry

    return next(getattr(module, name) for module in (collecting, registry, finding, loading, hookspecs) if hasattr(module, name))
