"""`plmtasks check`: plugins under the conformance kit."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import DATA, TRUST, choice, item, section, source
from .texts import say, say_json

if TYPE_CHECKING:
    from ..hooks import Registry
    from ..testing import Checker, Finding, State

LINES, CHARACTERS = 25, 200
"""Of an example that shows what is wrong, and of each text in it."""

MARKS: "Mapping[State, str]" = {"passed": "✓", "failed": "✗", "hint": "!", "skipped": "–"}


@options.command("check")
@click.argument("names", nargs=-1, required=True, metavar="NAME|PATH|DISTRIBUTION…")
@section(
    "Examples",
    DATA,
    item("task", "--task", help="On whose examples a metric or a model is checked; default: the first installed task that fits."),
    click.option(
        "--limit", type=click.IntRange(min=1), default=50, metavar="N",
        help="Examples of each split that a task is asked; hints are sought in all. Default 50.",
    ),
)  # fmt: skip
@section("Others", choice("format", "text", "json"), TRUST)
def command(names: tuple[str, ...], task: str | None, limit: int, form: str, trust_remote_code: bool, **values: Any) -> None:
    """Tasks, models and metrics, by the conformance kit: which laws do they break, and on which example?

    A name, a TOML file that declares a task, a plugin's file, folder or project, or an installed distribution. Of a task's data
    it also tells what may be wrong with it (!). Exits with 1 if a law is broken.
    """
    from ..testing import Checker

    registry, found = _looked_up(names, trust_remote_code)
    checker = Checker(registry=registry, source=source(values), task=task, limit=limit)
    with TemporaryDirectory(prefix="plmtasks-") as folder:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", folder)  # else it keeps things in the user's folder
        findings = _told(checker, found, quiet=form == "json")
    if form == "json":
        say_json([finding._asdict() for finding in findings])
    if any(finding.state == "failed" for finding in findings):
        raise SystemExit(1)


def _looked_up(names: tuple[str, ...], trusting: bool) -> "tuple[Registry, list[tuple[str, Any]]]":
    """What the names stand for, each with its kind; of a plugin's path, the plugins."""
    from ..hooks import find, load_registry
    from ..testing import plugin_modules

    paths = {name: plugin_modules(Path(name)) for name in names if name.endswith(".py") or Path(name).is_dir()}
    registry = load_registry(trusting=trusting)
    found: list[tuple[str, Any]] = []
    for name in names:
        modules = paths.get(name)
        found += [("plugin", p) for p in registry.plugins if p.module in modules] if modules else [find(registry, name)]
    return registry, found


def _told(checker: "Checker", found: list[tuple[str, Any]], *, quiet: bool) -> "list[Finding]":
    """All findings; unless quiet, each item's are printed once they are there."""
    findings: list[Finding] = []
    for kind, thing in found:
        for _, part in groupby(checker.check(kind, thing), key=lambda finding: (finding.kind, finding.name)):
            findings += (one := list(part))
            if not quiet:
                _print(one)
    return findings


def _print(findings: "list[Finding]") -> None:
    from ..testing import ABSENT

    first, counts = findings[0], Counter(finding.state for finding in findings)
    if first.check == ABSENT and first.state == "skipped":
        say(f"{first.kind} {first.name}: not checked: {first.said}")
        return
    words: dict[State, str] = {
        "passed": "passed", "failed": "failed", "hint": f"hint{'s' * (counts['hint'] != 1)}", "skipped": "not for it",
    }  # fmt: skip
    told = ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])
    say(f"{first.kind} {first.name}: {told}")
    for finding in findings:
        if finding.state == "passed":
            continue
        say(f"  {MARKS[finding.state]} {finding.check}: {finding.said}")
        if finding.example is not None:
            lines = json.dumps(_shortened(finding.example), ensure_ascii=False, indent=2, default=repr).splitlines()
            lines = lines if len(lines) <= LINES else [*lines[:LINES], "…"]
            say("\n".join(f"      {line}" for line in lines))


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= CHARACTERS else f"{value[:CHARACTERS]} …"
    if isinstance(value, Mapping):
        return {name: _shortened(part) for name, part in value.items()}
    return [_shortened(part) for part in value] if isinstance(value, (list, tuple)) else value
