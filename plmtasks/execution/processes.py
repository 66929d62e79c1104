"""One run over several processes, each with its GPU or on the CPU: a shared counter deals, and when one fails, all end.

Evaluation needs no process group: the deal, the waits and the failure notice all live in the rendezvous store of
`torch.distributed`. Training asks for a group (`Processes.join_group`).
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..config import LAUNCHED
from ..errors import InputError, PlmtasksError

if TYPE_CHECKING:
    from torch.distributed import Store

SILENCE = "PLMTASKS_NODE_TIMEOUT"
"""Environment variable: seconds without a sign of life after which a process of another machine counts as dead; 60."""

PLACE = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "TORCHELASTIC_USE_AGENT_STORE")
"""Environment variables by which a launcher tells a process its place."""

HOLDER = "that holds the store"
"""Stands for the rank of the process that holds the store: our launcher, torchrun's agent or the main process."""

RESUME = "run the same command again: it goes on from what the journal holds"


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
        """Makes the process group that gradients are summed over, one for all trainings: NCCL on GPUs, gloo elsewhere."""
        import torch
        from torch.distributed import PrefixStore, init_process_group, is_initialized

        if self.count > 1 and not is_initialized():
            backend = "nccl" if torch.cuda.is_available() else "gloo"
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


MPI = {
    "WORLD_SIZE": ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"),
    "RANK": ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"),
    "LOCAL_RANK": ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK"),
    "LOCAL_WORLD_SIZE": ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE"),
}
"""torch's environment variable → those by which Open MPI, Intel MPI and MPICH, and MVAPICH say the same."""


def started_by_launcher() -> bool:
    """Whether this is one of the processes that torchrun, accelerate, MPI or our own launcher started.

    raises: InputError if MPI started it and nobody said where the processes meet
    """
    if "WORLD_SIZE" not in os.environ:
        from_mpi = {ours: os.environ[name] for ours, names in MPI.items() for name in names if name in os.environ}
        if int(from_mpi.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" not in os.environ:
            raise InputError(
                f"MPI started {from_mpi['WORLD_SIZE']} processes, and they do not know where to meet",
                "set MASTER_ADDR and MASTER_PORT to the first node's name and a free port",
            )
        os.environ.update(from_mpi)
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or LAUNCHED in os.environ


def speaks() -> bool:
    """Whether this process tells the user what all of them did: the main one of a launcher's, or one alone."""
    return os.environ.get("RANK", "0") == "0"


def check_count(asked: int) -> None:
    """raises: InputError if another launcher has started another number of processes than was asked for"""
    started_by_launcher()
    started = int(os.environ.get("WORLD_SIZE", "1"))
    by_accelerate = any(name.startswith("ACCELERATE_") for name in os.environ)
    if asked and asked != started and (started > 1 or by_accelerate):
        launcher = "accelerate launch" if by_accelerate else "the launcher"
        raise InputError(
            f"--processes asks for {asked} processes, {launcher} started {started}",
            "on CPU, accelerate launch starts one process unless MPI is there" if by_accelerate else "leave --processes out",
            "plmtasks run --processes N, or torchrun --nproc-per-node N -m plmtasks run …, start N",
        )


@contextmanager
def joined() -> Iterator[Processes]:
    """This process as its launcher's environment describes it; when one process fails, all end.

    The block's exception is told to all others, which end within a second.
    """
    if not started_by_launcher():
        yield alone()
        return
    if os.environ.get(LAUNCHED):
        threading.Thread(target=_watch_launcher, args=(int(os.environ[LAUNCHED]),), daemon=True).start()
    # a store that is gone is told of below, without frames of C++
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from torch.distributed import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    shared, rank, count = next(iter(rendezvous("env://")))
    # torchrun keeps one store over its restarts: each attempt has names of its own
    store: Any = PrefixStore(f"plmtasks/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", shared)
    # each watches over a connection of its own: a store's connection is busy while it waits
    processes = Processes(
        rank=rank, count=count, store=store,
        local_rank=int(os.environ.get("LOCAL_RANK", rank)), local_count=int(os.environ.get("LOCAL_WORLD_SIZE", count)),
    )  # fmt: skip
    if count == 1:  # libraries that see a launcher's variables would make a group of one
        for name in PLACE:
            os.environ.pop(name, None)
    stop = threading.Event()
    pulses = _Pulses(replace(processes, store=store.clone()))
    watcher = threading.Thread(target=_watch, args=(pulses, stop), daemon=True)
    watcher.start()
    try:
        yield processes
        _leave_group()
        processes.send(f"gone/{rank}", b"")
        processes.add("left")
        if processes.main:  # it may hold the store, and goes last
            processes._wait(lambda: processes.add("left", 0) >= count)
    except BaseException as e:
        stop.set()
        told = _tell(store, rank, e)
        if os.environ.get(LAUNCHED):
            if not told:
                _say_launcher_ended()
            _end(_exit_code(e))  # the launcher prints what was told
        raise
    finally:
        stop.set()
        # in the store while Python ends, it would end the process with SIGABRT; a cut network may hold it there for good
        watcher.join(5.0)


def _leave_group() -> None:
    """Leaves the process group, where a training made one."""
    from torch.distributed import destroy_process_group, is_initialized

    if is_initialized():
        destroy_process_group()


def _tell(store: Any, rank: int, error: BaseException) -> bool:
    """Tells all others that this process failed; returns whether the store was there to tell it."""
    failure = {
        "rank": rank, "message": getattr(error, "message", str(error)) or "interrupted",
        "hints": list(getattr(error, "hints", ())), "expected": isinstance(error, PlmtasksError), "exit_code": _exit_code(error),
        "traceback": "".join(traceback.format_exception(error)),
    }  # fmt: skip
    try:
        if not store.check(["failure"]):
            store.set("failure", json.dumps(failure))
    except RuntimeError:  # the store is gone: whoever held it has ended, and the others see that
        return False
    return True


def _exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, PlmtasksError) else 1


def _watch_launcher(launcher: int) -> None:
    """Ends this process once its launcher has, even before there is a store to miss."""
    while os.getppid() == launcher:
        time.sleep(0.2)
    _say_launcher_ended()
    _end(1)


def _say_launcher_ended() -> None:
    if speaks():
        with suppress(OSError):  # the terminal may have ended with it
            sys.stderr.write(f"the launcher has ended, and its processes with it\n  {RESUME}\n")


def _watch(pulses: "_Pulses", stop: threading.Event) -> None:
    """Ends this process once another has failed or fallen silent, or once the store is gone with whoever held it."""
    processes = pulses.processes
    while not stop.wait(0.5):
        try:
            if processes.store.check(["failure"]):
                failure = json.loads(processes.store.get("failure"))
            else:
                failure = pulses.check()
        except RuntimeError:
            if stop.is_set():
                return
            failure = {"rank": HOLDER, "message": "it is gone", "exit_code": 1}
        if failure and failure["rank"] != processes.rank:
            if not os.environ.get(LAUNCHED):
                message = f"process {failure['rank']} failed: {failure['message']}"
                sys.stderr.write(f"process {processes.rank} ends: {message}\n  {RESUME}\n")
            elif failure["rank"] == HOLDER:
                _say_launcher_ended()
            _end(failure["exit_code"])


class _Pulses:
    """Whether the processes of other machines still live: a killed one tells nobody, and its launcher only its own machine.

    The main process looks at all others, they look at it.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.silence = silence()
        several = processes.count > processes.local_count
        self.others = [r for r in range(processes.count) if r != processes.rank and (processes.main or r == 0)] if several else []
        self.seen: dict[int, tuple[int, float]] = {}

    def check(self) -> dict[str, Any]:
        """Gives this process's pulse; returns what is to be told of a process that gave none for too long."""
        if not self.others:
            return {}
        self.processes.add(f"pulse/{self.processes.rank}")
        now = time.monotonic()
        for rank in self.others:
            pulse = self.processes.add(f"pulse/{rank}", 0)
            last, since = self.seen.get(rank, (0, now))
            if pulse != last or pulse == 0:  # it has yet to come
                self.seen[rank] = (pulse, now)
            elif now - since > self.silence and not self.processes.store.check([f"gone/{rank}"]):
                return {"rank": rank, "message": f"it gave no sign of life for {self.silence:g} s ({SILENCE})", "exit_code": 1}
        return {}


def silence() -> float:
    """Seconds without a sign of life after which a process of another machine counts as dead.

    raises: InputError
    """
    setting = os.environ.get(SILENCE, "60")
    try:
        seconds = float(setting)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{SILENCE} is {setting!r}", "seconds, such as 60")
    return seconds


def _end(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # other threads may sit in a kernel or a collective
