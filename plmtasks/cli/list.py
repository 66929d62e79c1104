"""`plmtasks list`: the names of what is installed."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, counted, did_you_mean
from ..files import read_toml, terminal
from . import brought, options, tasks
from .texts import say, say_json

if TYPE_CHECKING:
    from pathlib import Path

    from ..formats import Format
    from ..hooks import Plugin, Registry
    from ..model import Provider

KINDS = ("tasks", "models", "metrics", "requests", "perturbations", "formats", "suites", "engines", "plugins")


HEADERS: Mapping[str, Sequence[str]] = {
    "plugins": ("plugin", "distribution", "brings"),
    "models": ("model", "family", "description"),
    "requests": ("request", "answer", "asks"),
    "formats": ("format", "is", "description"),
}
"""Of the columns; those of all other kinds are a name, who brings it, and a description."""


def _begun(field: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What completes to what the tasks have in a field."""

    def complete(ctx: click.Context, param: click.Parameter, begun: str) -> list[str]:
        from ..hooks import load_registry

        return [value for value in tasks.values(load_registry(), field) if value.startswith(begun)]

    return complete


@options.command("list", example="plmtasks list tasks")
@click.argument("what", metavar="WHAT", shell_complete=lambda ctx, param, begun: [k for k in KINDS if k.startswith(begun)])
@click.argument("word", metavar="[WORD]", required=False, shell_complete=_begun("collection"))
@click.option("--check", is_flag=True, help="Of a scheme: how many can be asked, and why the others cannot, from trying all.")
@click.option("--language", metavar="CODE", shell_complete=_begun("language"), help="Of tasks: those in a language, as zh.")
@click.option(
    "--asks", metavar="KIND", shell_complete=_begun("asks"),
    help="Of tasks: those that a kind of request asks, as Tag; `plmtasks list requests`.",
)  # fmt: skip
@options.choice("format", "table", "tsv", "json", help="A table, as wide as the terminal; in a pipe whole lines.")
def command(what: str, word: str | None, check: bool, language: str | None, asks: str | None, form: str) -> None:
    """What is installed: WHAT is tasks, models, metrics, requests, perturbations, formats, suites or plugins.

    Or a scheme whose names are known, as lm-eval: what stands before the colon in them. With a WORD, the lines that have it; or
    the tasks of a benchmark, as glue.
    """
    from ..hooks import load_registry

    registry = load_registry()
    if what != "tasks" and (language or asks):
        raise InputError(f"--language and --asks choose tasks, and no {what}")
    if what not in KINDS:
        (_say_checked if check else _say_known)(_provider(what, registry), word, form)
        return
    if check:
        raise InputError(f"--check tries what stands under a scheme, not {what}", "plmtasks check NAME tries one")
    if what == "tasks":
        _say_tasks(tasks.chosen(registry, word, language, asks), word, form, registry)
        if word or language or asks:
            return
    else:
        _say_rows(what, word, form, registry)
    for line in (*registry.lacking(what.removesuffix("s")), *_clashes(what, registry)) if form == "table" else ():
        say(terminal.wrapped(line, "  "))


def _say_tasks(found: "Sequence[tasks.Row]", word: str | None, form: str, registry: "Registry") -> None:
    if form == "json":
        say_json(found)
    elif form == "tsv":
        rows = [[value if isinstance(value, str) else ", ".join(value) for value in row.values()] for row in found]
        _say_tsv([tasks.FIELDS, *rows])
    elif found:
        say(tasks.table(found, word, registry), nl=False)


def _say_rows(what: str, word: str | None, form: str, registry: "Registry") -> None:
    header, rows = HEADERS.get(what, (what.removesuffix("s"), "from", "description")), _rows(what, registry)
    if word is not None:
        rows = _having(word, rows)
    if form == "json":
        say_json(_plugins(registry) if what == "plugins" else [dict(zip(header, row, strict=True)) for row in rows])
    elif form == "tsv":
        _say_tsv([header, *rows])
    elif rows:
        say(terminal.table(header, rows, firm=header[:1]), nl=False)


def _say_tsv(rows: Iterable[Sequence[str]]) -> None:
    say("\n".join("\t".join(" ".join(cell.split()) for cell in row) for row in rows))


def _provider(scheme: str, registry: "Registry") -> "Provider":
    """raises: InputError if no provider has that scheme"""
    found = {p.scheme.removesuffix("/"): p for providers in registry.providers.values() for p in providers}
    if scheme not in found:
        there = [*KINDS, *found]
        hints = (*did_you_mean(scheme, there), f"there are: {', '.join(there)}")
        raise InputError(f"there is nothing to list under {scheme!r}", *hints)
    return found[scheme]


def _say_known(provider: "Provider", word: str | None, form: str) -> None:
    """The names under a scheme.

    raises: InputError if none are known
    """
    known = provider.known()
    if not known:
        raise InputError(f"any {provider.beginning}NAME may be asked for: {provider.description or 'there is no list'}")
    header = list(known[0])
    rows = [tuple(row.values()) for row in known]
    if word is not None:
        rows = _having(word, rows)
    if form == "json":
        say_json([dict(zip(header, row, strict=True)) for row in rows])
    elif form == "tsv":
        _say_tsv([header, *rows])
    else:
        say(terminal.table(header, rows, firm=header[:1]), nl=False)


def _say_checked(provider: "Provider", word: str | None, form: str) -> None:
    """How many can be asked, and how many cannot for each reason; as JSON or TSV each of them.

    raises: InputError if there is nothing to try
    """
    rows = list(provider.checked(word or ""))
    if not rows:
        raise InputError(f"there is nothing under {provider.beginning} to be tried", *[f"that has {word!r}"] * (word is not None))
    header = list(rows[0])
    if form == "json":
        say_json(rows)
    elif form == "tsv":
        _say_tsv([header, *(list(row.values()) for row in rows)])
    else:
        fine = Counter(row["kind"] for row in rows if not row["refused"])
        kinds = ", ".join(f"{n:,} {kind}" + "s" * (n != 1) for kind, n in fine.most_common())
        say(terminal.wrapped(f"{fine.total():,} of {len(rows):,} can be asked: {kinds}"))
        found = Counter((row["kind"], row["refused"]) for row in rows if row["refused"]).most_common()
        if found:
            say(
                "\n" + terminal.table(("n", "kind", "not asked, because"), [(str(n), *told) for told, n in found], ("n",)),
                nl=False,
            )


def _having(word: str, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows that have a word; those first in whose name it is.

    raises: InputError if none has
    """
    wanted = word.casefold()
    found = [row for row in rows if any(wanted in cell.casefold() for cell in row)]
    if not found:
        names = {row[0].rpartition(":")[2]: row[0] for row in rows}
        raise InputError(f"nothing of {len(rows)} has {word!r}", *did_you_mean(word, names))
    folded = {row: row[0].casefold() for row in found}
    return sorted(found, key=lambda row: (not f":{folded[row]}".endswith(f":{wanted}"), wanted not in folded[row]))


def _rows(what: str, registry: "Registry") -> list[tuple[str, ...]]:
    """A line for each item, and for each provider of more."""
    kind = what.removesuffix("s")
    if what == "plugins":
        plugins: list[tuple[str, ...]] = [(p.name, p.distribution, _state(p, registry)) for p in registry.plugins]
        return plugins + [(name, entry.distribution, f"command (plmtasks {name})") for name, entry in brought().items()]
    if what == "requests":
        return [(kind, form.answer_type.__name__, _first_line(form)) for kind, form in registry.requests.items()]
    items, rows = registry.items[kind], list[tuple[str, ...]]()
    if what == "models":
        rows = [(name, model.family, model.description or ", ".join(model.answers)) for name, model in items.items()]
    elif what == "formats":
        rows = [(name, _ways(form), form.description) for name, form in items.items()]
    elif what == "suites":
        rows = [(name, registry.owners[kind, name].distribution, _about(path)) for name, path in items.items()]
    else:
        rows = [(name, registry.owners[kind, name].distribution, item.description) for name, item in items.items()]
    for provider in registry.providers.get(kind, ()):
        alone = ", or NAME alone" if provider.default else ""
        rows.append((f"{provider.beginning}NAME{alone}", "", provider.description or f"any {kind} of that name"))
    return rows


def _plugins(registry: "Registry") -> list[dict[str, Any]]:
    """All that is known of each plugin; a command has no hooks, and is imported when it is called."""
    told = [
        {
            "name": p.name, "distribution": p.distribution, "hooks": p.hooks, "brings": _brought(p, registry),
            "provides": _provided(p, registry), "seconds": round(p.seconds, 3), "error": p.error, "disabled": p.disabled,
        }
        for p in registry.plugins
    ]  # fmt: skip
    command = {"hooks": [], "brings": {"command": 1}, "provides": [], "seconds": 0.0, "error": None, "disabled": False}
    return [*told, *({"name": n, "distribution": e.distribution} | command for n, e in brought().items())]


def _clashes(what: str, registry: "Registry") -> list[str]:
    return [
        f"{kind} {name!r} is claimed by {' and '.join(distributions)}: it cannot be used"
        for (kind, name), distributions in registry.clashes.items()
        if what in ("plugins", f"{kind}s")
    ]


def _first_line(form: type) -> str:
    """Of the class's own docstring; a dataclass that has none gets its signature for one."""
    told = inspect.cleandoc(form.__doc__ or "")
    return "" if told.startswith(f"{form.__name__}(") else told.partition("\n")[0]


def _about(suite: "Path") -> str:
    """What a suite's file says of itself."""
    return str(read_toml(suite, "the file of a suite").content.get("description", ""))


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
