"""One run over several processes, each with its GPU or on the CPU: a shared counter deals, and when one fails, all end.

Evaluation needs no process group: the deal, the waits and the failure notice all live in the rendezvous store of
`torch.distributed`. Training asks for a group (`Processes.join_group`).
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..config import LAUNCHED
from ..errors import PlmtasksError
from .lines import Lines
from .place import PLACE, started_by_launcher
from .watch import end, failure_of, say_launcher_ended, tell_launcher, watch_launcher

if TYPE_CHECKING:
    from torch.distributed import Store


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process among those of the run, and what they share."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    """Processes on this machine."""
    store: "Store"
    scope: str = ""

    @property
    def main(self) -> bool:
        return self.rank == 0

    def within(self, name: str) -> "Processes":
        """The same processes with names of their own: each run of a matrix, each step of a run."""
        return replace(self, scope=f"{self.scope}{name}/")

    def add(self, name: str, amount: int = 1) -> int:
        """Adds to a shared counter and returns its new value: how batches are dealt."""
        return self.store.add(self.scope + name, amount)

    def send(self, name: str, value: bytes) -> None:
        self.store.set(self.scope + name, value)  # type: ignore[arg-type]  # torch takes bytes too

    def receive(self, name: str) -> bytes:
        """What `send` left under the name, as soon as it is there."""
        key = self.scope + name
        self._wait(lambda: self.store.check([key]))
        return bytes(self.store.get(key))

    def share(self, name: str, make: Callable[[], Any]) -> Any:
        """What the main process makes, as JSON, in all processes."""
        if self.main:
            self.send(name, json.dumps(make()).encode())
        return json.loads(self.receive(name))

    def forget(self, name: str) -> None:
        """Takes what the main process shared out of the store, once everybody has it."""
        if self.main:
            self.store.delete_key(self.scope + name)

    def gather(self, name: str, value: Any) -> list[Any]:
        """Every process's value, as JSON, in the order of the processes."""
        self.send(f"{name}/{self.rank}", json.dumps(value).encode())
        return [json.loads(self.receive(f"{name}/{rank}")) for rank in range(self.count)]

    def barrier(self, name: str) -> None:
        """Returns when every process has come here."""
        self.add(name)
        self._wait(lambda: self.add(name, 0) >= self.count)

    def _wait(self, done: Callable[[], bool]) -> None:
        # polled, not blocked in the store: a process that waits must still hear that another one failed
        pause = 0.001
        while not done():
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def join_group(self) -> None:
        """Makes the process group that gradients are summed over, one for all trainings, by the backend of the device's kind."""
        from torch.distributed import PrefixStore, get_default_backend_for_device, init_process_group, is_initialized

        if self.count > 1 and not is_initialized():
            backend = get_default_backend_for_device(self.device())
            store = PrefixStore("group", self.store)
            init_process_group(backend, store=store, rank=self.rank, world_size=self.count)

    def device(self) -> str:
        """The device of this process: its GPU by its number on the machine, else the CPU."""
        import torch

        if torch.accelerator.is_available():
            kind = torch.accelerator.current_accelerator()
            return f"{kind.type if kind else 'cuda'}:{self.local_rank % torch.accelerator.device_count()}"
        return "cpu"


def alone() -> Processes:
    from torch.distributed import HashStore

    return Processes(store=HashStore())


@contextmanager
def joined() -> Iterator[Processes]:
    """This process as its launcher's environment describes it; when one process fails, all end.

    The block's exception is told to all others, which end within two seconds.
    """
    if not started_by_launcher():
        yield alone()
        return
    if LAUNCHED in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:  # others may well end before what they started
        launcher = int(os.environ.get(LAUNCHED, os.getppid()))
        threading.Thread(target=watch_launcher, args=(launcher,), daemon=True).start()
    # a store that is gone is told of below, without frames of C++
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch.distributed import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    shared, rank, count = next(iter(rendezvous("env://")))
    # torchrun keeps one store over its restarts: each attempt has names of its own
    store: Any = PrefixStore(f"plmtasks/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", shared)
    processes = Processes(
        rank=rank, count=count, store=store,
        local_rank=int(os.environ.get("LOCAL_RANK", rank)), local_count=int(os.environ.get("LOCAL_WORLD_SIZE", count)),
    )  # fmt: skip
    if count == 1:  # libraries that see a launcher's variables would make a group of one
        for name in PLACE:
            os.environ.pop(name, None)
    lines = Lines(processes)
    try:
        lines.open()
        yield processes
        _leave_group()
        lines.leave()  # the main one may hold the store, and goes last
    except BaseException as e:
        _fail(e, processes, lines)
        raise
    finally:
        lines.close()


def _fail(error: BaseException, processes: Processes, lines: Lines) -> None:
    """Tells of this process's error, unless it comes of another's."""
    from torch.distributed import DistError

    # a collective whose other end has gone fails here at the same moment, and a store even before its processes
    patience = 3.0 if isinstance(error, DistError) else 0.0 if isinstance(error, PlmtasksError | KeyboardInterrupt) else 0.5
    if lines.heard(patience):
        lines.wait()
    failure = failure_of(processes.rank, error)
    if os.environ.get(LAUNCHED):
        if not tell_launcher(processes.store, failure, error):
            say_launcher_ended()
        lines.tell(failure)
        end(failure["exit_code"])  # the launcher prints what was told
    lines.tell(failure)


def _leave_group() -> None:
    """Leaves the process group, where a training made one."""
    from torch.distributed import destroy_process_group, is_initialized

    if is_initialized():
        destroy_process_group()
