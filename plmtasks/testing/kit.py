"""The conformance kit without a test: everything that a name, a file or a distribution stands for, checked."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..config import Source
from ..errors import InputError, PlmtasksError
from ..files import read_toml
from ..hooks import ENTRY_POINT, MODULES_VARIABLE, Plugin, Registry, blame
from .checks import CheckFailed, NotApplicable
from .data import DATA_CHECKS
from .metrics import METRIC_CHECKS, MetricSubject
from .models import MODEL_CHECKS, ModelSubject
from .solved import Pair, solved
from .subject import TaskSubject
from .tasks import TASK_CHECKS

ABSENT = "is_at_hand"
"""The check that an item does not pass whose data or weights are elsewhere."""

QUESTIONS = 10
"""That a model is asked of a kind."""

State = Literal["passed", "failed", "hint", "skipped"]


class Finding(NamedTuple):
    """What one check said of one item."""

    kind: str
    """task, model, metric or plugin"""
    name: str
    check: str
    state: State
    said: str = ""
    """What was expected and found; why it does not apply."""
    example: Any = None
    """Plain JSON that shows it."""


@dataclass(frozen=True, kw_only=True)
class Checker:
    """What is looked at, and how."""

    registry: Registry
    source: Source = field(default_factory=Source)
    """Where a task's examples come from, if not from its own data set."""
    task: str | None = None
    """On whose examples a metric is checked, and a model that answers new kinds of request; None: on an installed task's."""
    limit: int = 50
    """At most so many examples of each split are asked; hints are sought in all."""

    def check(self, kind: str, item: Any) -> Iterator[Finding]:
        """Everything that is to be said of an item, as it is found.

        kind: "task", "model", "metric" or "plugin"

        raises: InputError if the item cannot be checked at all: no data, no weights, nothing to score
        """
        if kind == "plugin":
            yield from self._plugin(item)
            return
        try:
            subject, checks, hints = {"task": self._task, "model": self._model, "metric": self._metric}[kind](item)
        except PlmtasksError:
            raise
        except Exception as e:  # noqa: BLE001  whatever a stranger's code raises is what was to be found
            yield Finding(kind, item.name, ABSENT, "failed", _told(e))
            return
        sound = True
        for name, check in checks.items():
            finding = _finding(kind, item.name, name, partial(check, subject), "failed")
            sound = sound and finding.state != "failed"
            yield finding
        for name, check in hints.items() if sound else ():  # what is broken would be found once more
            yield _finding(kind, item.name, name, partial(check, subject), "hint")

    def _task(self, task: Any) -> "_Work":
        subject = TaskSubject(task=task, source=self.source, registry=self.registry, limit=self.limit)
        _ = subject.examples  # its data must be there
        return subject, TASK_CHECKS, DATA_CHECKS

    def _model(self, model: Any) -> "_Work":
        subject = ModelSubject(model=model, solved={kind: self._questions(kind) for kind in model.answers if not solved(kind)})
        for kind in subject.questions:
            subject.loaded(kind)  # and its weights
        return subject, MODEL_CHECKS, {}

    def _questions(self, kind: str) -> list[Pair]:
        """Some requests of a kind that is not built in, solved by an installed task that asks by it."""
        for task in (task for task in self._tasks() if kind in task.asks):
            try:
                subject = TaskSubject(task=task, source=self.source, registry=self.registry, limit=QUESTIONS)
                return [(a.request, a.answer) for a in subject.solved[next(iter(subject.examples)), kind]]
            except InputError:
                continue  # its data is elsewhere
        return []

    def _metric(self, metric: Any) -> "_Work":
        reasons = []
        for task in (task for task in self._tasks() if self.task or metric.name in task.metrics):
            try:
                return MetricSubject.of_task(metric, task, self.source), METRIC_CHECKS, {}
            except InputError as e:
                if self.task:
                    raise
                reasons.append(f"{task.name}: {e.message.splitlines()[0]}")
        raise InputError(
            f"there is nothing that metric {metric.name!r} could score: no installed task with data at hand uses it",
            *reasons[:3], "--task T names a task whose predictions it can score",
        )  # fmt: skip

    def _tasks(self) -> list[Any]:
        """Those on whose examples others are checked."""
        if self.task:
            return [self.registry.task(self.task, own_data=self.source.data is not None)]
        return [self.registry.task(name) for name in self.registry.items["task"]]

    def _plugin(self, plugin: Plugin) -> Iterator[Finding]:
        said = plugin.error or ("it is disabled" if plugin.disabled else "")
        yield Finding("plugin", plugin.name, "loads", "failed" if said else "passed", said)
        for kind, items in self.registry.items.items():
            for name, item in items.items():
                if kind not in ("task", "model", "metric") or self.registry.owners[kind, name] != plugin:
                    continue
                if (kind, name) in self.registry.clashes:
                    claimed = " and ".join(self.registry.clashes[kind, name])
                    yield Finding(kind, name, "has_its_name", "failed", f"it is claimed by {claimed}")
                    continue
                try:
                    yield from self.check(kind, item)
                except PlmtasksError as e:
                    yield Finding(kind, name, ABSENT, "skipped", e.message)


_Work = tuple[Any, Mapping[str, Callable[[Any], None]], Mapping[str, Callable[[Any], None]]]
"""What is checked, laws and hints."""


def _finding(kind: str, name: str, check: str, work: Callable[[], None], otherwise: State) -> Finding:
    try:
        work()
    except CheckFailed as e:
        return Finding(kind, name, check, otherwise, e.message, e.example)
    except NotApplicable as e:
        return Finding(kind, name, check, "skipped", str(e))
    except Exception as e:  # noqa: BLE001  as above
        return Finding(kind, name, check, "failed", _told(e))
    return Finding(kind, name, check, "passed")


def _told(error: Exception) -> str:
    return blame(error) or f"{type(error).__name__}: {error}"


def plugin_modules(path: Path) -> list[str]:
    """The modules of a plugin under development, importable from here on, in this process and those that it starts.

    path: a module's file, a package's folder, or a project with its pyproject.toml

    returns: none if it is a folder of something else

    raises: InputError if it is a project that names no plugin; DataError if its pyproject.toml is no TOML
    """
    if path.suffix == ".py":
        root, modules = path.parent, [path.stem]
    elif (path / "pyproject.toml").is_file():
        project = read_toml(path / "pyproject.toml", "it is a project's file").content.get("project", {})
        modules = list(project.get("entry-points", {}).get(ENTRY_POINT, {}).values())
        root = path / "src" if (path / "src").is_dir() else path
        if not modules:
            expected = f'expected [project.entry-points.{ENTRY_POINT}] name = "module"'
            raise InputError(f"{path / 'pyproject.toml'} names no plugin", expected)
    elif (path / "__init__.py").is_file():
        root, modules = path.parent, [path.name]
    else:
        return []
    sys.path.insert(0, str(root.resolve()))
    os.environ[MODULES_VARIABLE] = ",".join([*filter(None, [os.environ.get(MODULES_VARIABLE)]), *modules])
    return modules
