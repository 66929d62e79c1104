"""`plmtasks results`."""

import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import counted
from ..execution import printable
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
    from ..store import find

    rows = [_row(run) for store in stores for run in find(store, task, model)]
    if form == "json":
        _print(rows)
        return
    from .texts import table

    columns = ["task", "model", "protocol", "score", "examples", "finished", "size", "folder"]
    lines = [[_score(row) if name == "score" else _cell(row, name) for name in columns] for row in rows]
    say(table(columns, lines, right=("examples", "size")), nl=False)
    say(f"{counted(len(rows), 'run')}, {_size(sum(row['bytes'] for row in rows))}")


@command.command("show", cls=Command)
@click.argument("run", metavar="RUN")
@FORMAT
def show(run: str, form: str) -> None:
    """Everything of one run; RUN is its folder or its result.json."""
    from ..errors import InputError
    from ..store import find

    found = find(run)
    if len(found) != 1:
        hints = ["name the folder of one, such as", str(found[0].folder)] if found else []
        raise InputError(f"{run}: {len(found) or 'no'} runs are there", *hints)
    everything = _everything(found[0])
    if form == "json":
        _print(everything)
        return
    say("\n".join(_lines(everything)))


def _row(run: "Run") -> dict[str, Any]:
    record = run.result.record if run.result else None
    row = {
        "folder": str(run.folder), "state": run.state, "task": run.task, "model": run.model, "machine": run.machine,
        "finished": run.environment.get("finished"), "bytes": run.bytes,
        "damage": run.damage.message if run.damage else None,
    }  # fmt: skip
    if record is not None:
        metric, name = record["primary_metric"]
        score, data = record["scores"][metric][name], record["data"]
        row |= {
            "identity": record["identity"], "protocol": record["protocol"]["how"], "metric": metric, "score": name,
            **{end: score[end] for end in ("value", "low", "high")}, "examples": data["examples"], "total": data["total"],
        }  # fmt: skip
    return row


def _score(row: dict[str, Any]) -> str:
    if row["state"] != "finished":
        return row["damage"] or "not finished"
    if row["value"] is None:
        return f"{row['score']} –"
    interval = "" if row["low"] is None else f" [{row['low']:.1f}, {row['high']:.1f}]"
    return f"{row['score']} {row['value']:.2f}{interval}"


def _cell(row: dict[str, Any], name: str) -> str:
    if name == "size":
        return _size(row["bytes"])
    if name == "finished":
        return str(row["finished"] or "–")[:16].replace("T", " ")
    return str(row.get(name, "–"))


def _size(count: int) -> str:
    from ..execution import size

    return size(count)


def _everything(run: "Run") -> dict[str, Any]:
    return {
        "folder": str(run.folder), "state": run.state, "machine": run.machine, "files": run.files,
        "result": run.result.record if run.result else None, "config": run.config.get("config"),
        "identity": run.config.get("identity"), "environment": run.environment,
    }  # fmt: skip


def _lines(everything: dict[str, Any]) -> list[str]:
    """What a person reads of it; `--format json` has all."""

    lines = [f"folder: {everything['folder']}", f"state: {everything['state']}", f"class of machine: {everything['machine']}"]
    result = everything["result"] or {}
    for metric, scores in result.get("scores", {}).items():
        for name, s in scores.items():
            interval = "no interval" if s["low"] is None else f"{s['low']:.4g} to {s['high']:.4g}, {s['interval']}"
            value = "not defined" if s["value"] is None else f"{s['value']:.4f} {s['unit']} ({interval})"
            lines.append(f"score {metric}/{name}: {value}")
    asked, identity = everything["config"] or {}, everything["identity"] or {}
    parts = {
        **{name: value for name, value in result.items() if name not in ("scores", "files")},
        "asked, where it is not the default": _asked(asked), "files of the model": identity.get("model", {}).get("files"),
        "environment": everything["environment"],
        "files": {name: f"{count:,} bytes" for name, count in everything["files"].items()},
    }  # fmt: skip
    for name, value in parts.items():
        lines += list(_indented(name.replace("_", " "), value, 0))
    return [printable(line) for line in lines]


def _asked(config: dict[str, Any]) -> dict[str, Any]:
    """What of the settings of a run is not at its default; those that the result repeats are left out."""
    from ..config import RunConfig
    from ..requests import to_json

    defaults = to_json(RunConfig(task="", model=""))

    def others(value: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
        nested = {k: others(v, default[k]) if isinstance(v, dict) and default.get(k) else v for k, v in value.items()}
        return {k: v for k, v in nested.items() if v != default.get(k) and v != {}}

    return others({k: v for k, v in config.items() if k != "settings"}, defaults)


def _indented(name: str, value: Any, depth: int) -> "list[str]":
    import json

    if isinstance(value, dict) and value:
        inner = [line for key, part in value.items() for line in _indented(key, part, depth + 1)]
        return [f"{'  ' * depth}{name}:", *inner]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [f"{'  ' * depth}{name}: {text}"]


def _print(value: Any) -> None:
    from ..files import dump

    say_json(dump(value))


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
        _print(reports)
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
    from ..store import delete, waste

    found = [one for store in stores for one in waste(store, kinds or KINDS)]
    for one in found:
        if yes:
            delete(one)
        say(printable(f"{_size(one.bytes):>8}  {one.folder}: {one.why}"))
    total = f"{len(found)} folders, {_size(sum(one.bytes for one in found))}"
    say(f"{total}: deleted" if yes else f"{total}: nothing was deleted; --yes deletes it" if found else "nothing to delete")
