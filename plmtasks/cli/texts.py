"""Tables and texts of others on a terminal."""

import io
import shutil
from collections.abc import Iterable, Sequence
from typing import Any

import click

from ..errors import escaped, printable


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Writes lines for a person to read, whoever wrote what is in them."""
    click.echo(printable(text, lines=True), err=err, nl=nl)


def say_json(text: str) -> None:
    """Writes JSON for a program to read; a person may look at it too."""
    click.echo(escaped(text), nl=False)


def table(header: Sequence[str], lines: Iterable[Sequence[str]], right: Sequence[str] = ()) -> str:
    """As wide as the terminal; long cells are folded.

    right: the columns that end at their right edge
    """

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    file = io.StringIO()
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    for name in header:
        made.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for cells in lines:
        made.add_row(*(Text(printable(cell)) for cell in cells))  # as Text, a bracket is no markup
    Console(file=file, width=shutil.get_terminal_size((160, 24)).columns, color_system=None).print(made)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def shortened(value: Any, width: int) -> str:
    """A text, or JSON, on one line of at most so many characters."""
    from ..files import as_text

    text = printable(" ".join(as_text(value).split()))
    return text if len(text) <= width else f"{text[: width - 1]}…"
