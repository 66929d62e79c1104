"""Two machines on this one: network namespaces joined by a cable that can be cut.

    with two_nodes() as nodes:
        nodes.popen(0, ["torchrun", "--master-addr", nodes.addresses[0], …])
        nodes.cut()

As root, with iproute2 and util-linux. Each has a host name and an /etc/hosts of its own. Nothing outside a pair reaches it
and it reaches nothing outside, so several may be up at once. Files and the process table are shared; `nodes.pids(n)` are the
processes of one machine.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_made = itertools.count()

ENTER = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'
"""A shell's words that make it a command on a node: its arguments are the host name, the file of hosts and the command."""


class NoNodesError(Exception):
    """Why machines of one's own cannot be had here."""


@dataclass(frozen=True)
class Nodes:
    """Machines 0 and 1."""

    spaces: tuple[str, str]
    """Their network namespaces, as `ip netns` knows them."""
    addresses: tuple[str, str]
    names: tuple[str, str]
    """Their host names, which both know."""
    hosts: Path

    def command(self, n: int, argv: Sequence[object]) -> list[str]:
        """The command that runs another one on node n: it becomes it, so that a signal to it reaches the other."""
        # not `ip netns exec`, which hides /sys/fs/cgroup
        inside = ["nsenter", f"--net=/run/netns/{self.spaces[n]}", "unshare", "--uts", "--mount", "sh", "-c", ENTER]
        return [*inside, self.names[n], str(self.hosts), *map(str, argv)]

    def popen(self, n: int, argv: Sequence[object], **options: Any) -> "subprocess.Popen[Any]":
        return subprocess.Popen(self.command(n, argv), **options)

    def run(self, n: int, argv: Sequence[object], **options: Any) -> "subprocess.CompletedProcess[str]":
        """A command's output and exit code, as `subprocess.run` gives them for text."""
        return subprocess.run(
            self.command(n, argv), **{"capture_output": True, "text": True, "check": False, **options}
        )  # fmt: skip

    def pids(self, n: int) -> list[int]:
        """The processes that run on node n; one that has ended and that nobody asked for is none."""
        return [pid for pid in map(int, _ip("netns", "pids", self.spaces[n]).split()) if not _ended(pid)]

    def signal(self, n: int, number: int) -> None:
        """Sends a signal to all processes of node n: SIGKILL is a machine without power, SIGSTOP one that sleeps."""
        for pid in self.pids(n):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, n: int) -> None:
        """Kills all processes of node n, those too that start meanwhile."""
        while self.pids(n):
            self.signal(n, signal.SIGKILL)
            time.sleep(0.02)

    def cut(self, *senders: int) -> None:
        """What these nodes send is lost without a word from now on, as in a switch that failed; what both send, by default."""
        for n in senders or (0, 1):
            # to a card that is not there: what the node sends leaves it and nobody takes it
            self._neighbour(n, "02:00:00:00:00:ff")

    def mend(self) -> None:
        """The cable carries in both directions again."""
        for n in (0, 1):
            self._neighbour(n, _card(1 - n))

    def _neighbour(self, n: int, card: str) -> None:
        _ip("-n", self.spaces[n], "neigh", "replace", self.addresses[1 - n], "lladdr", card, "dev", "wire", "nud", "permanent")


@contextmanager
def two_nodes(name: str = "node", names: tuple[str, str] = ("node0", "node1")) -> Iterator[Nodes]:
    """Two machines until the block ends; then all of their processes are killed.

    name: how the names of their namespaces begin
    names: their host names

    raises: NoNodesError
    """
    if os.geteuid() != 0:
        raise NoNodesError("network namespaces are made by root alone")
    if absent := [tool for tool in ("ip", "nsenter", "unshare") if not shutil.which(tool)]:
        raise NoNodesError(f"no {' and no '.join(absent)} here (packages iproute2 and util-linux)")
    # a subnet of its own where others see addresses alone, in a log or in a folder's name
    number = os.getpid() + next(_made)
    subnet = f"10.{64 + number // 254 % 128}.{1 + number % 254}"
    with tempfile.TemporaryDirectory(prefix="nodes-") as folder:
        addresses = (f"{subnet}.1", f"{subnet}.2")
        hosts = Path(folder, "hosts")
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for a, n in zip(addresses, names, strict=True)))
        mark = f"{name}-{os.getpid()}-{Path(folder).name.removeprefix('nodes-')}"
        nodes = Nodes((f"{mark}-0", f"{mark}-1"), addresses, names, hosts)
        try:
            _make(nodes)
            yield nodes
        finally:
            for n in (0, 1):
                with suppress(NoNodesError):  # one that was not made, after an error that says so
                    nodes.kill(n)
                    _ip("netns", "del", nodes.spaces[n])


@contextmanager
def nodes_or_skip(name: str = "node", names: tuple[str, str] = ("node0", "node1")) -> Iterator[Nodes]:
    """`two_nodes` for a test or its fixture, which is skipped with the reason where they cannot be had."""
    with ExitStack() as stack:
        try:
            nodes = stack.enter_context(two_nodes(name, names))
        except NoNodesError as e:
            pytest.skip(str(e))
        yield nodes


def _make(nodes: Nodes) -> None:
    """raises: NoNodesError"""
    for space in nodes.spaces:
        _ip("netns", "add", space)
    here, there = nodes.spaces
    # both ends are made where they belong: nothing of them is ever seen outside, and every pair may name its cable alike
    _ip("link", "add", "wire", "address", _card(0), "netns", here, "type", "veth",
        "peer", "name", "wire", "address", _card(1), "netns", there)  # fmt: skip
    for n, space in enumerate(nodes.spaces):
        _ip("-n", space, "addr", "add", f"{nodes.addresses[n]}/24", "dev", "wire")
        for device in ("lo", "wire"):
            _ip("-n", space, "link", "set", device, "up")
    nodes.mend()
    done = nodes.run(0, ["true"])  # a container may give namespaces of the network and none for mounts
    if done.returncode:
        raise NoNodesError(done.stderr.strip())


def _card(n: int) -> str:
    """The address of node n's network card."""
    return f"02:00:00:00:00:0{n + 1}"


def _ip(*arguments: str) -> str:
    """raises: NoNodesError with what `ip` said"""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNodesError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
