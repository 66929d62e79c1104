"""lm-eval's groups and tags: which tasks stand in them, and what these come to together."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, did_you_mean, listed
from plmtasks.model import Aggregate

from . import catalog
from .definition import group_name
from .measures import UNFILTERED, Measure
from .refusals import refused

if TYPE_CHECKING:
    from lm_eval.api.group import Group
    from lm_eval.tasks._index import Entry

    from plmtasks.results import Result

SCHEME = "lm-eval"

SAME = {"group", "tag", "task", "task_alias", "task_list"}
"""What a group may say of a member, and it is the same task all the same."""

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Member:
    """A task as it stands in a group."""

    task: str
    """lm-eval's name of it there: "mmlu_anatomy", "group::task" where the group itself defines it."""
    path: Path
    """Its YAML file; the group's, where the group itself defines it."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the group says in place of the task's own file."""
    own: bool = True
    """Whether it has a file of its own."""

    @property
    def within(self) -> str:
        """Its name behind the group's: of a task that the group itself defines, without the group's own."""
        return self.task if self.own else self.task.partition("::")[2]

    def name(self, group: str) -> str:
        """As it is asked for: `lm-eval:TASK`, or `lm-eval:GROUP/TASK` where it is another task there."""
        if self.own and not self.overrides.keys() - SAME:
            return f"{SCHEME}:{self.task}"
        whole = str(Path(group)) if group.endswith(".yaml") else f"{SCHEME}:{group}"
        return f"{whole}/{self.within}"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A group or a tag."""

    name: str
    """As it is asked for, without the scheme; or the path of its file."""
    members: Sequence[Member]
    files: Sequence[Path]
    """The YAML files that say which these are."""
    group: "Group | None"
    """lm-eval's own, whose tasks know their names alone; None: a tag."""


def tree(name: str) -> Tree | None:
    """The group or tag of that name, or in that file; None: it is none.

    raises: InputError where lm-eval cannot tell its members
    """
    if name.endswith(".yaml"):
        path = Path(name).expanduser()
        return _of_file(name, group) if (group := group_name(path)) is not None else None
    found = catalog.entry(name)
    return _of_name(name) if found is not None and found.kind in ("group", "tag") else None


def member(name: str) -> tuple[Member, Sequence[Path]] | None:
    """What "GROUP/TASK" names, and the group's files; None: there is no slash, or no such group.

    raises: InputError for a task that the group has not
    """
    head, _, task = name.rpartition("/")
    if not head or name.endswith(".yaml"):
        return None
    found = tree(head)
    if found is None:
        return None
    tasks = {one.within: one for one in found.members}
    if task not in tasks:
        known = did_you_mean(task, tasks) or [f"its tasks: {listed(list(tasks))}"]
        raise InputError(f"{head} has no task {task!r}", *known)
    return tasks[task], found.files


@cache
def _of_name(name: str) -> Tree:
    return _walked(name, catalog.registry()[name])


def _of_file(name: str, group: str) -> Tree:
    from lm_eval.tasks._index import Entry, Kind

    return _walked(name, Entry(group, Kind.GROUP, Path(name).expanduser().resolve()))


def _walked(name: str, entry: "Entry") -> Tree:
    """By lm-eval's own factory, which builds no task."""
    made = _walk()()
    with refused(f"{SCHEME}:{name}: its members cannot be told"):
        built = made.build(entry, overrides=None, registry=catalog.registry())
    group, leaves = (None, built) if isinstance(built, list) else (built, built.get_all_tasks())
    distinct = {leaf.task_name: leaf.plmtasks_member for leaf in leaves}
    files = [path for one in made.seen if (path := one.yaml_path) is not None]
    return Tree(name=name, members=tuple(distinct.values()), files=tuple(dict.fromkeys(files)), group=group)


@cache
def _walk() -> Any:
    """A factory of lm-eval that makes of each task no more than its name, so that nothing is downloaded."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._factory import TaskFactory
    from lm_eval.tasks._index import Entry, Kind

    class Walk(TaskFactory):  # type: ignore[misc]  # lm-eval has no types
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Entry] = []

        def build(self, entry: Entry, *, overrides: Any = None, registry: dict[str, Entry]) -> Any:
            if entry.kind is Kind.GROUP:
                self.seen.append(entry)
            return super().build(entry, overrides=overrides, registry=registry)

        def _build_group_members(self, listed: list[Any], group: str, overrides: Any, registry: dict[str, Entry]) -> Any:
            told = []
            for one in listed:
                if isinstance(one, dict) and "group" not in one and one.get("task") not in (None, *registry):
                    whole = f"{group}::{one['task']}"
                    registry[whole], one = Entry(whole, Kind.TASK, None, cfg={}), {**one, "task": whole}
                elif isinstance(one, str) and one not in registry:
                    raise ValueError(f"it names {one!r}, which is neither a task nor a group nor a tag")
                told += _told_apart(one, registry)
            return super()._build_group_members(told, group, overrides, registry)

        def _build_task(self, entry: Entry, overrides: dict[str, Any] | None) -> Any:
            said, path = dict(overrides or {}), entry.yaml_path or self.seen[-1].yaml_path
            leaf = ConfigurableTask.__new__(ConfigurableTask)
            leaf._config = SimpleNamespace(task=said.get("task", entry.name))
            said = {key: value for key, value in said.items() if key not in ("tag", "group", "task_list")}
            leaf.plmtasks_member = Member(task=leaf.task_name, path=path, overrides=said, own=entry.yaml_path is not None)
            return leaf

    return Walk


def _told_apart(one: Any, registry: Mapping[str, "Entry"]) -> list[Any]:
    """What a group says of several tasks, each under its own name: lm-eval 0.4.13 gives all of them one, and keeps the last."""
    entry = registry.get(str(one.get("task"))) if isinstance(one, dict) and "group" not in one else None
    if entry is not None and entry.kind.name == "GROUP":
        return [{"group": entry.name, **{key: value for key, value in one.items() if key != "task"}}]
    if entry is not None and entry.kind.name == "TAG":
        return [{**one, "task": task} for task in sorted(entry.tags)]
    return [one]


def aggregated(name: str, results: Mapping[str, "Result"]) -> Iterator[Aggregate]:
    """What lm-eval's own groups make of the results of their tasks, subgroups below theirs; a tag comes to nothing.

    results: by the members' names
    """
    found = tree(name)
    if found is not None and found.group is not None:
        yield from together(found.group, {one.task: as_theirs(results[one.name(name)]) for one in found.members})


def together(whole: "Group", metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[Aggregate]:
    """What a group and those below it make of the metrics of their tasks, by lm-eval's names of these."""
    from lm_eval.evaluator_utils import EvalAcc, aggregate_groups

    groups = {one.name: one for one in (whole, *whole.get_all_groups())}
    made = aggregate_groups(EvalAcc(metrics=dict(metrics), groups=groups)).metrics
    for depth, group in _nested(whole):
        if group.has_aggregation and (scores := _scores(made[group.name])):
            yield Aggregate(name=made[group.name]["alias"], examples=made[group.name]["sample_len"], scores=scores, depth=depth)


def _nested(group: "Group", depth: int = 0) -> Iterator[tuple[int, "Group"]]:
    yield depth, group
    for one in group.get_all_groups(recursive=False):
        yield from _nested(one, depth + 1)


def _deviations() -> float:
    """Standard errors to either side of a normal interval."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + LEVEL) / 2)


def _scores(theirs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Values with normal intervals, by the standard errors of lm-eval's groups."""
    z, found = _deviations(), {}
    for key, value in theirs.items():
        metric, comma, through = key.partition(",")
        if comma and not metric.endswith("_stderr"):
            told = theirs.get(f"{metric}_stderr,{through}")
            stderr = float(told) if isinstance(told, float) and math.isfinite(told) else None
            low, high = (None, None) if stderr is None else (float(value) - z * stderr, float(value) + z * stderr)
            found[Measure(metric=metric, filter=through).name] = {
                "value": float(value), "stderr": stderr, "low": low, "high": high, "unit": SCHEME,
            }  # fmt: skip
    return found


def as_theirs(result: "Result") -> dict[str, Any]:
    """A result as lm-eval's groups take that of a task: values and standard errors by "metric,filter"."""
    import numpy as np
    from lm_eval.api.metrics import mean_stderr

    data, told = result.record["data"], dict[str, Any](alias=result.task, name=result.task)
    told["sample_len"] = data["examples"] - data["skipped"]
    rows = result.statistics()
    columns = rows.dtype.names or ()
    for name, score in result.record["scores"].get(SCHEME, {}).items():
        metric, _, through = name.partition(",")
        if score["value"] is None:
            continue
        column, weight, stderr = f"{SCHEME}:{name}", f"{SCHEME}:weight[{name}]", None
        if column in columns:
            values = rows[column][rows[weight] > 0 if weight in columns else np.isfinite(rows[column])]
            stderr = mean_stderr(values.tolist()) if len(values) > 1 else None
        elif score["low"] is not None:  # of the resamples, where lm-eval would draw others
            stderr = (score["high"] - score["low"]) / (2 * _deviations())
        told[f"{metric},{through or UNFILTERED}"] = score["value"]
        told[f"{metric}_stderr,{through or UNFILTERED}"] = "N/A" if stderr is None else float(stderr)
    return told
