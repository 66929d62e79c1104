"""`plmtasks score`: predictions that somebody else made."""

from pathlib import Path
from typing import Any

import click

from ..config import Source
from ..errors import counted
from . import options
from .options import METRICS, TRUST, choice, item, section, settings
from .texts import say, say_json


@options.command("score", example="plmtasks score --task qa/squad --references dev.json --predictions predictions.json")
@section(
    "Predictions",
    click.option("--predictions", required=True, metavar="FILE", help="In a format of the task's field; see `plmtasks show T`."),
    click.option(
        "--na-prob", metavar="FILE", help="No-answer probabilities, {id: probability} as JSON, where a task knows them."
    ),
)
@section(
    "Task and references",
    item("task", "--task", required=True),
    click.option(
        "--references", "--data", metavar="PATH", help="The data that they are scored against; default: the task's own."
    ),
    settings("columns", "skip_bad_rows", "split"),
    METRICS,
)
@section(
    "A run of them",
    click.option("--name", metavar="NAME", help="What made them: with a name they become a run, which stands in tables."),
    click.option("--output", metavar="DIR", help="The results to which the run is added; default: results."),
    click.option("--card", metavar="FILE", help="What its makers say of it: Markdown, with or without YAML front matter."),
)
@section("Others", TRUST, choice("format", "table", "json"))
def command(task: str, predictions: str, form: str, references: str | None, **values: Any) -> None:
    """Score somebody else's predictions.

    With --name they are kept as a run, which is ranked, compared and verified like any other.
    """
    from ..hooks import load_registry
    from ..scoring import Submission, judge, read_card, write_run

    name, card = values["name"], values["card"]
    if name is None and (given := next((option for option in ("output", "card") if values[option]), None)):
        raise click.UsageError(f"--{given} is for a run: say with --name what made the predictions")
    registry = load_registry(trusting=values["trust_remote_code"])
    source = Source(data=references, columns=values["columns"] or {}, skip_bad_rows=values["skip_bad_rows"])
    submission = Submission(
        path=Path(predictions), split=values["split"], na_prob=values["na_prob"], metrics=values["metrics"] or ()
    )  # fmt: skip
    words = read_card(Path(card)) if card is not None else None
    judged = judge(registry, task, source, submission)
    scored, run = judged.scored, ""
    if name is not None:
        written = write_run(judged, name, values["output"] or "results", words)
        run = f"{'the same was there before' if written.there else 'written'}: {written.result.folder}"
    if form == "json":
        signed = {
            metric: {name: {**score, "signature": scored.signatures[metric]} for name, score in scores.items()}
            for metric, scores in scored.scores.items()
        }
        say_json(signed, sort_keys=True)
        if run:
            say(run, err=True)
        return
    rows = [(f"{metric}/{name}", score) for metric, scores in scored.scores.items() for name, score in scores.items()]
    width = max(len(name) for name, _ in rows)
    say(f"{counted(len(scored.rows), 'example')} of {judged.data.name}, split {judged.split}")
    for name, s in rows:
        if s["value"] is not None:
            interval = f"  [{s['low']:.3f}, {s['high']:.3f}]" if s["low"] is not None else ""
            say(f"{name:{width}}  {s['value']:9.3f}{interval}")
    for metric, signature in scored.signatures.items():
        if any(s["value"] is not None for s in scored.scores[metric].values()):
            say(f"{metric}: {signature}")
    if run:
        say(run)
