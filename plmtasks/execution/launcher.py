"""The processes of a run on this machine: torch's elastic library starts them, and ends them all when one fails."""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import LAUNCHED
from ..errors import PlmtasksError, ProcessError
from .watch import RESUME, silence

if TYPE_CHECKING:
    from torch.distributed import Store
    from torch.distributed.elastic.multiprocessing import PContext, ProcessFailure

SCOPE = "plmtasks/0"
"""Under which name the processes find the work in the store, and the launcher what became of it: that of a first attempt."""


def launch(work: str, count: int, threads: int) -> str:
    """Runs `plmtasks worker` as `count` processes on this machine, until all have ended well.

    Work and what came of it go through the store, so that nothing is left on the disk whichever way the launcher ends.

    work: what the processes receive under that name
    threads: CPU threads a process
    returns: what the main one sent under the name "done"

    raises: the error of the first process that failed, as it was raised there if on purpose, else ProcessError with
        its traceback
    """
    with started(work, count, threads) as processes:
        processes.wait()
        return processes.receive("done").decode()


@dataclass(frozen=True)
class Started:
    """Processes that run, as their launcher sees them."""

    store: "Store"
    context: "PContext"
    """Theirs: once one has failed, it ends the others."""

    def wait(self) -> None:
        """Returns once all of them have ended well.

        raises: as `launch`
        """
        while self._run():
            time.sleep(0.05)

    def send(self, name: str, value: str) -> None:
        """What all of them receive under the name."""
        self.store.set(name, value)

    def receive(self, name: str) -> bytes:
        """What the main one sent under the name, as soon as it is there; it is taken out.

        raises: as `launch`
        """
        while not self.store.check([name]):
            if not self._run() and not self.store.check([name]):
                raise ProcessError("all processes ended well, and did not do what they were to do", RESUME)
            time.sleep(0.02)
        value = bytes(self.store.get(name))
        self.store.delete_key(name)
        return value

    def _run(self) -> bool:
        """Whether they run; if not, they have ended well.

        raises: as `launch`
        """
        ended = self.context.wait(0)
        if ended and ended.failures:
            _raise(self.store, next(iter(ended.failures.values())))  # the others were ended after it
        return not ended


@contextmanager
def started(work: str, count: int, threads: int) -> Iterator[Started]:
    """The processes of `launch`, until the block ends; then they are ended too, if they do not end by themselves."""
    from torch.distributed import PrefixStore, TCPStore
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, start_processes

    silence()  # what is wrong with it is said once
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    store = PrefixStore(SCOPE, server)
    store.set("work", work)
    environment = {
        LAUNCHED: str(os.getpid()), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(server.port), "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count), "TORCHELASTIC_USE_AGENT_STORE": "True", "OMP_NUM_THREADS": str(threads),
        "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    # modules in the current folder, which may be a stranger's, are not imported where they would not be here
    apart = [] if any(Path(place).resolve() == Path.cwd() for place in sys.path) else ["-P"]
    command = (*apart, "-m", "plmtasks", "worker")
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = ""  # the command line takes them
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)  # we say it
    context = start_processes(
        "plmtasks", sys.executable, dict.fromkeys(range(count), command),
        {i: {**environment, "RANK": str(i), "LOCAL_RANK": str(i)} for i in range(count)}, DefaultLogsSpecs(os.devnull),
    )  # fmt: skip
    try:
        yield Started(store, context)
    finally:
        context.close(timeout=2)


def _raise(store: "Store", failed: "ProcessFailure") -> None:
    rank, code = failed.local_rank, failed.exitcode
    deadline = time.monotonic() + 1.0
    while not store.check(["failure"]):
        if time.monotonic() > deadline:
            cause = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
            raise ProcessError(f"process {rank} ended by {cause}", RESUME)
        time.sleep(0.05)
    failure = json.loads(store.get("failure"))
    if failure["expected"]:
        error = PlmtasksError(failure["message"], *failure["hints"])
        error.exit_code = failure["exit_code"]
        raise error
    raise ProcessError(f"process {failure['rank']} failed:\n{failure['traceback']}", RESUME)
