"""The base class of an engine: what runs the workers of a run, or the runs of a sweep, beyond this machine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .errors import InputError


class Workers(ABC):
    """Processes that do what a driver asks of them, each with a `plmtasks.evaluation.Worker` of its own.

    Whatever they are asked says all that they need to know, so that a worker that is started anew goes on at once.
    """

    count: int
    """How many there are to be."""
    threads: int
    """Of the processor, for each."""

    @abstractmethod
    def ask(self, call: str, *args: str) -> Any:
        """What that method of a worker returns, whichever is ready first; of another one, if that is lost.

        raises: PlmtasksError as the worker raised it, or ProcessError with its traceback
        """

    @abstractmethod
    def deal(self, config: str, plan: str, batches: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """The number of each batch, and what `answer(config, plan, number)` of a worker returned, as they come.

        A worker that is free gets the next. What a lost worker held is dealt again, and each comes once.

        raises: as `ask`
        """


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run that an engine does by itself: `plmtasks.evaluation.do_job(work)`, in a process that it starts."""

    name: str
    """Unique among those that are handed over together."""
    work: str
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What it needs, in the engine's own words."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What has become of a job."""

    state: Literal["queued", "running", "requeued", "done", "failed"]
    note: str = ""
    """Why it failed."""
    result: str = ""
    """What `do_job` returned, once it is done."""
    log: Path | None = None
    """The file that its output goes to."""


class Jobs(ABC):
    """Those that were handed over, as whoever waits for them sees them."""

    @abstractmethod
    def look(self) -> Mapping[str, Standing]:
        """Name → how it stands now."""


class Engine(ABC):
    """Runs the workers of a run, or the runs of a sweep. It has one of the two methods at least."""

    name: str
    """As `--on` takes it."""
    description: str = ""
    """For lists: one line."""

    def unsafe(self, resources: Mapping[str, Any]) -> Sequence[str]:
        """The names of those resources which may run code that is not installed, or lead elsewhere.

        Asked where a suite names them, which a stranger may have written. By default all but numbers.
        """
        return [name for name, value in resources.items() if type(value) not in (int, float)]

    def workers(self, count: int, threads: int) -> AbstractContextManager[Workers]:
        """Workers, until the block ends.

        count: 0 for as many as there is room for
        threads: of the processor, for each; 0 leaves it to the engine

        raises: InputError if the engine is not there, or runs no workers
        """
        raise InputError(f"{self.name} runs sweeps, and no workers of a single run", f"plmtasks sweep SUITE --on {self.name}")

    def jobs(self, jobs: Sequence[Job], folder: Path, *, begin: bool = True) -> AbstractContextManager[Jobs]:
        """The jobs, handed over but for those that are queued or running already; those that are done or failed are done again.

        What becomes of them when the block ends is the engine's own affair.

        folder: of the sweep's results, where the engine may keep a note of what it was handed
        begin: False only looks at those that it has

        raises: InputError if the engine is not there, or runs no jobs
        """
        raise InputError(f"{self.name} runs single runs, and no sweeps", f"plmtasks run … --on {self.name}")
