"""The runs of a name that stands for several tasks as one table, with what they come to together."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.errors import counted, listed
from plmtasks.files import terminal, value_hash, with_interval
from plmtasks.results import Result

from .boards import Row

if TYPE_CHECKING:
    from plmtasks.hooks import Registry

OWN = ("task", "source", "split", "metrics", "output", "checkpoints", "processes", "on", "yes", "quiet", "retry_oom")
"""Settings in which the runs of one model may differ, and they are runs of one group all the same."""


def grouped_text(name: str, results: Sequence[Result], registry: "Registry") -> str:
    """A table for each model and its settings: the members' scores, and below them the group's.

    name: that stands for several tasks, as a provider says
    results: whatever is there of its members

    raises: whatever the provider finds wrong
    """
    members = registry.members("task", name)
    models: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        if result.task in members:
            models.setdefault((result.model, _settings(result)), {})[result.task] = result
    return "\n".join(_table(name, members, found, registry) for found in models.values())


def _settings(result: Result) -> str:
    """What its run was told of the model and of how it is asked."""
    told = dict(result.config().get("config", {}))
    return value_hash({key: value for key, value in told.items() if key not in OWN})


def _table(name: str, members: Sequence[str], found: Mapping[str, Result], registry: "Registry") -> str:
    rows = [Row(found[member]) for member in members if member in found]
    lacking = [member for member in members if member not in found]
    together = [] if lacking else registry.aggregate("task", name, found)
    columns = list(dict.fromkeys([*(one for a in together for one in a.scores), *(row.main[1] for row in rows)]))
    lines = [[row.result.task, row.protocol, _count(row), *_cells(_own(row), columns)] for row in rows]
    for one in together:
        lines.append(["  " * one.depth + one.name, "all of it", str(one.examples), *_cells(one.scores, columns)])
    first = rows[0]
    seed = f", seed {first.seed}" if "seed" in first.record else ""
    said = f"{name} on {first.result.model}{seed}: {counted(len(rows), 'task')}, with 95 % intervals"
    if lacking:
        said += f"; no total: {len(lacking)} of {len(members)} tasks are missing, {listed(lacking, 3)}"
    elif not together:
        said += "; it has no total of its own"
    marks = dict.fromkeys(mark for row in rows for mark in row.marks)
    notes = "".join(f"{terminal.wrapped(mark, '  ')}\n" for mark in marks)
    table = terminal.table(("task", "protocol", "n", *columns), lines, ("n",), firm=("task",))
    return f"{terminal.wrapped(said)}\n\n{table}{notes}"


def _own(row: Row) -> Mapping[str, Mapping[str, Any]]:
    """Its scores by their own names; those of its main metric go before."""
    metrics = sorted(row.record["scores"], key=lambda metric: metric == row.main[0])
    return {name: score for metric in metrics for name, score in row.record["scores"][metric].items()}


def _cells(scores: Mapping[str, Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    return [with_interval(scores[name]) if name in scores else "" for name in columns]


def _count(row: Row) -> str:
    return str(row.examples) if row.examples == row.total else f"{row.examples} of {row.total}"
