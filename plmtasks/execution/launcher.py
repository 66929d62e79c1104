"""Starts the processes of a run on this machine, and ends them all when one fails or the launcher is told to end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import LAUNCHED
from ..errors import PlmtasksError, ProcessError
from .watch import RESUME, silence

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

    store: Any
    children: Sequence["subprocess.Popen[bytes]"]

    def wait(self) -> None:
        """Returns once all of them have ended well.

        raises: as `launch`
        """
        failed = _first_failure(self.children)
        if failed is not None:
            _raise(self.store, failed, self.children[failed].returncode)

    def send(self, name: str, value: str) -> None:
        """What all of them receive under the name."""
        self.store.set(name, value)

    def receive(self, name: str) -> bytes:
        """What the main one sent under the name, as soon as it is there; it is taken out.

        raises: as `launch`
        """
        while not self.store.check([name]):
            failed = next((i for i, child in enumerate(self.children) if child.poll()), None)
            if failed is not None:
                _raise(self.store, failed, self.children[failed].returncode)
            time.sleep(0.02)
        value = bytes(self.store.get(name))
        self.store.delete_key(name)
        return value


@contextmanager
def started(work: str, count: int, threads: int) -> Iterator[Started]:
    """The processes of `launch`, until the block ends; then they are ended too, if they do not end by themselves."""
    from torch.distributed import PrefixStore, TCPStore

    silence()  # what is wrong with it is said once
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    store = PrefixStore(SCOPE, server)
    store.set("work", work)
    environment = {
        **os.environ, LAUNCHED: str(os.getpid()), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(server.port),
        "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": str(threads), "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    # modules in the current folder, which may be a stranger's, are not imported where they would not be here
    apart = [] if any(Path(place).resolve() == Path.cwd() for place in sys.path) else ["-P"]
    command, children = [sys.executable, *apart, "-m", "plmtasks", "worker"], list["subprocess.Popen[bytes]"]()
    try:
        for i in range(count):
            children.append(subprocess.Popen(command, env={**environment, "RANK": str(i), "LOCAL_RANK": str(i)}))
        yield Started(store, children)
    except KeyboardInterrupt:
        for child in children:  # they have nothing to tell
            child.terminate()
        raise
    finally:
        _stop(children)


def _first_failure(children: Sequence["subprocess.Popen[bytes]"]) -> int | None:
    """The number of the first child that ends badly; None once all have ended well."""
    while True:
        codes = [child.poll() for child in children]
        for i, code in enumerate(codes):
            if code:
                return i
        if all(code == 0 for code in codes):
            return None
        time.sleep(0.05)


def _stop(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ends what still runs: a moment to end by itself, then SIGTERM, then SIGKILL."""
    for end, seconds in ((None, 2.0), ("terminate", 2.0), ("kill", None)):
        for child in children:
            if end and child.poll() is None:
                getattr(child, end)()
        deadline = None if seconds is None else time.monotonic() + seconds
        while any(child.poll() is None for child in children) and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.02)


def _raise(store: Any, rank: int, code: int) -> None:
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
