"""`plmtasks doctor`: what is there to run with, as `execution` looks at it."""

import os

import click

from ..files import terminal
from .options import choice
from .texts import say, say_json


@click.command("doctor")
@click.option("--results", metavar="DIR", help="Where runs are to be kept; default: PLMTASKS_OUTPUT, else results.")
@click.option("--online", is_flag=True, help="Also ask whether the hub can be reached.")
@choice("format", "text", "json")
def command(results: str | None, online: bool, form: str) -> None:
    """Versions, devices, caches and free space, and what is missing for what. Exits with 1 if something is broken."""
    from ..execution import doctor
    from ..hooks import load_registry

    results = results or os.environ.get("PLMTASKS_OUTPUT") or "results"
    found = doctor.examine(load_registry(), results, online=online)
    if form == "json":
        say_json([finding._asdict() for finding in found])
    else:
        width, about = max(len(finding.what) for finding in found), ""
        for finding in found:
            if finding.about != about:
                say(f"{chr(10) if about else ''}{finding.about}")
                about = finding.about
            mark = {"fine": " ", "missing": "–", "broken": "!"}[finding.state]
            say(terminal.wrapped(f"{mark} {finding.what:{width}}  {finding.said}", " " * (width + 4)))
    if any(finding.state == "broken" for finding in found):
        raise SystemExit(1)
