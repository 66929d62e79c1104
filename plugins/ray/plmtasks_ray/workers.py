"""Calls dealt to processes on the cluster; what a lost one held is dealt again."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plmtasks.engine import Workers
from plmtasks.errors import InputError, ProcessError, counted, summary_of
from plmtasks.execution import Progress

from .cluster import RESUME, environment, failed, fair_threads, have_gpus, nodes, room
from .inside import Inside

PAUSE = 1.0
"""Seconds before a worker that was lost is asked whether it is there again; Ray starts it anew meanwhile."""

WAIT = 30.0
"""Seconds after which it is said that no worker is ready; once, until one is."""

LOSSES = 3
"""Workers that may be lost over one call, one after another: then the call is what ends them."""


@contextmanager
def started(count: int, threads: int) -> Iterator["RayWorkers"]:
    """Workers on the cluster until the block ends.

    count: 0: as many as the nodes have room for
    threads: CPU threads of each; 0: see `fair_threads`

    raises: InputError if no node has room for one
    """
    import ray

    there = nodes()
    threads = threads or fair_threads(there, count)
    count = count or room(there, threads)
    gpus = int(have_gpus(there))
    if not count:
        wanted = counted(threads, "CPU") + " and a GPU" * gpus
        most = max((int(node.get("CPU", 0)) for node in there), default=0)
        raise InputError(
            f"no node of the Ray cluster has {wanted} for a worker; the largest has {counted(most, 'CPU')}",
            "--threads says how many a worker takes; --processes N waits for a cluster that grows",
        )
    made = ray.remote(Inside).options(
        num_cpus=threads, num_gpus=gpus, max_restarts=-1, max_task_retries=0, scheduling_strategy="SPREAD",
        runtime_env=environment(threads),
    )  # fmt: skip
    actors: list[Any] = [made.remote(str(Path.cwd())) for _ in range(count)]
    try:
        yield RayWorkers(actors, threads)
    finally:
        for actor in actors:
            ray.kill(actor)


class RayWorkers(Workers):
    """Workers that Ray starts, and starts again where they are lost."""

    def __init__(self, actors: Sequence[Any], threads: int) -> None:
        self.count, self.threads = len(actors), threads
        self._actors = actors

    def ask(self, call: str, *args: str) -> Any:
        [(_, value)] = Deal(self._actors, [(call, *args)])
        return value

    def deal(self, config: str, plan: str, batches: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for number, line in Deal(self._actors, [("answer", config, plan, batch) for batch in batches]):
            yield batches[number], line


class Deal:
    """Calls, each to be answered once by whoever is free."""

    def __init__(self, actors: Sequence[Any], calls: Sequence[tuple[Any, ...]]) -> None:
        """
        calls: a method of the core's worker, and its arguments: all that one needs which was started anew meanwhile
        """
        self.calls = calls
        self.left, self.losses = deque(range(len(calls))), Counter[int]()
        self.idle: list[Any] = []
        self.resting = deque((0.0, actor) for actor in actors)
        """Who is asked from which moment on whether it is ready, by the monotonic clock."""
        self.held: dict[Any, tuple[Any, int | None]] = {}
        """What was asked of whom: a call by its number; None, whether it is ready."""
        self.worked = time.monotonic()
        """When a worker was last at a call, or the user was told that none is."""

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """The number of each call, and what came of it, as they are done.

        raises: a worker's own error; ProcessError if one cannot be started, or if a call ends every worker that gets it
        """
        import ray

        for _ in self.calls:
            came = None
            while came is None:
                self._ask()
                if not self.held:
                    time.sleep(PAUSE / 10)
                for ref in ray.wait(list(self.held), timeout=PAUSE)[0] if self.held else ():
                    came = self._take(ref)
                self._tell_if_none_works()
            self._ask()  # before the caller does anything with what came
            yield came

    def _ask(self) -> None:
        while self.resting and self.resting[0][0] <= time.monotonic():
            _, actor = self.resting.popleft()
            self.held[actor.ready.remote()] = (actor, None)
        while self.left and self.idle:
            actor, number = self.idle.pop(), self.left.popleft()
            self.held[actor.call.remote(*self.calls[number])] = (actor, number)

    def _take(self, ref: Any) -> tuple[int, Any] | None:
        """The number of a call and what came of it; None where it was none, or is to be dealt again."""
        import ray
        from ray.exceptions import ActorDiedError, RayError, RayTaskError, RuntimeEnvSetupError

        actor, number = self.held.pop(ref)
        try:
            came = ray.get(ref)
        except (ActorDiedError, RayTaskError, RuntimeEnvSetupError) as e:  # Ray does not start it again
            raise ProcessError(
                f"a worker on the Ray cluster could not be started:\n{e}",
                "every node needs the same Python, plmtasks with its plugins, and plmtasks-ray", RESUME,
            ) from e  # fmt: skip
        except RayError as e:
            self.resting.append((time.monotonic() + PAUSE, actor))
            # who is idle may have been lost with it, and is asked before it counts against a call
            self.resting.extendleft((0.0, one) for one in self.idle)
            self.idle.clear()
            if number is not None:
                self._deal_again(number, e)
            return None
        if number is None:
            self.idle.append(actor)
            return None
        done, value = came
        if not done:
            raise failed(value)
        self.idle.append(actor)
        return number, value

    def _tell_if_none_works(self) -> None:
        now = time.monotonic()
        if any(number is not None for _, number in self.held.values()):
            self.worked = now
        elif now - self.worked > WAIT:
            self.worked = float("inf")
            Progress().say("no worker on the Ray cluster is ready: it has no room perhaps (ray status)")

    def _deal_again(self, number: int, error: Exception) -> None:
        """raises: ProcessError if the call has ended so many workers that it must be the cause"""
        self.losses[number] += 1
        if self.losses[number] == LOSSES:
            name, *args = self.calls[number]
            what = f"batch {args[-1]}" if name == "answer" else name
            raise ProcessError(
                f"{what} ended {LOSSES} workers on the Ray cluster, one after another: {summary_of(error)}",
                "Ray's logs on the nodes say more; where memory ran out, a smaller --batch-tokens needs less", RESUME,
            )  # fmt: skip
        self.left.appendleft(number)
