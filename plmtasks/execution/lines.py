"""Connections between the processes of a run, over which each hears of the end of another, whatever its cause."""

import ipaddress
import json
import math
import os
import secrets
import selectors
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config import LAUNCHED
from ..errors import ProcessError
from .watch import RESUME, SILENCE, end, silence

if TYPE_CHECKING:
    from .processes import Processes

GRACE = 1.0
"""Seconds between hearing of a failure and ending for it: a launcher tells of the first end that it sees."""

START = 300.0
"""Seconds in which all processes must have come."""

LEFT = "left"
"""What a process says that ends well."""


@dataclass
class Peer:
    """The other end of a connection."""

    connection: socket.socket
    rank: int | None = None
    """None for one that has not said yet who it is."""
    unread: str = ""


class Lines:
    """The main process's connections with all others, or another's with the main one.

    A process that ends, whichever way, lets go of its connection, and a machine that is gone or cut off does not answer the
    probes of the other's kernel. So no clock of ours runs here, and a process that is busy is seen alive without a word of it.
    """

    def __init__(self, processes: "Processes") -> None:
        self.processes, self.silence = processes, silence()
        self.missing = set(range(1, processes.count)) if processes.main else set[int]()
        """Ranks that have yet to come."""
        self.peers: dict[int, Peer] = {}
        self._heard, self._alone = threading.Event(), threading.Event()
        self._deadline = time.monotonic() + START
        self._selector = selectors.DefaultSelector()
        self._stop, stopped = socket.socketpair()
        self._selector.register(stopped, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def open(self) -> None:
        """Connects this process with the main one, or the main one with all others as they come.

        raises: ProcessError if the main process does not come, or cannot be reached
        """
        if self.processes.count == 1:
            return
        if self.processes.main:
            server, host = _server(self.processes)
            self._word = secrets.token_hex(16)  # a stranger's connection tells of nobody
            self.processes.send("lines", json.dumps([host, server.getsockname()[1], self._word]).encode())
            self._selector.register(server, selectors.EVENT_READ, server)
        else:
            peer = Peer(self._connection(), rank=0)
            self.peers[0] = peer
            self._selector.register(peer.connection, selectors.EVENT_READ, peer)
        self._thread.start()

    def _connection(self) -> socket.socket:
        key, store, rank = f"{self.processes.scope}lines", self.processes.store, self.processes.rank
        while not store.check([key]):  # polled, not blocked in the store: a signal is to end this
            if time.monotonic() > self._deadline:
                raise ProcessError(f"process 0 has not come within {START:.0f} s", RESUME)
            time.sleep(0.02)
        host, port, word = json.loads(store.get(key))
        try:
            connection = socket.create_connection((host, port), timeout=self.silence)
            connection.settimeout(None)
            connection.sendall(f"{word} {rank}\n".encode())
        except OSError as e:
            raise ProcessError(
                f"process {rank} cannot reach process 0 at {host}, port {port}: {e}",
                "the processes of a run meet at ports that their system chooses: let these through between the machines",
            ) from e
        probe(connection, self.silence)
        return connection

    def heard(self, seconds: float = 0.0) -> bool:
        """Whether another's failure is heard of within so many seconds; it will end this process."""
        return self._heard.wait(seconds)

    def tell(self, failure: dict[str, Any]) -> None:
        """Tells all others of a failure, or the main process, which passes it on; not the one that failed: it says so itself."""
        self._say(json.dumps({**failure, "message": failure["message"][:2000]}), but=failure["rank"])

    def leave(self) -> None:
        """Says that this process ends well; the main one returns once all others have said so."""
        if not self.processes.main:
            self._deafen()  # the main one lets go of the connection as soon as it has read that
            self._say(LEFT)
        elif self.processes.count > 1:
            self._alone.wait()

    def close(self) -> None:
        """Hears of nobody any more."""
        self._deafen()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # all of them are sockets
        self._selector.close()

    def _deafen(self) -> None:
        self._stop.close()
        if self._thread.ident:
            self._thread.join()

    def wait(self) -> None:
        """Waits for the end of this process that a failure brings, or for `close`."""
        self._thread.join()

    def _say(self, line: str, but: int | None = None) -> None:
        for peer in [peer for rank, peer in list(self.peers.items()) if rank != but]:
            with suppress(OSError):  # it has ended itself, or does not take more: whoever waits for it may wait for good
                peer.connection.send(f"{line}\n".encode(), getattr(socket, "MSG_DONTWAIT", 0))

    def _listen(self) -> None:
        while True:
            late = max(0.0, self._deadline - time.monotonic()) if self.missing else None
            for key, _ in self._selector.select(late):
                if key.data is None:
                    return
                if isinstance(key.data, Peer):
                    self._read(key.data)
                else:
                    self._accept(key.data)
            if self.missing and time.monotonic() > self._deadline:
                self._end({"rank": min(self.missing), "message": f"it has not come within {START:.0f} s", "exit_code": 1})

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):  # whoever called has gone
            connection, _ = server.accept()
            probe(connection, self.silence)
            self._selector.register(connection, selectors.EVENT_READ, Peer(connection))

    def _read(self, peer: Peer) -> None:
        try:
            data, why = peer.connection.recv(65536), "it ended without a word"
        except ConnectionError:
            data, why = b"", "it ended without a word"
        except OSError:  # timed out, or no way to its machine
            data, why = b"", f"it gave no sign of life for {self.silence:g} s ({SILENCE})"
        *lines, peer.unread = (peer.unread + data.decode(errors="replace")).split("\n")
        for line in lines:
            if peer.rank is None:
                self._meet(peer, line)
            elif line == LEFT:
                return self._forget(peer)
            else:
                self._end(json.loads(line))
        if not data and peer.rank is not None:
            self._end({"rank": peer.rank, "message": why, "exit_code": 1})
        if not data or (peer.rank is None and (lines or len(peer.unread) > 100)):
            self._forget(peer)
        return None

    def _meet(self, peer: Peer, line: str) -> None:
        word, _, rank = line.partition(" ")
        if secrets.compare_digest(word.encode(), self._word.encode()) and int(rank) in self.missing:
            peer.rank = int(rank)
            self.peers[peer.rank] = peer
            self.missing.discard(peer.rank)

    def _forget(self, peer: Peer) -> None:
        self._selector.unregister(peer.connection)
        peer.connection.close()
        if peer.rank is not None:
            del self.peers[peer.rank]
            if not self.peers and not self.missing:
                self._alone.set()

    def _end(self, failure: dict[str, Any]) -> None:
        """Ends this process for another's failure."""
        self._heard.set()
        self.tell(failure)  # the main process passes it on
        time.sleep(GRACE)
        if LAUNCHED not in os.environ:  # our launcher tells of it
            message = f"process {failure['rank']} failed: {failure['message']}"
            with suppress(OSError):  # the terminal may have ended with it
                sys.stderr.write(f"process {self.processes.rank} ends: {message}\n  {RESUME}\n")
        end(failure["exit_code"])


def probe(connection: socket.socket, seconds: float) -> None:
    """Has the kernel ask the other one whether it is there, and break a connection that was not answered for so long."""
    step = max(1, int(seconds / 10))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    settings = {
        "TCP_KEEPIDLE": step, "TCP_KEEPALIVE": step, "TCP_KEEPINTVL": step,  # TCP_KEEPALIVE is macOS's KEEPIDLE
        "TCP_KEEPCNT": math.ceil(seconds / step), "TCP_USER_TIMEOUT": math.ceil(1000 * seconds),
    }  # fmt: skip
    for name, value in settings.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _server(processes: "Processes") -> tuple[socket.socket, str]:
    """Where the main process listens, and the host under which all others reach it."""
    master, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    family, kind, _, _, address = socket.getaddrinfo(master, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as way:  # nothing is sent
        way.connect(address)
        own = str(way.getsockname()[0])
    if not ipaddress.ip_address(own).is_loopback or processes.local_count == processes.count:
        host = bound = own
    else:  # a name of this machine, which the others know by another address
        host, bound = master, ""
    return socket.create_server((bound, 0), family=family, backlog=processes.count + 8), host
