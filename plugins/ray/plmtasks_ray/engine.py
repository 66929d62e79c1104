"""The engine `ray`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.engine import Engine, Job

if TYPE_CHECKING:
    from .jobs import RayJobs
    from .workers import RayWorkers


class RayEngine(Engine):
    """Processes on a Ray cluster; Ray is imported when it is used."""

    name = "ray"
    description = "a Ray cluster; workers and nodes may be lost"

    def unsafe(self, resources: Mapping[str, Any]) -> Sequence[str]:
        plain = ("accelerator_type", "label_selector", "resources", "scheduling_strategy")
        return [name for name in super().unsafe(resources) if name not in plain]

    @contextmanager
    def workers(self, count: int, threads: int) -> "Iterator[RayWorkers]":
        from .cluster import joined
        from .workers import started

        with joined(), started(count, threads) as workers:
            yield workers

    @contextmanager
    def jobs(self, jobs: Sequence[Job], folder: Path, *, begin: bool = True) -> "Iterator[RayJobs]":
        """begin: False finds none: tasks end with the sweep that began them"""
        from .jobs import RayJobs, handed

        if not begin:
            yield RayJobs({})
            return
        from .cluster import joined

        with joined(), handed(jobs, folder) as held:
            yield held
