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
@section("Others", TRUST, choice("format", "table", "json"))
def command(task: str, predictions: str, form: str, references: str | None, **values: Any) -> None:
    """Score somebody else's predictions."""
    from ..hooks import load_registry
    from ..scoring import Submission, score_file

    registry = load_registry(trusting=values["trust_remote_code"])
    source = Source(data=references, columns=values["columns"] or {}, skip_bad_rows=values["skip_bad_rows"])
    submission = Submission(
        path=Path(predictions), split=values["split"], na_prob=values["na_prob"], metrics=values["metrics"] or ()
    )  # fmt: skip
    scored = score_file(registry, task, source, submission)
    if form == "json":
        signed = {
            metric: {name: {**score, "signature": scored.signatures[metric]} for name, score in scores.items()}
            for metric, scores in scored.scores.items()
        }
        say_json(signed, sort_keys=True)
        return
    rows = [(f"{metric}/{name}", score) for metric, scores in scored.scores.items() for name, score in scores.items()]
    width = max(len(name) for name, _ in rows)
    data = registry.task(task, own_data=references is not None).load(source)
    say(f"{counted(len(scored.rows), 'example')} of {data.name}, split {values['split'] or data.default_split()}")
    for name, s in rows:
        if s["value"] is not None:
            interval = f"  [{s['low']:.3f}, {s['high']:.3f}]" if s["low"] is not None else ""
            say(f"{name:{width}}  {s['value']:9.3f}{interval}")
    for metric, signature in scored.signatures.items():
        if any(s["value"] is not None for s in scored.scores[metric].values()):
            say(f"{metric}: {signature}")
