"""Every fault of a run on two machines, and how long until all of it has ended: `python benchmarks/faults.py [FAULT…]`.

Two network namespaces are the machines (`tests/nodes.py`), torchrun starts two processes on each. Each row is a run that a
fault meets while it answers, and the same command again, whose result must have the bytes of a run that nothing met. Printed
is a table in Markdown: seconds from the fault to the end of the last process of each machine, torchrun's exit codes, and the
last of our lines that the user read on each. As root, with iproute2.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
sys.path.insert(0, str(TESTS))

from nodes import Nodes, two_nodes  # noqa: E402  # tests are no package

PER_NODE = 1
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
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, **more: str) -> None:
        self.agents = [self._agent(n, {**self.environment, **more}) for n in (0, 1)]

    def _agent(self, n: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        torchrun = [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", str(PER_NODE)),
            *("--rdzv-backend", "c10d", "--rdzv-id", "faults", "--rdzv-endpoint", f"{self.nodes.names[0]}:29500"),
        ]
        if n == 1:
            self._wait_for_store()
        with self.log.with_suffix(f".{n}").open("wb") as log:
            command = [*torchrun, "-m", "plmtasks", *self.command, "--output", self.output]
            return self.nodes.popen(n, command, env=environment, stdout=log, stderr=log)

    def _wait_for_store(self) -> None:
        # node 0 is to hold the store, and to be the first
        while not self.nodes.run(0, ["ss", "-Hltn", "sport = 29500"]).stdout:
            time.sleep(0.1)

    def said(self, n: int) -> str:
        return self.log.with_suffix(f".{n}").read_text(encoding="utf-8", errors="replace")

    def rank(self, rank: int) -> int:
        """The number of the process of that rank."""
        for pid in self.nodes.pids(rank // PER_NODE):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if f"RANK={rank}".encode() in environment:
                return pid
        raise LookupError(rank)

    def answering(self) -> bool:
        """Whether every process has answered a batch."""
        return len({path for path in self.output.rglob("journal/*.jsonl") if path.stat().st_size}) >= 2 * PER_NODE

    def ended(self) -> list[float]:
        """When the last process of each node ended, in seconds of `time.monotonic`; infinity for what hung."""
        ends, deadline = {0: float("inf"), 1: float("inf")}, time.monotonic() + LIMIT
        while time.monotonic() < deadline and float("inf") in ends.values():
            for n in (0, 1):
                self.agents[n].poll()
                if ends[n] == float("inf") and not self.nodes.pids(n):
                    ends[n] = time.monotonic()
            time.sleep(0.05)
        for n in (0, 1):
            self.nodes.kill(n)
            self.agents[n].wait()
        return [ends[0], ends[1]]


def last_word(said: str) -> str:
    """The last sentence of ours in what a node printed: torchrun adds its own report of exit codes."""
    ours = [line for line in said.splitlines() if " ends: " in line or line.startswith("the launcher") or "error" in line.lower()]
    ours = [line for line in ours if not line.startswith(("E1", "W1", "  error_file", "[rank"))]
    return (ours or said.splitlines() or [""])[-1].strip()[:160]


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


def kill(trial: Trial, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


FAULTS: dict[str, Callable[[Trial], None]] = {
    "none": lambda trial: None,
    "exception": lambda trial: None,
    **{f"kill -9 of rank {r}": (lambda trial, r=r: kill(trial, trial.rank(r))) for r in range(2 * PER_NODE)},  # type: ignore[misc]
    "kill -9 of node 0's torchrun": lambda trial: kill(trial, trial.agents[0].pid),
    "kill -9 of node 1's torchrun": lambda trial: kill(trial, trial.agents[1].pid),
    "kill -9 of all of node 0": lambda trial: trial.nodes.kill(0),
    "kill -9 of all of node 1": lambda trial: trial.nodes.kill(1),
    "network cut": lambda trial: trial.nodes.cut(),
    "what node 0 sends is lost": lambda trial: trial.nodes.cut(0),
    "what node 1 sends is lost": lambda trial: trial.nodes.cut(1),
    "interpreter held for 12 s on node 0": lambda trial: None,
    "interpreter held for 12 s on node 1": lambda trial: None,
    "interpreter held for 90 s on node 1": lambda trial: None,
    "node 1 asleep for 30 s": asleep,
}
BY_ITSELF = {
    "exception": "raise:1:3",
    "interpreter held for 12 s on node 0": "hold:0:3",
    "interpreter held for 12 s on node 1": "hold:1:3",
    "interpreter held for 90 s on node 1": "hold:1:3",
}
"""Faults that the plugin of the tests makes itself, as its TOY_FAULT."""


def undisturbed(folder: Path, environment: dict[str, str], command: list[str]) -> bytes:
    subprocess.run(
        [sys.executable, "-m", "plmtasks", *command, "--output", folder], env=environment, check=True, capture_output=True
    )
    return result(folder)


def result(folder: Path) -> bytes:
    found = list(folder.rglob("result.json"))
    return found[0].read_bytes() if found else b""


def row(fault: str, folder: Path, nodes: Nodes, environment: dict[str, str], command: list[str], expected: bytes) -> str:
    """A row of the table: what came of one fault."""
    stamp = folder / "stamp"
    trial = Trial(nodes, folder / "results", folder / "log", environment, command)
    held = fault.partition("held for ")[2].partition(" ")[0]
    by_itself = {"TOY_FAULT": BY_ITSELF[fault], "TOY_STAMP": str(stamp), "TOY_HOLD": held} if fault in BY_ITSELF else {}
    trial.start(TOY_SLEEP="0.3", **by_itself)
    wait(stamp.exists if by_itself else trial.answering)
    began = time.monotonic()
    FAULTS[fault](trial)
    ends = [f"{end - began:.1f}" if end < float("inf") else f"hung for {LIMIT:.0f}" for end in trial.ended()]
    codes = [str(agent.returncode) for agent in trial.agents]
    words = [last_word(trial.said(n)).replace("|", "/") for n in (0, 1)]
    complete = "complete" if result(trial.output) else ""
    nodes.mend()
    trial.log = folder / "again"
    trial.start()
    trial.ended()
    same = "the same bytes" if result(trial.output) == expected else f"OTHER BYTES {[a.returncode for a in trial.agents]}"
    if complete:
        words = [complete, complete]
    return f"| {fault} | {ends[0]} | {ends[1]} | {codes[0]}, {codes[1]} | {words[0]} | {words[1]} | {same} |"


@click.command(help=(__doc__ or "").partition("\n\n")[0])
@click.argument("faults", nargs=-1, metavar="[FAULT]…")
@click.option("--timeout", default="", help="PLMTASKS_NODE_TIMEOUT of all runs.")
@click.option("--keep", default="", help="A folder for what the runs printed.")
def main(faults: tuple[str, ...], timeout: str, keep: str) -> None:
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
        print(
            "| fault | node 0, s | node 1, s | exit codes | last read on node 0 | last read on node 1 | the same command again |"
        )
        print("| --- | --: | --: | --- | --- | --- | --- |", flush=True)
        for number, fault in enumerate(chosen):
            folder = root / str(number)
            folder.mkdir(parents=True)
            print(row(fault, folder, nodes, environment, command, expected), flush=True)


if __name__ == "__main__":
    main()
