"""A real Ray cluster of two nodes, each a machine of its own as far as the network goes."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes import Nodes, nodes_or_skip

PORT = 6379
START = (
    sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus", "2", "--object-store-memory", "100000000",
    "--include-log-monitor", "false", "--block",
)  # fmt: skip
TESTS = (Path(__file__).parents[3] / "tests", Path(__file__).parent)


@dataclass(frozen=True)
class Cluster:
    """Two nodes with two CPUs each; the first is the head."""

    nodes: Nodes
    environment: Mapping[str, str]

    def popen(self, argv: list[object], folder: Path, **more: str) -> "subprocess.Popen[str]":
        """A command on the head."""
        pipe = subprocess.PIPE
        return self.nodes.popen(
            0, argv, cwd=folder, env={**self.environment, **more}, stdout=pipe, stderr=pipe, text=True
        )  # fmt: skip

    def workers(self, n: int, of: str = "Inside") -> list[int]:
        """The processes of node n that Ray started for a class or a function of this name."""
        return [pid for pid in self.nodes.pids(n) if _command(pid).startswith(f"ray::{of}")]


@contextmanager
def two_ray_nodes(folder: Path) -> Iterator[Cluster]:
    """Two nodes until the block ends; a test is skipped where there can be none.

    folder: for their logs
    """
    (folder / "token").write_text(secrets.token_hex(32))
    with nodes_or_skip("ray") as nodes, ExitStack() as stack:
        head = f"{nodes.addresses[0]}:{PORT}"
        environment = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_ADDRESS": head, "PLMTASKS_PLUGINS": "toy,cluster_toy", "PYTHONPATH": os.pathsep.join(map(str, TESTS)),
        }  # fmt: skip
        made = Cluster(nodes, environment)
        # sockets have short paths
        place = Path("/tmp", f"ray-{os.getpid()}")
        stack.callback(subprocess.run, ["rm", "-rf", place], check=True)
        where = (
            ["--head", "--port", PORT, "--include-dashboard", "false", "--temp-dir", place],
            ["--address", head],
        )  # fmt: skip
        for n, said in enumerate(where):
            log = stack.enter_context((folder / f"node{n}.log").open("a"))
            command = [*START, "--node-ip-address", nodes.addresses[n], *said]
            started = {name: value for name, value in environment.items() if name != "RAY_ADDRESS"}
            while not _ready(nodes.popen(n, command, env=started, stdout=log, stderr=subprocess.STDOUT), Path(log.name)):
                log.truncate(0)
        yield made


def _ready(process: "subprocess.Popen[Any]", log: Path) -> bool:
    """Whether the node has started, once it has; not, if a busy machine took more than the 30 s that Ray gives it."""
    while "Ray runtime started" not in (said := log.read_text()):
        if process.poll() is not None:
            assert "timed out during startup" in said, said
            return False
        time.sleep(0.1)
    return True


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
