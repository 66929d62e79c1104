"""Another run's predictions in the place of what the data gives, or judged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..data import Dataset
from ..errors import DataError, InputError
from ..examples import Example, Prediction, fingerprint
from ..files import place
from ..hooks import Registry
from ..results import Result, read_result
from ..task import Follower, Judge, Judged, Task


def take(
    config: RunConfig, task: Task, data: Dataset, split: str, registry: Registry
) -> tuple[Sequence[Example], dict[str, str]]:
    """The examples that follow from the predictions of the run `config.predictions_of`, with the references of the split's.

    returns: them, and what a result tells of that run

    raises: InputError if it is no whole run of the task that this one follows, on the same data; DataError
    """
    assert config.predictions_of is not None
    if not isinstance(task, Follower):
        raise InputError(f"task {task.name!r} follows no other: it asks of no run's predictions", "leave out --predictions-of")
    if config.source.holdout is not None:
        said = "--holdout divides the examples of this task, and not those of the run that is followed"
        raise InputError(said, "name its test examples as a file of their own with --data FILE")
    result = _finished(config.predictions_of)
    folder = result.folder
    if result.task != task.follows:
        raise InputError(f"{folder} is a run of {result.task!r}", f"{task.name} follows {task.follows}")
    followed = registry.task(task.follows).load(config.source)
    examples = followed[split]
    _check(result, split, examples, followed.name)
    rows = {row["id"]: row for row in result.predictions()}
    missing = [e.id for e in examples if e.id not in rows]
    if missing:
        where = str(result.folder / "predictions.jsonl")
        raise DataError(where, "a prediction for every example", f"none for {len(missing)}, {missing[0]!r} first")
    predictions = {e.id: None if (row := rows[e.id]).get("skipped") else Prediction.from_line(row) for e in examples}
    derived = [d for e in examples if (p := predictions[e.id]) is not None for d in task.derive(e.hidden(), p)]
    return task.match(data[split], derived), {"task": result.task, "model": result.model, "identity": result.identity}


def judged(config: RunConfig, task: Task) -> tuple[Task, dict[str, Any]]:
    """The task, whose examples follow from the runs that it judges, if it judges any; and what a result tells of those runs.

    raises: InputError if there are not as many runs as it judges, or they are not of the same examples; DataError
    """
    if not isinstance(task, Judge):
        return task, {}
    named = [] if config.predictions_of is None else runs_named(config.predictions_of)
    if len(named) != task.runs:
        wanted, places = ("another run", "RUN") if task.runs == 1 else (f"{task.runs} other runs", ",".join(["RUN"] * task.runs))
        raise InputError(
            f"task {task.name!r} asks about the predictions of {wanted}; named: {len(named) or 'none'}",
            f"--predictions-of {places}: the folder of a finished run; plmtasks results list shows those that are there",
        )
    runs = [_judged(_finished(name)) for name in named]
    for name, run in zip(named[1:], runs[1:], strict=True):
        if run.task != runs[0].task or fingerprint(run.examples) != fingerprint(runs[0].examples):
            said = f"{named[0]} and {name} did not answer the same examples"
            raise InputError(said, "give both runs the same --task, --data, --split and --limit")
    told = [{"task": run.task, "model": run.model, "identity": run.identity} for run in runs]
    return task.judging(runs), {**told[0], **({"others": told[1:]} if told[1:] else {})}


def runs_named(said: str) -> list[str]:
    """The runs that --predictions-of names: one, or several with commas between."""
    return [said] if Path(said).exists() else [name.strip() for name in said.split(",")]


def _finished(name: str) -> Result:
    folder = place(name)
    if (folder / "config.json").exists() and not (folder / "result.json").exists():
        raise InputError(f"{folder}: the run is not finished", "run its command again: it goes on")
    return read_result(folder)


def _judged(result: Result) -> Judged:
    rows, record = list(result.predictions()), result.record["data"]
    return Judged(
        task=result.task, model=result.model, identity=result.identity, data=str(record["name"]), split=str(record["split"]),
        examples=[
            Example(
                id=row["id"], inputs=row["inputs"], reference=row["reference"], cluster=row.get("cluster"),
                slices=tuple(row["slices"]), prompted=row.get("prompted", False),
            )
            for row in rows
        ],
        predictions={
            row["id"]: Prediction(value=row["prediction"], scores=row["scores"], unfinished=row.get("unfinished", False))
            for row in rows
            if not row.get("skipped")
        },
    )  # fmt: skip


def _check(result: Result, split: str, examples: Sequence[Example], name: str) -> None:
    """raises: InputError if the run did not answer just these examples"""
    data = result.record["data"]
    if data["split"] != split:
        raise InputError(f"{result.folder} is a run on the split {data['split']!r}, not {split!r}", f"--split {data['split']}")
    if data["limit"] is not None:
        raise InputError(
            f"{result.folder} answered {data['examples']} of {data['total']} examples", "run it again without --limit"
        )  # fmt: skip
    if data["fingerprint"] != fingerprint(examples):
        raise InputError(
            f"{result.folder} was run on other examples than those of {name}, split {split}",
            "give both runs the same --data and --columns",
        )
