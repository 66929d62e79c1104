"""`plmtasks reproduce`: a stored run, run again."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import PlmtasksError, printable
from . import options
from .options import TRUST, section, setting
from .texts import say

if TYPE_CHECKING:
    from ..evaluation import Reproduction, Unlike
    from ..hooks import Registry
    from ..results import Result


@options.command("reproduce")
@click.argument("run", metavar="RESULT.json")
@section(
    "Where things lie now",
    setting("data", help="Its data."),
    setting("train_data", help="Its data for training."),
    click.option("--model", metavar="PATH", help="The folder of its model."),
    setting("predictions_of", help="The run whose predictions took the place of what its data gives."),
)
@section(
    "Output",
    setting("output", help="A new folder; default: a temporary one, deleted if the same bytes come out."),
    setting("checkpoints", help="Models that were trained on the way; default: they are trained again."),
    click.option("--check", is_flag=True, help="Say what differs, and run nothing."),
    click.option("--quiet", is_flag=True, help="Print no progress."),
)
@section("Others", TRUST)
def command(run: str, output: str | None, checkpoints: str | None, **options: Any) -> None:
    """Run a stored run again, and say what differs before it starts and whether the same bytes came out.

    RESULT.json is a run's folder or the file in it. Exits with 0 if the bytes are the same, with 1 if not, with 2 if it
    cannot be run here.
    """
    from ..hooks import load_registry
    from ..results import read_result

    try:
        registry = load_registry(trusting=options.pop("trust_remote_code"))
        same = _reproduce(read_result(run), registry, output, checkpoints, **options)
    except PlmtasksError as e:
        e.exit_code = 2
        raise
    if not same:
        sys.exit(1)


def _reproduce(
    result: "Result", registry: "Registry", output: str | None, checkpoints: str | None, *, check: bool, quiet: bool, **moved: Any
) -> bool:
    from dataclasses import replace

    from ..evaluation import Moved, config_of, differences, reproduce
    from ..files import local

    config = replace(config_of(result, Moved(**moved), output or "", checkpoints or ""), quiet=quiet)
    found = differences(result, config, registry)
    _say_before(result, found)
    if check:
        return not found
    if output:
        local(output)
    folder = output or tempfile.mkdtemp(prefix="plmtasks-")
    config = replace(config, output=str(Path(folder, "results")), checkpoints=checkpoints or str(Path(folder, "checkpoints")))
    try:
        made = reproduce(result, config, registry)
    except BaseException:
        if not output and not any(Path(folder).iterdir()):
            Path(folder).rmdir()
        else:
            say(f"what was done is in {folder}", err=True)
        raise
    _say_after(made)
    if output is None and made.same:
        shutil.rmtree(folder)
    else:
        say(f"the new run: {made.result.folder}")
    return made.same


def _say_before(result: "Result", found: "list[Unlike]") -> None:
    say(printable(f"{result.task} on {result.model}: {result.folder}"))
    if not found:
        say("nothing differs: the same data, weights, settings, versions and class of machine")
        return
    say("differs from when it was run:")
    for unlike in found:
        say(printable(f"  {unlike.what}: {unlike.then} then, {unlike.now} now"))


def _say_after(made: "Reproduction") -> None:
    for name, same in made.files.items():
        say(f"{name}: {'the same bytes' if same else 'other bytes'}")
    if made.same:
        return
    say(f"predictions: {made.predictions} of {made.examples} are others")
    say("scores: " + ("the same" if not made.scores else f"{len(made.scores)} differ"))
    for name, (then, now) in made.scores.items():
        by = "" if then is None or now is None else f", by {now - then:+.6g}"
        say(f"  {name}: {_number(then)} then, {_number(now)} now{by}")


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.6g}"
