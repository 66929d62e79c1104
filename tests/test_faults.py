"""What ends a run over two machines, and what does not: cut cables, killed machines, held interpreters, sleep."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from nodes import Nodes, nodes_or_skip

pytestmark = pytest.mark.slow

WORK = """
import ctypes, json, socket, sys, time
from plmtasks.execution import joined

with joined() as processes:
    processes.barrier("begun")
    print("begun", flush=True)
    if sys.argv[1] == "hold" and processes.rank == 1:
        host, port, _ = json.loads(processes.store.get("lines"))
        strangers = [socket.create_connection((host, port)) for _ in range(3)]
        strangers[0].sendall(b"GET / HTTP/1.1\\n\\n")
        strangers[1].sendall(b"x" * 1000)
        del strangers[:2]
        ctypes.PyDLL(None).sleep(int(sys.argv[2]))  # the interpreter's lock is not let go of
    elif sys.argv[1] == "learn":
        import torch
        processes.join_group()
        for _ in range(3000):
            torch.distributed.all_reduce(torch.zeros(1000))
            time.sleep(0.1)
    elif sys.argv[1] == "wait" and processes.main:
        time.sleep(300)
    processes.barrier("done")
print("done", flush=True)
"""
LIMIT = 3


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with nodes_or_skip() as made:
        yield made


def begun(nodes: Nodes, *does: object) -> list["subprocess.Popen[str]"]:
    """A process on each node, in the midst of its work."""
    place = {"MASTER_ADDR": nodes.names[0], "MASTER_PORT": "29500", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    started = [
        nodes.popen(
            n, [sys.executable, "-c", WORK, *does], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **place, "RANK": str(n), "PLMTASKS_NODE_TIMEOUT": str(LIMIT)},
        )
        for n in (0, 1)
    ]  # fmt: skip
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
    return started


def ended(processes: list["subprocess.Popen[str]"]) -> list[tuple[int, str]]:
    """Exit code and errors of each."""
    said = [process.communicate(timeout=60)[1] for process in processes]
    return [(process.returncode, errors) for process, errors in zip(processes, said, strict=True)]


SILENT = "it gave no sign of life for 3 s (PLMTASKS_NODE_TIMEOUT)"
BROKEN = "it ended without a word"
"""What the kernel of the other one said that heard nothing first."""


@pytest.mark.parametrize(
    ("does", "senders", "causes"), [("wait", (), [SILENT]), ("wait", (1,), [SILENT, BROKEN]), ("learn", (), [SILENT])]
)
def test_a_cut_network_ends_both_sides(does: str, senders: tuple[int, ...], causes: list[str], nodes: Nodes) -> None:
    """One waits in the store, the other sleeps; or both sum gradients. What one of them sends may still arrive."""
    processes = begun(nodes, does)
    nodes.cut(*senders)
    outcomes = ended(processes)
    nodes.mend()
    for rank, (code, said) in enumerate(outcomes):
        assert code == 1
        assert any(f"process {rank} ends: process {1 - rank} failed: {cause}" in said for cause in causes)
        assert "the same command again" in said


@pytest.mark.parametrize("killed", [0, 1])
def test_a_machine_whose_processes_are_killed_is_missed_at_once(killed: int, nodes: Nodes) -> None:
    processes = begun(nodes, "wait")
    nodes.kill(killed)
    outcomes = ended(processes)
    assert outcomes[killed][0] == -signal.SIGKILL
    assert outcomes[1 - killed][0] == 1
    assert f"process {killed} failed: it ended without a word" in outcomes[1 - killed][1]


def test_a_held_interpreter_a_stranger_and_sleep_end_nothing(nodes: Nodes) -> None:
    """Both are silent for longer than the limit, and their kernels answer."""
    processes = begun(nodes, "hold", 2 * LIMIT)
    nodes.signal(0, signal.SIGSTOP)
    time.sleep(1.5 * LIMIT)
    nodes.signal(0, signal.SIGCONT)
    assert ended(processes) == [(0, ""), (0, "")]
