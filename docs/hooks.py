"""What the pages of commands, and of the form of results, are made of when the site is built."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

import plmtasks
from plmtasks.cli import cli
from plmtasks.config import GROUPS
from plmtasks.files import values


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    if "{{ commands }}" in markdown:
        markdown = markdown.replace("{{ commands }}", "\n".join(_group(cli, "plmtasks")))
    for name, form in GROUPS.items():
        told, defaults = values.documented(form), values.defaults(form)
        rows = (f"| `{key}` | {default and f'`{default}`'} | {_cell(told[key])} |" for key, default in defaults.items())
        table = "\n".join(["| setting | default | |", "| --- | --- | --- |", *rows])
        markdown = markdown.replace(f"{{{{ {name} }}}}", table)
    if "{{ schema }}" in markdown:
        schema = json.loads(Path(plmtasks.__file__).with_name("result.schema.json").read_text(encoding="utf-8"))
        markdown = markdown.replace("{{ schema }}", "\n".join(_schema(schema)))
    return markdown


def _group(group: click.Group, name: str) -> Iterator[str]:
    context = click.Context(group)
    yield from _options(group, context)
    for sub in group.list_commands(context):
        command = group.get_command(context, sub)
        if command is None:
            continue
        yield f"\n{'##' if name == 'plmtasks' else '###'} {name} {sub}\n\n{command.help or ''}\n"
        if isinstance(command, click.Group):
            yield from _group(command, f"{name} {sub}")
        else:
            inner = click.Context(command, info_name=f"{name} {sub}")
            yield f"```text\n{command.get_usage(inner)}\n```\n"
            yield from _options(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    rows = [found for p in command.get_params(context) if (found := p.get_help_record(context)) is not None]
    if rows:
        yield "| option | |\n| --- | --- |"
        yield from (f"| `{_cell(option)}` | {_cell(text)} |" for option, text in rows)
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _schema(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """A line for each field."""
    if not path:
        yield "| field | type | |\n| --- | --- | --- |"
    for name, form in schema.get("properties", {}).items():
        kind = form.get("type", "any" if "const" not in form else "constant")
        kind = " or ".join(kind) if isinstance(kind, list) else kind
        yield f"| `{path}{name}` | {kind} | {_cell(form.get('description', ''))} |"
        yield from _schema(form, f"{path}{name}.") if path.count(".") < 2 and "properties" in form else ()
