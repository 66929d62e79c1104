"""The engine `ray`."""

from collections.abc import Iterator
from contextlib import contextmanager

from plmtasks.engine import Engine

from .workers import RayWorkers


class RayEngine(Engine):
    """Processes on a Ray cluster."""

    name = "ray"

    @contextmanager
    def workers(self, count: int, threads: int) -> Iterator[RayWorkers]:
        from .cluster import joined
        from .workers import started

        with joined(), started(count, threads) as workers:
            yield workers
