"""The runs of a suite, and what has become of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plmtasks import results
from plmtasks.config import RunConfig
from plmtasks.evaluation import Suite
from plmtasks.hooks import Registry
from plmtasks.requests import to_json
from plmtasks.results import Result

State = str
EXCLUDED, UNFIT, UNKNOWN, WAITING, THERE, BUSY, DONE, FAILED, FAILED_BEFORE = (
    "excluded", "left out", "not checked", "to run", "there", "busy", "done", "failed", "failed before",
)  # fmt: skip
QUEUED, RUNNING, REQUEUED = "queued", "running", "requeued"

Tell = Callable[[int, "Cell"], None]
"""Is given a cell's number and what has become of it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a suite, and how it stands."""

    task: str
    model: str
    """As the suite calls them: with what sets them apart."""
    config: RunConfig
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What the sweep's engine is to give it."""
    state: State = WAITING
    note: str = ""
    """Why it is left out, or how it failed."""
    learns: bool = False
    """Whether its model has to be trained first, as far as is known."""
    asked: str = ""
    """A hash of what is asked, the same on every machine: of cells that share it one is run."""
    result: Result | None = None
    seconds: float | None = None
    """That it took, or the moment when it began by the monotonic clock while it runs."""
    log: Path | None = None
    """Where its engine writes what it says."""

    @property
    def failed(self) -> bool:
        return self.state in (FAILED, FAILED_BEFORE)

    @property
    def reason(self) -> str:
        """The note in one line: of a traceback the last, of a message the first."""
        lines = [line for line in self.note.splitlines() if line and not line.startswith(" ")]
        return lines[-1 if any(line.startswith("Traceback") for line in lines) else 0] if lines else ""

    @property
    def key(self) -> str:
        """By which its failure is kept: all that it is told of the run itself."""
        told = replace(self.config, output="", checkpoints="", processes=0, on="", yes=False, quiet=False)
        return results.identity_hash({"config": to_json(told)})

    def __str__(self) -> str:
        return f"{self.task} on {self.model}, seed {self.config.seed}"


def plan(suite: Suite, registry: Registry) -> list[Cell]:
    """All runs of a suite, those that are left out too.

    raises: InputError for what the suite's file may not ask
    """
    suite.check(registry)
    cells = []
    for task, model in suite.pairs():
        state = EXCLUDED if suite.excludes(task, model) else WAITING
        for config in suite.configs(task, model):
            wanted = suite.wanted(config.on, task, model)
            cells.append(Cell(task=task.label, model=model.label, config=config, resources=wanted, state=state))
    return cells
