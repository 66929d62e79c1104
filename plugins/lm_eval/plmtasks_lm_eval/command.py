"""`plmtasks lm-eval`: lm-eval's own command line, where plmtasks is one of the models."""

import signal
import sys

import click

from plmtasks.errors import InputError, PlmtasksError

NOTE = (
    "plmtasks lm-eval is lm-eval's own command line, and --model plmtasks its engine: --model_args pretrained=NAME,processes=N\n"
)


@click.command(
    "lm-eval",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
    short_help="lm-eval's command line, where --model plmtasks is this engine.",
)
@click.argument("arguments", metavar="ARGS…", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """lm-eval's command line, where --model plmtasks is this engine."""
    if not set(arguments).isdisjoint(("-h", "--help")) or not arguments:
        click.echo(NOTE)
    import lm_eval.models  # noqa: F401  its own models, which lm-eval looks for only where there are none
    from lm_eval.__main__ import cli_evaluate
    from lm_eval.api.registry import model_registry

    if "plmtasks" not in model_registry:  # a version that reads entry points has it already
        model_registry.register("plmtasks", target="plmtasks_lm_eval.lm:LM")
    # lm-eval's bootstrap forks, and ends its forks by a signal: they must not take it as a command of ours does
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    sys.argv = ["lm-eval", *arguments]
    try:
        cli_evaluate()
    except PlmtasksError:
        raise
    except Exception as e:
        raise InputError(f"lm-eval ended with {type(e).__name__}: {e}", "--debug shows where") from e
