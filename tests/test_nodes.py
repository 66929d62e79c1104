"""Two machines on this one are two, and their cable can be cut."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import nodes as machines
import pytest
from nodes import Nodes, nodes_or_skip, two_nodes

HEAR = """
import socket, sys
with socket.create_server((sys.argv[1], 5000)) as server:
    print("listens", flush=True)
    with server.accept()[0] as one:
        while heard := one.recv(100):
            print(heard.decode(), flush=True)
            one.sendall(heard.upper())
"""

SAY = """
import socket, sys
with socket.create_connection((sys.argv[1], 5000)) as one:
    for line in sys.stdin:
        word, seconds = line.split()
        one.sendall(word.encode())
        one.settimeout(float(seconds))
        try:
            print(one.recv(100).decode(), flush=True)
        except TimeoutError:
            print("nothing", flush=True)
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with nodes_or_skip() as made:
        yield made


def test_a_command_runs_on_its_node(nodes: Nodes) -> None:
    for n in (0, 1):
        assert nodes.run(n, ["hostname"]).stdout.strip() == f"node{n}"
        assert nodes.addresses[n] in nodes.run(n, ["getent", "hosts", nodes.names[n]]).stdout
        assert nodes.run(n, ["sh", "-c", "exit 3"]).returncode == 3
    assert os.uname().nodename not in nodes.names


@pytest.mark.parametrize("senders", [(), (0,), (1,)])
def test_what_is_sent_over_a_cut_cable_comes_once_it_is_mended(nodes: Nodes, senders: tuple[int, ...]) -> None:
    hears = nodes.popen(1, [sys.executable, "-c", HEAR, nodes.addresses[1]], stdout=subprocess.PIPE, text=True)
    assert hears.stdout
    assert hears.stdout.readline() == "listens\n"
    says = nodes.popen(
        0, [sys.executable, "-c", SAY, nodes.addresses[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with hears, says:
        assert says.stdin
        assert says.stdout

        def answer(word: str, seconds: float = 60) -> str:
            says.stdin.write(f"{word} {seconds}\n")
            says.stdin.flush()
            return says.stdout.readline().strip()

        assert answer("one") == "ONE"
        assert hears.stdout.readline() == "one\n"
        nodes.cut(*senders)
        assert answer("two", 0.5) == "nothing"
        if senders == (1,):  # it was heard, only the answer was lost
            assert hears.stdout.readline() == "two\n"
        nodes.mend()
        assert answer("three").startswith("TWO")
        says.stdin.close()


def test_a_node_is_killed_whole_and_alone(nodes: Nodes) -> None:
    sleepers = [nodes.popen(n, ["sh", "-c", "sleep 60 & sleep 60"]) for n in (0, 1)]
    while [len(nodes.pids(n)) for n in (0, 1)] != [3, 3]:
        time.sleep(0.02)
    nodes.kill(1)
    assert sleepers[1].wait() == -signal.SIGKILL
    assert nodes.pids(1) == []
    assert len(nodes.pids(0)) == 3
    nodes.kill(0)
    sleepers[0].wait()


def test_nothing_is_left_of_them() -> None:
    with suppress(KeyboardInterrupt), nodes_or_skip() as made:
        sleeper = made.popen(0, ["sleep", "60"])
        while not made.pids(0):  # before, it is on no node
            time.sleep(0.02)
        raise KeyboardInterrupt
    assert sleeper.wait() == -signal.SIGKILL
    assert made.spaces[0] not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert not made.hosts.exists()


def test_the_reason_is_said_where_they_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(machines.NoNodesError, match="no ip and no nsenter and no unshare here"), two_nodes():
        pass
    monkeypatch.setattr(machines.os, "geteuid", lambda: 1000)
    with pytest.raises(machines.NoNodesError, match="root alone"), two_nodes():
        pass
