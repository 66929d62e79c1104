"""`plmtasks list`."""

import click

KINDS = ("tasks", "models", "metrics", "perturbations", "plugins")


@click.command("list")
@click.argument("what", type=click.Choice(KINDS))
def command(what: str) -> None:
    """What is installed."""
    from ..registry import load_registry

    registry = load_registry()
    if what == "plugins":
        rows = [(p.name, p.distribution, f"failed to load: {p.error}" if p.error else "") for p in registry.plugins]
    elif what == "tasks":
        rows = [(name, ", ".join(t.asks), t.description) for name, t in registry.items["task"].items()]
    elif what == "models":
        rows = [(name, m.family, m.description or ", ".join(m.answers)) for name, m in registry.items["model"].items()]
    else:
        kind = what.removesuffix("s")
        rows = [(name, registry.owners[kind, name].distribution, item.description) for name, item in registry.items[kind].items()]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    for first, second, third in rows:
        click.echo(f"{first:{widths[0]}}  {second:{widths[1]}}  {third}".rstrip())
    kind = what.removesuffix("s")
    for provider in registry.providers.get(kind, ()):
        alone = ", or NAME alone" if provider.default else ""
        click.echo(f"{provider.beginning}NAME{alone}  {provider.description or f'any {kind} of that name'}")
    if what != "plugins":
        for plugin in registry.plugins:
            if plugin.error:
                click.echo(f"plugin {plugin.distribution} failed to load: {plugin.error}", err=True)
