"""`plmtasks results`: runs of a folder or an address, listed, shown, merged, verified and pruned."""

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, counted, printable
from ..files import terminal
from .options import LIST, TRUST, Command, Several, choice
from .texts import say, say_json

if TYPE_CHECKING:
    from ..store import Finding, Run

FORMAT = choice("format", "table", "json")


@click.group("results")
def command() -> None:
    """The runs of a store: a folder, here or at any address that fsspec opens (s3://, hf://, gs://, …)."""


# ── list and show ─────────────────────────────────────────────────────────────────────────────────────────────────


@command.command("list", cls=Command)
@click.argument("stores", nargs=-1, required=True, metavar="STORE…")
@click.option("--task", metavar="T", help="These alone; qa stands for all qa/…, * for anything.")
@click.option("--model", metavar="M", help="These alone; * stands for anything.")
@FORMAT
def list_(stores: tuple[str, ...], task: str | None, model: str | None, form: str) -> None:
    """All runs, finished or not."""
    from ..execution import size
    from ..store import find, listing

    rows = [listing.row(run) for store in stores for run in find(store, task, model)]
    if form == "json":
        say_json(rows, sort_keys=True)
        return
    lines = [[listing.cell(row, name) for name in listing.COLUMNS] for row in rows]
    say(terminal.table(listing.COLUMNS, lines, right=("examples", "size"), path=True), nl=False)
    say(f"{counted(len(rows), 'run')}, {size(sum(row['bytes'] for row in rows))}")


@command.command("show", cls=Command)
@click.argument("run", metavar="RUN")
@click.option("--all", "whole", is_flag=True, help="Everything that is known of it, over many screens.")
@FORMAT
def show(run: str, whole: bool, form: str) -> None:
    """What matters of one run; RUN is its folder or its result.json. The JSON form has everything."""
    from ..hooks import load_registry
    from ..store import find, listing
    from ..tables import run_text

    found = find(run)
    if len(found) != 1:
        hints = ["name the folder of one, such as", str(found[0].folder)] if found else []
        raise InputError(f"{run}: {len(found) or 'no'} runs are there", *hints)
    if found[0].result and form == "table" and not whole:
        say(run_text(found[0].result, load_registry()), nl=False)
        return
    everything = listing.everything(found[0])
    if form == "json":
        say_json(everything, sort_keys=True)
        return
    say("\n".join(listing.lines(everything)))


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────────────


@command.command("errors", cls=Command)
@click.argument("run", metavar="RUN")
@click.option("--label", metavar="L", help="Those alone in which this label was missed, or predicted in place of what is right.")
@click.option("--confusion", is_flag=True, help="Instead of examples, how often which label was taken for which.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="So many; default 10, and all in CSV and JSON.")
@choice("format", "table", "json", "csv")
@TRUST
def errors(run: str, label: str | None, confusion: bool, limit: int | None, form: str, trust_remote_code: bool) -> None:
    """What one run got wrong: the most confident errors first, else the worst.

    An example is wrong if its own score is not the best there is. RUN is a folder or its result.json.
    """
    from .. import tables
    from ..hooks import load_registry
    from ..results import read_result
    from ..store import mistakes

    result = read_result(run)
    result.check_files()
    made = mistakes(result, load_registry(trusting=trust_remote_code))
    if confusion and (form == "csv" or label is not None):
        raise click.UsageError("--confusion is of all labels, as a table or as JSON")
    if confusion and made.confusion is None:
        raise InputError(f"{made.result.task} predicts no labels", "leave out --confusion")
    if form == "json":
        told = tables.mistakes_json(made, label, limit)
        say_json(told["confusion"] if confusion else told)
    elif form == "csv":
        click.echo(tables.mistakes_csv(made, label, limit), nl=False)
    elif confusion and made.confusion:
        say(tables.confusion_text(made.confusion, 10 if limit is None else limit), nl=False)
    else:
        say(tables.mistakes_text(made, label, 10 if limit is None else limit), nl=False)


# ── merge ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@command.command("merge", cls=Command)
@click.argument("sources", nargs=-1, required=True, metavar="FROM…")
@click.argument("into", metavar="INTO")
def merge(sources: tuple[str, ...], into: str) -> None:
    """Copy the finished runs of some stores into another.

    The same result twice is one. A run that has the identity of one that is there, and comes from another class of machine,
    lies beside it in <identity>@<class>. Nothing is overwritten; interrupted, the same command goes on. Exits with 1 if a
    run was altered, or is no other class's and has other bytes.
    """
    from ..store import merge as merged

    counts = {"copied": 0, "beside": 0, "there": 0, "left out": 0}
    refused = False
    for one in merged(sources, into):
        counts[one.what] += 1
        if one.what == "left out":
            refused |= one.why != "not finished"
            say(printable(f"left out {one.folder}: {one.why}"), err=True)
        elif one.what == "beside":
            say(printable(f"of another class of machine: {one.into}"))
    say(
        f"{counted(counts['copied'] + counts['beside'], 'run')} copied, "
        f"{counts['beside']} of them beside one of another class of machine; "
        f"{counts['there']} were there; {counts['left out']} left out"
    )
    if refused:
        sys.exit(1)


# ── verify ────────────────────────────────────────────────────────────────────────────────────────────────────────


@command.command("verify", cls=Command)
@click.argument("stores", nargs=-1, required=True, metavar="STORE…")
@click.option("--deep", is_flag=True, help="Also score the predictions again, and read them again from the journal.")
@FORMAT
@TRUST
def verify(stores: tuple[str, ...], deep: bool, form: str, trust_remote_code: bool) -> None:
    """Find what was altered since it was written; exits with 1 if anything was.

    Files are held against the hashes in result.json, the identity against its parts, scores against the statistics.
    """
    from ..hooks import load_registry
    from ..store import find
    from ..store import verify as verified

    registry = load_registry(trusting=trust_remote_code)
    altered, reports = 0, []
    for run in (run for store in stores for run in find(store)):
        findings = list(verified(run, registry, deep=deep))
        wrong = any(f.state == "altered" for f in findings)
        altered += wrong
        reports.append({"folder": str(run.folder), "state": run.state, "altered": wrong, "findings": [vars(f) for f in findings]})
        if form == "table":
            _report(run, findings)
    if form == "json":
        say_json(reports, sort_keys=True)
    else:
        say(f"{counted(len(reports), 'run')}, {altered or 'none'} altered")
    if altered:
        sys.exit(1)


def _report(run: "Run", findings: "list[Finding]") -> None:
    unchecked = [f for f in findings if f.state == "not checked"]
    wrong = [f for f in findings if f.state == "altered"]
    verdict = "altered" if wrong else f"{len(findings) - len(unchecked)} checks passed" if run.result else "not finished"
    say(printable(f"{run.task} on {run.model}: {verdict}: {run.folder}"))
    for f in wrong:
        say(printable(f"  {f.what}: expected {f.expected or 'what fits'}, found {f.found}"))
    for f in unchecked:
        say(printable(f"  {f.what}: not checked: {f.found}"))


# ── prune ─────────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = ("unfinished", "superseded", "journals")


@command.command("prune", cls=Command)
@click.argument("stores", nargs=-1, required=True, metavar="STORE…")
@click.option(
    "--only", "kinds", **LIST, type=Several(click.Choice(KINDS), ",".join(KINDS)),
    help="unfinished: runs without a result; superseded: run again with later versions; journals: the answers of finished runs. "
    "Default: all.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Delete it.")
def prune(stores: tuple[str, ...], kinds: tuple[Any, ...] | None, yes: bool) -> None:
    """Show what could go, and how much it is; delete it with --yes only."""
    from ..execution import size
    from ..store import delete, waste

    found = [one for store in stores for one in waste(store, kinds or KINDS)]
    for one in found:
        if yes:
            delete(one)
        say(printable(f"{size(one.bytes):>8}  {one.folder}: {one.why}"))
    total = f"{len(found)} folders, {size(sum(one.bytes for one in found))}"
    say(f"{total}: deleted" if yes else f"{total}: nothing was deleted; --yes deletes it" if found else "nothing to delete")
