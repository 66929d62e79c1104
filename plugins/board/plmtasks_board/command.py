"""`plmtasks board`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plmtasks.cli import options
from plmtasks.cli.options import TRUST, item, setting
from plmtasks.cli.texts import say
from plmtasks.errors import PlmtasksError, counted

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

    from .board import Board

FILE = click.Path(path_type=Path)

BOARD = click.argument("board", metavar="DIR", type=FILE)


@click.group("board")
def command() -> None:
    """A leaderboard that others submit predictions to."""


def _opened(folder: Path, trusting: bool | None) -> "tuple[Board, Registry]":
    from plmtasks.hooks import load_registry

    from .board import read_board

    registry = load_registry(trusting=bool(trusting))
    return read_board(folder, registry), registry


@command.command("init", cls=options.Command)
@BOARD
@item("task", "--task", help="Of a new board; without it, a board gets the files that it lacks, and its questions anew.")
@setting("data", help="With the references: copied into hidden/, which nothing publishes; default: the task's own.")
@setting("columns")
@setting("split")
@click.option("--title", metavar="TEXT", default="", help="What the board is called.")
@TRUST
def init(board: Path, task: str | None, title: str, trust_remote_code: bool | None, **values: Any) -> None:
    """Make a board: board.toml, questions, a page for submitters, and a workflow that checks pull requests and builds pages."""
    from plmtasks.hooks import load_registry

    from .board import Entry
    from .start import start

    if task is None and (title or any(values.values())):
        raise click.UsageError("--data, --columns, --split and --title are of a new board: name its task with --task")
    given = {name: value for name, value in values.items() if value is not None}
    new = Entry(task=task, **given) if task is not None else None
    made, written = start(board, new, load_registry(trusting=bool(trust_remote_code)), title)
    for path in written:
        say(f"written: {path}")
    say(f"{counted(len(made.entries), 'task')}: {', '.join(made.entries)}; nothing publishes hidden/ and results/")
    if new is not None:
        first = next(iter(made.entries))
        say(f"next: plmtasks board submit {board} --task {first} --predictions FILE --name NAME --card CARD.md")


@command.command("submit", cls=options.Command)
@BOARD
@click.option("--task", required=True, metavar="T", help="By its name on the board.")
@click.option("--predictions", required=True, metavar="FILE", type=FILE, help="In a format that `score` reads.")
@click.option("--name", required=True, metavar="NAME", help="What made them; it stands in the table.")
@click.option(
    "--card",
    required=True,
    metavar="FILE",
    type=FILE,
    help="What its makers say of it: Markdown.",
)
@click.option("--na-prob", metavar="FILE", type=FILE, help="No-answer probabilities, as of `score`.")
@TRUST
def submit(board: Path, trust_remote_code: bool | None, **values: Any) -> None:
    """Put predictions into a board's folder, once they are whole and within its rules."""
    from .submissions import submit as put

    opened, registry = _opened(board, trust_remote_code)
    files = values["predictions"], values["card"], values["na_prob"]
    made = put(opened, registry, values["name"], values["task"], files)
    say(f"submitted: {made.folder}")


@command.command("check", cls=options.Command)
@BOARD
@TRUST
def check(board: Path, trust_remote_code: bool | None) -> None:
    """Is all that was submitted whole, unaltered and within the rules? References are not needed."""
    from .submissions import check as look

    found = list(look(*_opened(board, trust_remote_code)))
    for one in found:
        say(f"{one.folder.relative_to(board)}: {one.why or 'whole'}")
    wrong = [str(one.folder.relative_to(board)) for one in found if one.why]
    if wrong:
        raise PlmtasksError(f"{len(wrong)} of {counted(len(found), 'submission')} cannot be taken", *wrong)
    say(f"{counted(len(found), 'submission')}, all of them whole")


@command.command("build", cls=options.Command)
@BOARD
@click.option("--output", metavar="DIR", type=FILE, help="The pages; default: site in the board's folder.")
@TRUST
def build(board: Path, output: Path | None, trust_remote_code: bool | None) -> None:
    """Score and verify what was submitted, and write the pages; what is altered or invalid is left out, and said."""
    from plmtasks.tables import render

    from .build import build as make

    opened, registry = _opened(board, trust_remote_code)
    built = make(opened, registry, output or board / "site")
    say(render(built.results, "table", registry), nl=False)
    for sentence in built.left_out:
        say(f"left out: {sentence}", err=True)
    say(f"{counted(len(built.results), 'run')} shown, {len(built.left_out)} left out")
    say(str(built.site))
