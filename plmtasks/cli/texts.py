"""Texts of others on a terminal."""

import click

from ..errors import escaped, printable


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Writes lines for a person to read, whoever wrote what is in them."""
    click.echo(printable(text, lines=True), err=err, nl=nl)


def say_json(text: str) -> None:
    """Writes JSON for a program to read; a person may look at it too."""
    click.echo(escaped(text), nl=False)
