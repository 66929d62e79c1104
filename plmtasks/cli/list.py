"""`plmtasks list`: the names of what is installed."""

import inspect
from collections import Counter
from typing import TYPE_CHECKING

import click

from ..errors import counted
from . import brought
from .texts import say, say_json

if TYPE_CHECKING:
    from ..formats import Format
    from ..hooks import Plugin, Registry

KINDS = ("tasks", "models", "metrics", "requests", "perturbations", "formats", "plugins")


@click.command("list")
@click.argument("what", type=click.Choice(KINDS))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="json: of plugins alone.")
def command(what: str, form: str) -> None:
    """What is installed."""
    from ..hooks import load_registry

    registry = load_registry()
    if form == "json":
        if what != "plugins":
            raise click.UsageError("--format json is for plugins")
        told = [
            {
                "name": p.name, "distribution": p.distribution, "hooks": p.hooks, "brings": _brought(p, registry),
                "provides": _provided(p, registry), "seconds": round(p.seconds, 3), "error": p.error, "disabled": p.disabled,
            }
            for p in registry.plugins
        ]  # fmt: skip
        # a command has no hooks, and is imported when it is called
        command = {"hooks": [], "brings": {"command": 1}, "provides": [], "seconds": 0.0, "error": None, "disabled": False}
        say_json([*told, *({"name": n, "distribution": e.distribution} | command for n, e in brought().items())])
        return
    kind = what.removesuffix("s")
    if what == "plugins":
        rows = [(p.name, p.distribution, _state(p, registry)) for p in registry.plugins]
        rows += [(name, entry.distribution, f"command (plmtasks {name})") for name, entry in brought().items()]
    elif what == "tasks":
        rows = [(name, ", ".join(t.asks), t.description) for name, t in registry.items["task"].items()]
    elif what == "models":
        rows = [(name, m.family, m.description or ", ".join(m.answers)) for name, m in registry.items["model"].items()]
    elif what == "requests":
        rows = [(kind, form.answer_type.__name__, _first_line(form)) for kind, form in registry.requests.items()]
    elif what == "formats":
        rows = [(name, _ways(form), form.description) for name, form in registry.items["format"].items()]
    else:
        rows = [(name, registry.owners[kind, name].distribution, item.description) for name, item in registry.items[kind].items()]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    for first, second, third in rows:
        say(f"{first:{widths[0]}}  {second:{widths[1]}}  {third}".rstrip())
    for provider in registry.providers.get(kind, ()):
        alone = ", or NAME alone" if provider.default else ""
        say(f"{provider.beginning}NAME{alone}  {provider.description or f'any {kind} of that name'}")
    for (clashing, name), distributions in registry.clashes.items():
        if what in ("plugins", f"{clashing}s"):
            say(f"{clashing} {name!r} is claimed by {' and '.join(distributions)}: it cannot be used")


def _first_line(form: type) -> str:
    """Of the class's own docstring; a dataclass that has none gets its signature for one."""
    told = inspect.cleandoc(form.__doc__ or "")
    return "" if told.startswith(f"{form.__name__}(") else told.partition("\n")[0]


def _ways(form: "Format") -> str:
    return ", ".join(way for way, has in (("written", form.writes), ("read", form.reads)) if has)


def _state(plugin: "Plugin", registry: "Registry") -> str:
    """What a plugin brings and hooks into, or why it does nothing."""
    from ..hooks import SLOW

    if plugin.error or plugin.disabled:
        return f"failed to load: {plugin.error}" if plugin.error else "disabled"
    counts = [counted(n, kind) for kind, n in _brought(plugin, registry).items()]
    made = [f"any {beginning}NAME" for beginning in _provided(plugin, registry)]
    slow = f"; took {plugin.seconds:.1f} s to import" if plugin.seconds >= SLOW else ""
    return f"{', '.join([*counts, *made]) or 'nothing'} ({', '.join(plugin.hooks) or 'no hooks'}){slow}"


def _brought(plugin: "Plugin", registry: "Registry") -> Counter[str]:
    return Counter(kind for (kind, _), owner in registry.owners.items() if owner.name == plugin.name)


def _provided(plugin: "Plugin", registry: "Registry") -> list[str]:
    """What the names begin with that its providers make something of."""
    from ..hooks import owner

    return [p.beginning for providers in registry.providers.values() for p in providers if owner(p) == plugin.distribution]
