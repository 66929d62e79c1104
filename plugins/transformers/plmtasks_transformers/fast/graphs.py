"""Steps that are done again and again on the same memory: recorded once and replayed by a GPU, or done anew each time."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Step = Callable[[], None]

WARM = 2
"""How often a step is done again before it is recorded: libraries choose and load their kernels, and take memory of their own."""


class Graphs:
    """A GPU's own record of a step, CUDA's graph: one call does all of it, where each operation of it is else a call from Python.

    A step goes by what lies in its memory alone: on the way it asks the device for no number, and it makes no tensor that is
    looked at afterwards. All that it makes lies in memory that the recorded steps share, since one is done at a time.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool: Any = None

    def __call__(self, step: Step, undo: Step) -> Step:
        """The step as it is to be done from now on.

        undo: puts its memory back to what it was before the step, which is done while nobody looks
        """
        here = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            step()
            undo()
            with _waiting_raises():  # told here, since a record that it breaks may leave the device in disorder
                for _ in range(WARM):
                    step()
                    undo()
        here.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        try:
            # the same stream as before, on which the libraries have their memory; other threads may go on meanwhile
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                step()
        finally:
            torch.cuda.set_stream(here)  # where the record breaks, torch does not go back to it
        self._pool = self._pool or graph.pool()
        return graph.replay


@contextmanager
def _waiting_raises() -> Iterator[None]:
    """Inside, what waits for the GPU is an error."""
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():  # that it is a prototype
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


class Repeats:
    """The same without a record: for devices that have none, and to hold the other one to."""

    def __init__(self, device: torch.device) -> None:
        pass

    def __call__(self, step: Step, undo: Step) -> Step:
        step()
        undo()
        return step
