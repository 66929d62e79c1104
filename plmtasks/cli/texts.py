"""Texts of others on a terminal, which they are not to steer."""

import json
from typing import Any

import click

from ..errors import escaped, printable


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Writes lines for a person to read, whoever wrote what is in them."""
    click.echo(printable(text, lines=True), err=err, nl=nl)


def say_json(value: Any, *, sort_keys: bool = False) -> None:
    """Writes a value as JSON for a program to read, or a text that is JSON already; a person may look at it too."""
    made = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False, sort_keys=sort_keys, default=repr)
    click.echo(escaped(made.removesuffix("\n")))
