"""A real Slurm of two nodes on this machine, in network namespaces, without systemd.

    with cluster(folder) as slurm:
        slurm.run(0, ["sbatch", "--wrap", "srun hostname"])

Partition `main` is the default one; `urgent` preempts it, and what was preempted is queued again after a grace of three
seconds. As root, with Debian's slurmctld, slurmd, slurm-client and munge. `python tests/slurm.py COMMAND…` brings one up, runs
the command on its first node and takes it down again.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from nodes import Nodes, NoNodesError, two_nodes

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "srun", "sbatch", "squeue")
"""Debian's packages munge, slurmctld, slurmd and slurm-client bring them."""

CONF = """\
ClusterName=two
SlurmctldHost={first}({first_address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=5
SlurmdTimeout=10
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,requeue_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={first} NodeAddr={first_address} CPUs=2 RealMemory=4000
NodeName={second} NodeAddr={second_address} CPUs=2 RealMemory=4000
PartitionName=main Nodes={first},{second} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=3
PartitionName=urgent Nodes={first},{second} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


class NoSlurmError(Exception):
    """Why no Slurm comes up here."""


@dataclass(frozen=True)
class Slurm:
    """A cluster that is up."""

    nodes: Nodes
    folder: Path
    """Its configuration, state and logs."""

    @property
    def environment(self) -> Mapping[str, str]:
        """By which Slurm's commands, given on a node, find it."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(self, n: int, argv: Sequence[object], **options: Any) -> "subprocess.CompletedProcess[str]":
        """A command's output and exit code, given on a node."""
        return self.nodes.run(n, argv, **{"env": self.environment, **options})

    def popen(self, n: int, argv: Sequence[object], **options: Any) -> "subprocess.Popen[Any]":
        return self.nodes.popen(n, argv, **{"env": self.environment, **options})

    def states(self) -> dict[str, str]:
        """Job → its state, of those that Slurm still knows; elements of an array one by one."""
        lines = self.run(0, ["squeue", "--noheader", "--array", "--states=all", "--format=%i %T"]).stdout.splitlines()
        return dict(line.split() for line in lines)


@contextmanager
def cluster(folder: Path) -> Iterator[Slurm]:
    """A Slurm of two nodes until the block ends.

    folder: for its configuration, state and logs

    raises: NoSlurmError
    """
    if absent := [name for name in PROGRAMS if not shutil.which(name)]:
        raise NoSlurmError(f"no {' and no '.join(absent)} here (packages slurmctld, slurmd, slurm-client and munge)")
    with ExitStack() as stack:
        try:
            nodes = stack.enter_context(two_nodes("slurm"))
        except NoNodesError as e:
            raise NoSlurmError(str(e)) from e
        slurm = Slurm(nodes, folder)
        _configure(slurm)
        # root's own munge: another one of this machine is left alone
        socket = [f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"]
        key = [f"--key-file={folder}/munge.key", f"--log-file={folder}/munge.log"]
        stack.callback(_end, folder / "munge.pid")
        _start(slurm, 0, ["munged", "--force", *socket, *key])
        stack.callback(_end, folder / "slurmctld.pid")
        _start(slurm, 0, ["slurmctld"])
        for n, name in enumerate(nodes.names):
            stack.callback(_end, folder / f"slurmd-{name}.pid")
            _start(slurm, n, ["slurmd"])
        _wait(slurm)
        yield slurm


@contextmanager
def cluster_or_skip(folder: Path) -> Iterator[Slurm]:
    """`cluster` for a test or its fixture, which is skipped with the reason where there can be none."""
    with ExitStack() as stack:
        try:
            slurm = stack.enter_context(cluster(folder))
        except NoSlurmError as e:
            pytest.skip(str(e))
        yield slurm


def _configure(slurm: Slurm) -> None:
    folder, nodes = slurm.folder, slurm.nodes
    for name in ("state", *(f"spool-{node}" for node in nodes.names)):
        (folder / name).mkdir(parents=True)
    (first, second), (first_address, second_address) = nodes.names, nodes.addresses
    told = {"first": first, "second": second, "first_address": first_address, "second_address": second_address}
    (folder / "slurm.conf").write_text(CONF.format(folder=folder, **told))
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    cgroup = "CgroupPlugin=cgroup/v2\nIgnoreSystemd=yes\n" if unified else "CgroupPlugin=cgroup/v1\n"
    (folder / "cgroup.conf").write_text(cgroup)
    subprocess.run(["mungekey", "--create", f"--keyfile={folder}/munge.key"], check=True, capture_output=True)


def _start(slurm: Slurm, n: int, argv: Sequence[str]) -> None:
    """Starts a daemon on a node.

    raises: NoSlurmError with what it said
    """
    done = slurm.run(n, argv, timeout=30)
    if done.returncode:
        raise NoSlurmError(f"{argv[0]} does not start: {done.stderr.strip()}")


def _wait(slurm: Slurm) -> None:
    """Until both nodes are idle.

    raises: NoSlurmError after 30 seconds
    """
    deadline = time.monotonic() + 30
    while slurm.run(0, ["sinfo", "--noheader", "--Node", "--partition=main", "--format=%T"]).stdout.split() != ["idle", "idle"]:
        if time.monotonic() > deadline:
            raise NoSlurmError(f"the nodes do not come up: {slurm.run(0, ['sinfo', '--list-reasons']).stdout}")
        time.sleep(0.1)


def _end(pid: Path) -> None:
    """Ends the daemon whose number stands in a file, and waits for it."""
    try:
        number = int(pid.read_text())
        os.kill(number, signal.SIGTERM)
    except (OSError, ValueError):  # it never came up
        return
    deadline = time.monotonic() + 10
    while Path(f"/proc/{number}").exists():
        if time.monotonic() > deadline:
            os.kill(number, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="slurm-") as made, cluster(Path(made)) as up:
        sys.exit(up.popen(0, sys.argv[1:] or ["sinfo"]).wait())
