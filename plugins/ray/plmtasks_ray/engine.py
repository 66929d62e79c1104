"""The engine `ray`."""

from collections.abc import Iterator
from contextlib import contextmanager

from plmtasks.engine import Engine

from .workers import RayWorkers


class RayEngine(Engine):
    """Processes on a Ray cluster."""

    name = "ray"
    description = "Workers on a Ray cluster; what a lost one held is dealt again."

    @contextmanager
    def workers(self, count: int, threads: int) -> Iterator[RayWorkers]:
        from .cluster import joined
        from .workers import started

        with joined(), started(count, threads) as workers:
            yield workers
