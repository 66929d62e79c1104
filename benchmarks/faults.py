"""Every fault of a run on two machines, and how long until all of it has ended: `python benchmarks/faults.py [FAULT…]`.

Two network namespaces are the machines (`tests/nodes.py`), and torchrun starts a process on each. A row is a run that a fault
meets while it answers; then one process goes on with it, and its result must have the bytes of a run that nothing met. Printed
is a table in Markdown: seconds from the fault to the end of both processes, and to that of all of each machine, torchrun's
own among them; the exit codes of torchrun; what was last read of ours on each. As root, with iproute2.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
sys.path.insert(0, str(TESTS))

from nodes import Nodes, two_nodes  # noqa: E402  # tests are no package

LIMIT = 400.0
"""Seconds after which what still runs has hung."""


@dataclass
class Trial:
    """A run on two nodes."""

    nodes: Nodes
    output: Path
    log: Path
    environment: dict[str, str]
    command: list[str]
    rendezvous: str
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, **more: str) -> None:
        self.agents = [self._agent(n, {**self.environment, **more}) for n in (0, 1)]

    def _agent(self, n: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        first = self.nodes.addresses[0]
        meeting = {
            "static": ["--node-rank", str(n), "--master-addr", first, "--master-port", "29500"],
            "c10d": ["--rdzv-backend", "c10d", "--rdzv-id", "faults", "--rdzv-endpoint", f"{first}:29500"],
        }[self.rendezvous]
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", *meeting]
        with self.log.with_suffix(f".{n}").open("wb") as log:
            command = [*torchrun, "-m", "plmtasks", *self.command, "--output", self.output]
            return self.nodes.popen(n, command, env=environment, stdout=log, stderr=log)

    def said(self, n: int) -> str:
        return self.log.with_suffix(f".{n}").read_text(encoding="utf-8", errors="replace")

    def rank(self, rank: int) -> int:
        """The number of the process of that rank."""
        for pid in self.nodes.pids(rank):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in environment:
                return pid
        raise LookupError(rank)

    def answering(self) -> bool:
        """Whether both processes have answered a batch."""
        return len({path for path in self.output.rglob("journal/*.jsonl") if path.stat().st_size}) >= 2

    def ended(self, watched: Sequence[int], began: float) -> list[float]:
        """Seconds until each watched process had ended, then until all processes of each node had; infinity for what hung."""
        ends = [float("inf")] * (len(watched) + 2)
        while time.monotonic() < began + LIMIT and float("inf") in ends:
            here = [self.nodes.pids(n) for n in (0, 1)]
            left = [pid in here[0] + here[1] for pid in watched] + [bool(pids) for pids in here]
            ends = [e if lives or e < float("inf") else time.monotonic() - began for e, lives in zip(ends, left, strict=True)]
            time.sleep(0.05)
        for n in (0, 1):
            self.nodes.kill(n)
            self.agents[n].wait()
        return ends


def last_word(said: str) -> str:
    """What a node printed last, before torchrun's own report: its hints, which are indented, aside."""
    ours = re.split(r"^E\d{4} ", said, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in ours.splitlines() if line.strip() and not line.startswith((" ", "[W", "W1"))]
    return (lines or ["nothing"])[-1].strip()[:160].replace("|", "/")


def wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not begin")
        time.sleep(0.05)


def asleep(trial: Trial, seconds: float = 30) -> None:
    trial.nodes.signal(1, signal.SIGSTOP)
    time.sleep(seconds)
    trial.nodes.signal(1, signal.SIGCONT)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def nothing(trial: Trial) -> None:
    """The plugin makes the fault."""


FAULTS: dict[str, Callable[[Trial], None]] = {
    "none": nothing,
    "exception in process 1": nothing,
    "kill -9 of process 0": lambda trial: kill(trial.rank(0)),
    "kill -9 of process 1": lambda trial: kill(trial.rank(1)),
    "kill -9 of node 0's torchrun": lambda trial: kill(trial.agents[0].pid),
    "kill -9 of node 1's torchrun": lambda trial: kill(trial.agents[1].pid),
    "kill -9 of all of node 0": lambda trial: trial.nodes.kill(0),
    "kill -9 of all of node 1": lambda trial: trial.nodes.kill(1),
    "network cut": lambda trial: trial.nodes.cut(),
    "what node 1 sends is lost": lambda trial: trial.nodes.cut(1),
    "interpreter held for 12 s on node 1": nothing,
    "interpreter held for 90 s on node 1": nothing,
    "node 1 asleep for 30 s": asleep,
}
BY_PLUGIN = {
    "exception in process 1": "raise:1:3",
    "interpreter held for 12 s on node 1": "hold:1:3",
    "interpreter held for 90 s on node 1": "hold:1:3",
}
"""Faults that the plugin of the tests makes, as its TOY_FAULT."""


def undisturbed(folder: Path, environment: dict[str, str], command: list[str]) -> bytes:
    subprocess.run(
        [sys.executable, "-m", "plmtasks", *command, "--output", folder], env=environment, check=True, capture_output=True
    )
    return result(folder)


def result(folder: Path) -> bytes:
    found = list(folder.rglob("result.json"))
    return found[0].read_bytes() if found else b""


def row(fault: str, trial: Trial, expected: bytes) -> str:
    """A row of the table: what came of one fault."""
    stamp = trial.log.with_name("stamp")
    held = fault.partition("held for ")[2].partition(" ")[0]
    by_plugin = {"TOY_FAULT": BY_PLUGIN[fault], "TOY_STAMP": str(stamp), "TOY_HOLD": held} if fault in BY_PLUGIN else {}
    trial.start(TOY_SLEEP="0.3", **by_plugin)
    wait(stamp.exists if by_plugin else trial.answering)
    watched, began = [trial.rank(0), trial.rank(1)], time.monotonic()
    FAULTS[fault](trial)
    ends = [f"{end:.1f}" if end < float("inf") else f"not in {LIMIT:.0f}" for end in trial.ended(watched, began)]
    trial.nodes.mend()
    codes = [str(agent.returncode) for agent in trial.agents]
    if result(trial.output):
        words = ["complete", "complete"]
    else:
        words = [last_word(trial.said(n)) for n in (0, 1)]
    same = undisturbed(trial.output, trial.environment, trial.command) == expected
    return " | ".join(["", fault, *ends, ", ".join(codes), *words, "the same bytes" if same else "OTHER BYTES", ""]).strip()


@click.command(help=(__doc__ or "").partition("\n\n")[0])
@click.argument("faults", nargs=-1, metavar="[FAULT]…")
@click.option("--timeout", default="", help="PLMTASKS_NODE_TIMEOUT of all runs.")
@click.option("--rendezvous", type=click.Choice(["static", "c10d"]), default="static", help="torchrun's.")
@click.option("--keep", default="", help="A folder for what the runs printed.")
def main(faults: tuple[str, ...], timeout: str, rendezvous: str, keep: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the nodes are taken down then too
    chosen = [fault for fault in FAULTS if not faults or any(word in fault for word in faults)]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PLMTASKS_")},
        "PLMTASKS_PLUGINS": "toy",
        "PYTHONPATH": str(TESTS),
        "OMP_NUM_THREADS": "1",
        "TOY_EXAMPLES": "600",
        **({"PLMTASKS_NODE_TIMEOUT": timeout} if timeout else {}),
    }
    command = ["run", "--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30", "--threads", "1"]
    with tempfile.TemporaryDirectory() as temporary, two_nodes() as nodes:
        root = Path(keep or temporary)
        expected = undisturbed(root / "alone", environment, command)
        columns = ["process 0, s", "process 1, s", "node 0, s", "node 1, s", "exit codes", "last read on node 0", "on node 1"]
        print("| fault |", " | ".join(columns), "| gone on with |")
        print("| --- | --: | --: | --: | --: | --- | --- | --- | --- |", flush=True)
        for number, fault in enumerate(chosen):
            folder = root / str(number)
            folder.mkdir(parents=True)
            trial = Trial(nodes, folder / "results", folder / "log", environment, command, rendezvous)
            print(row(fault, trial, expected), flush=True)


if __name__ == "__main__":
    main()
