"""The command line: one module a command, loaded when it is called."""

import errno
import gc
import importlib
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import click

from .. import __version__
from ..config import LAUNCHED
from ..errors import (
    DataWarning,
    InputError,
    LearningWarning,
    ModelWarning,
    PlmtasksError,
    PluginError,
    did_you_mean,
    printable,
)
from ..hooks import EntryPoint, entry_points

COMMANDS = {
    "run": "Evaluate models on tasks; train first where a model must.",
    "train": "Train a model on a task's train split.",
    "predict": "Answer new questions: a line in, a line out.",
    "export": "Write one task's part of a checkpoint as an ordinary folder.",
    "score": "Score somebody else's predictions.",
    "bundle": "All that a suite needs, in one archive.",
    "convert": "Results in another tool's format, or another tool's as runs.",
    "leaderboard": "The runs of result folders as a ranked table.",
    "compare": "What sets two runs on the same examples apart.",
    "results": "The runs of a store: list, show, merge, verify, prune.",
    "reproduce": "Run a stored run again; did the same bytes come out?",
    "recommend": "Which model to take, from the runs of result folders.",
    "list": "What is installed: tasks, models, metrics, requests, plugins.",
    "show": "What a task asks, or what a model answers.",
    "check": "Which laws does a task, a model or a metric break?",
    "new": "Write a new plugin: a task, a model or a metric.",
    "doctor": "What is there, and what is missing for what.",
    "completion": "A script by which a shell completes commands and names.",
    "demo": "Train and evaluate the built-in models on sample data.",
    "worker": "",
}
"""Each with its help; of one that is hidden, nothing."""

ENTRY_POINT = "plmtasks.commands"
"""The entry-point group under which a distribution names further commands, as `click.Command`s; their modules are light."""

APART = {"board": "plmtasks-board", "lm-eval": "plmtasks-lm-eval", "sweep": "plmtasks-sweep"}
"""Our commands that come with a distribution of their own."""


class Lazy(click.Group):
    """Knows its commands' names and one-line helps; imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(name for name, told in COMMANDS.items() if told), *brought()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            return _own(name)
        return _loaded(entry) if (entry := brought().get(name)) is not None else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            known = [*self.list_commands(ctx), *APART]
            hints = [f"pip install {APART[args[0]]} brings it"] if args[0] in APART else did_you_mean(args[0], known)
            raise InputError(f"there is no command {args[0]!r}", *hints, "plmtasks --help shows all") from e

    def invoke(self, ctx: click.Context) -> Any:
        """raises: what the command raises; its hints name the command of an option that this one has not"""
        try:
            return super().invoke(ctx)
        except PlmtasksError as e:
            called = self.get_command(ctx, ctx.invoked_subcommand or "")
            e.hints = tuple(whose_option(hint, called) for hint in e.hints)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        told = {name: said for name, said in COMMANDS.items() if said}
        for name, entry in brought().items():
            try:
                told[name] = _loaded(entry).get_short_help_str(100)
            except PluginError as e:  # it must not stop the help of the rest
                told[name] = e.message.partition(") ")[2]
        with formatter.section("Commands"):
            formatter.write_dl(list(told.items()))


OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def options_of(command: click.Command | None) -> set[str]:
    """The options of a command and of those under it."""
    if command is None:
        return set()
    under = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return own.union(*(options_of(one) for one in under), {"--debug", "--disable", "--bundle"})


def whose_option(hint: str, called: click.Command | None) -> str:
    """A hint as it is, unless it names an option that the command that was called has not: then with the command that has it.

    A hint that is a command line names its own.
    """
    missing = [name for name in OPTION.findall(hint) if name not in options_of(called)]
    if not missing or "plmtasks " in hint:
        return hint
    for name in HINTED:
        if set(missing) <= options_of(_own(name)):
            return f"{hint} (plmtasks {name} has {' and '.join(dict.fromkeys(missing))})"
    return hint


HINTED = ("run", "train", "predict", "score", "results", "convert", "leaderboard")
"""Commands whose options hints name, the likeliest first."""


def brought() -> dict[str, EntryPoint]:
    """The commands of other distributions; ours keep their names."""
    return {entry.name: entry for entry in entry_points(ENTRY_POINT) if entry.name not in COMMANDS}


def _own(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"{__name__}.{name}").command
    return command


def _loaded(entry: EntryPoint) -> click.Command:
    """raises: PluginError"""
    try:
        command: click.Command = entry.load()
    except (Exception, SystemExit) as e:
        raise PluginError(f"command {entry.name!r} ({entry.distribution}) cannot be loaded: {type(e).__name__}: {e}") from e
    return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="plmtasks")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.option("--disable", metavar="PLUGIN,…", help="Leave installed plugins alone.")
@click.option(
    "--bundle", metavar="FILE.tar", type=click.Path(path_type=Path),
    help="Take data and models from what `plmtasks bundle` wrote, and ask no network.",
)  # fmt: skip
@click.pass_context
def cli(ctx: click.Context, debug: bool, disable: str | None, bundle: Path | None) -> None:
    """Fine-tune, evaluate and compare language models on NLP tasks.

    plmtasks run --task qa --model bert-base
    """
    ctx.obj = {"debug": debug}
    if disable:  # in the environment, so that a run's further processes know of it
        from ..hooks import DISABLED_VARIABLE

        os.environ[DISABLED_VARIABLE] = f"{disable},{os.environ.get(DISABLED_VARIABLE, '')}"
    if bundle:
        from ..evaluation import use_bundle
        from ..execution import Progress, speaks

        use_bundle(bundle, Progress(quiet=not speaks()))


def main() -> None:
    """Runs the command line; exits with the error's code, without a traceback unless --debug."""
    warnings.showwarning = _show_warning
    # a run holds millions of objects without cycles: to look through all of them again and again was a quarter of its time
    gc.set_threshold(100_000, 20, 10)
    _take_signals()
    sys.argv[1:] = _general_first(sys.argv[1:])
    debug = "--debug" in sys.argv
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort as e:
        _interrupted(e.__cause__)
    except click.ClickException as e:
        _stop(_usage(e), e.exit_code)
    except PlmtasksError as e:
        if debug:
            traceback.print_exc()
        _stop(f"error: {e}", e.exit_code)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        if debug or e.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _stop(f"error: no space left on the disk: {e.filename or ''}\n  what was finished is kept; make room and run again", 2)
    except KeyboardInterrupt as e:
        _interrupted(e)
    except Exception as e:
        if Ended.number is not None:  # a library may make another error of what the signal raised
            _interrupted(Ended(Ended.number))
        from ..hooks import blame

        blamed = None if debug else blame(e)
        if blamed is None:
            raise
        _stop(f"error: {blamed}\n  --debug shows the traceback", 1)


def _usage(error: click.ClickException) -> str:
    """What is wrong with a line, as all errors are told: with an example that can be typed; of a command alone its help."""
    message, ctx = error.format_message().strip(), getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return message
    if isinstance(error, click.MissingParameter) and error.param is not None:
        message = f"missing {error.param.get_error_hint(ctx).replace(chr(39), '')}"
    hints = []
    if ctx is not None:
        from .options import example

        alone = re.search(r"unexpected extra argument \((.+)\)", message)
        if alone and Path(alone[1]).exists() and "--data" in options_of(ctx.command):
            ctx.params["data"] = ctx.params.get("data") or alone[1]
        hints = [line for line in (example(ctx), f"{ctx.command_path} --help shows all") if line]
    return f"error: {PlmtasksError(message, *hints)}"


class Ended(KeyboardInterrupt):
    """A signal asks to end, as Ctrl-C does; its number."""

    number: ClassVar[int | None] = None
    """Of the signal that came."""


def _take_signals() -> None:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what is open is closed, and how to go on is said.

    The processes of our launcher just end: it does the rest.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # whoever ignores a signal, as nohup does, has said so
        if number is not None and LAUNCHED not in os.environ and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    signal.signal(number, signal.SIG_DFL)  # a second one ends at once
    Ended.number = number
    raise Ended(number)


def _interrupted(cause: BaseException | None) -> None:
    code = 128 + (cause.args[0] if isinstance(cause, Ended) else signal.SIGINT)
    if LAUNCHED in os.environ:
        sys.exit(code)  # the launcher says it
    with suppress(OSError):  # the terminal may have gone
        sys.stderr.write("interrupted: the same command goes on where it was\n")
    sys.exit(code)


def _general_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options of all commands in front: they may stand after the command too."""
    general, rest, given = [], [], iter(arguments)
    for argument in given:
        if argument == "--debug" or argument.startswith(("--disable=", "--bundle=")):
            general.append(argument)
        elif argument in ("--disable", "--bundle") and (value := next(given, None)) is not None:
            general += [argument, value]
        else:
            rest.append(argument)
    return [*general, *rest]


def _stop(text: str, code: int) -> None:
    sys.stdout.flush()
    sys.stderr.write(printable(text, lines=True) + "\n")
    sys.exit(code)


def _show_warning(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
    from ..execution import speaks
    from ..hooks import PluginWarning

    if issubclass(category, (DataWarning, LearningWarning, ModelWarning, PluginWarning)) and speaks():
        sys.stderr.write(printable(f"warning: {message}", lines=True) + "\n")
