"""Texts of others on a terminal."""

import click

from ..execution import STEERING, printable


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Writes lines for a person to read, whoever wrote what is in them."""
    click.echo(printable(text, lines=True), err=err, nl=nl)


def say_json(text: str) -> None:
    """Writes JSON for a program to read; a person may look at it too."""
    click.echo(STEERING.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text), nl=False)
