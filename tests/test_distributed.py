"""One run over any number of processes: the same bytes; and when one fails, all end and the next goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import kills
import pytest
import warm

from plmtasks.config import run_config
from plmtasks.errors import ProcessError
from plmtasks.evaluation import run_apart
from plmtasks.hooks import load_registry

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
TOY = ["--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30", "--threads", "1"]
PYTHON = [sys.executable, "-m", "plmtasks"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PLMTASKS_PLUGINS": "toy", "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", **more}


def run(command: list[str], processes: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    """processes: as so many, as any launcher starts them; else the command says how many, and its own launcher starts them"""
    if command[:3] == PYTHON:
        return warm.plmtasks(command[3:], Path.cwd(), environment(**more), processes=processes)
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=120, check=False)


def result_bytes(folder: Path) -> bytes:
    (path,) = folder.rglob("result.json")
    return path.read_bytes()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """result.json of one process."""
    folder = tmp_path_factory.mktemp("alone")
    done = run([*PYTHON, "run", *TOY, "--output", str(folder)])
    assert done.returncode == 0, done.stderr
    return result_bytes(folder)


def test_processes_share_the_work_and_give_the_same_bytes(alone: bytes, tmp_path: Path) -> None:
    done = run([*PYTHON, "run", *TOY, "--processes", "3", "--output", str(tmp_path)], TOY_SLEEP="0.2")
    assert done.returncode == 0, done.stderr
    assert result_bytes(tmp_path) == alone
    kills.answered_once(tmp_path)
    assert len(list(tmp_path.rglob("journal/*.jsonl"))) > 1, "one process did all the work"


@pytest.mark.parametrize("examples", ["0", "1"])
def test_fewer_examples_than_processes(examples: str, tmp_path: Path) -> None:
    for count in ("1", "2"):
        done = run([*PYTHON, "run", *TOY, "--limit", examples, "--output", str(tmp_path / count)], processes=int(count))
        assert done.returncode == 0, done.stderr
    assert result_bytes(tmp_path / "1") == result_bytes(tmp_path / "2")
    kills.answered_once(tmp_path / "2")


@pytest.mark.parametrize(("count", "memory", "halvings"), [("1", "2", 3), ("2", "4", 1)])
def test_a_batch_that_does_not_fit_into_memory(count: str, memory: str, halvings: int, tmp_path: Path) -> None:
    command = [*PYTHON, "run", *TOY, "--output", str(tmp_path)]
    done = run([*command, "--processes", count], TOY_MEMORY=memory)
    assert done.returncode == 5
    assert "does not fit into memory" in done.stderr
    assert "--config retry_oom=true" in done.stderr
    assert not list(tmp_path.rglob("result.json"))
    done = run([*command, "--processes", count, "--config", "retry_oom=true"], TOY_MEMORY=memory)
    assert done.returncode == 0, done.stderr
    assert "again with --batch-tokens 15\n" in done.stderr
    [record] = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    budget = record["settings"]["batch_tokens"]
    assert budget == 30 // 2**halvings
    assert f"again with --batch-tokens {budget}\n" in done.stderr
    assert run([*command, "--batch-tokens", str(budget)]).stdout == done.stdout


def test_threads_that_nobody_chose_stay_those_of_the_first_attempt(tmp_path: Path) -> None:
    """More processes would mean fewer threads each, and so another identity: the run begun goes on instead."""
    command = [*PYTHON, "run", "--task", "toy/even", "--model", "toy-model", "--batch-tokens", "30", "--output", str(tmp_path)]
    assert run(command, TOY_FAULT="raise:0:3", OMP_NUM_THREADS="").returncode == 1
    done = run([*command, "--processes", "2"], OMP_NUM_THREADS="")
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("config.json"))) == 1
    kills.answered_once(tmp_path)
    if len(os.sched_getaffinity(0)) > 1:
        assert "it goes on with as many" in done.stderr


def agents(tmp_path: Path, **more: str) -> list[tuple[int, str]]:
    """Two torchrun agents on loopback, each in its own folder; exit code and output of both."""
    port = _free_port()
    command = [*TORCHRUN, "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "test"]
    command += ["--rdzv-endpoint", f"127.0.0.1:{port}", "-m", "plmtasks", "run", *TOY]
    folders = [tmp_path / f"node{i}" for i in range(2)]
    for folder in folders:
        folder.mkdir()
    started = [
        subprocess.Popen(
            [*command, "--output", "results"], cwd=folder, env=environment(**more),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for folder in folders
    ]  # fmt: skip
    try:
        outputs = [agent.communicate(timeout=120)[0] for agent in started]
    finally:
        for agent in started:
            agent.kill()
    return [(agent.returncode, output) for agent, output in zip(started, outputs, strict=True)]


def test_two_nodes(alone: bytes, tmp_path: Path) -> None:
    """With journals in two folders; one folder is what processes of one node have."""
    ended = agents(tmp_path, TOY_SLEEP="0.3")
    assert [code for code, _ in ended] == [0, 0], "\n".join(output for _, output in ended)
    written = list(tmp_path.rglob("result.json"))
    assert len(written) == 1
    assert written[0].read_bytes() == alone
    folders = [tmp_path / "node0", tmp_path / "node1"]
    assert all(list(folder.rglob("journal/*.jsonl")) for folder in folders), "a node did no work"


def test_a_node_whose_process_is_killed_ends_the_other(tmp_path: Path) -> None:
    """SIGKILL tells nobody, and an agent not the other: the connection that broke does."""
    stamp = tmp_path / "stamp"
    ended = agents(tmp_path, TOY_FAULT="kill:1:2", TOY_SLEEP="0.3", TOY_STAMP=str(stamp))
    assert all(code != 0 for code, _ in ended)
    assert "process 0 ends: process 1 failed: it ended without a word" in "".join(output for _, output in ended)
    assert time.time() - float(stamp.read_text()) < 20, "no time without a sign of life has to pass"


def test_a_node_that_stands_still_for_a_while_is_waited_for(alone: bytes, tmp_path: Path) -> None:
    """A network file system stalls, a machine moves: a process is stopped for longer than a silent node is waited for."""
    told = environment(TOY_SLEEP="0.2", PLMTASKS_NODE_TIMEOUT="2")
    nodes = warm.started(["run", *TOY, "--output", str(tmp_path)], tmp_path, told, processes=2)
    try:
        _wait_for(lambda: len(list(tmp_path.rglob("journal/*.jsonl"))) == 2, 60)
        os.kill(nodes[1].pid or 0, signal.SIGSTOP)
        time.sleep(5)
        os.kill(nodes[1].pid or 0, signal.SIGCONT)
        for node in nodes:
            node.join(60)
    finally:
        for node in nodes:
            node.kill()
    assert [node.exitcode for node in nodes] == [0, 0]
    assert result_bytes(tmp_path) == alone


def test_how_long_a_silent_node_is_waited_for_is_a_number(tmp_path: Path) -> None:
    done = run([*PYTHON, "run", *TOY, "--processes", "2", "--output", str(tmp_path)], PLMTASKS_NODE_TIMEOUT="soon")
    assert done.returncode == 2
    assert "PLMTASKS_NODE_TIMEOUT is 'soon'" in done.stderr


def test_torchrun_starts_again_after_a_failure(alone: bytes, tmp_path: Path) -> None:
    """Its store outlives the attempt: the next one must not see what the first left there."""
    command = [*TORCHRUN, "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "-m", "plmtasks", "run", *TOY]
    done = run([*command, "--output", str(tmp_path)], TOY_FAULT="once:1:2", TOY_SLEEP="0.3", TOY_STAMP=str(tmp_path / "stamp"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stamp").exists()
    assert result_bytes(tmp_path) == alone


def _free_port() -> int:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def test_accelerate_launch_that_starts_one_of_several_says_so(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m", "plmtasks", "run", *TOY]
    done = run([*launch, "--output", str(tmp_path)])
    assert done.returncode != 0
    assert "accelerate launch was to start several processes; this is one, and it knows of no other" in done.stderr
    assert not list(tmp_path.rglob("result.json"))


def test_accelerate_launch_runs(alone: bytes, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "-m", "plmtasks", "run", *TOY]
    done = run([*launch, "--output", str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert result_bytes(tmp_path) == alone


@pytest.mark.parametrize(
    ("fault", "said"), [("raise:1:2", "RuntimeError: a fault on demand"), ("kill:1:2", "SIGKILL"), ("kill:0:2", "SIGKILL")]
)
def test_one_fails_all_end_and_the_next_goes_on(fault: str, said: str, alone: bytes, tmp_path: Path) -> None:
    command = [*PYTHON, "run", *TOY, "--output", str(tmp_path)]
    # a minute a batch for the process that does not fail: without a word to it, it would go on for long
    done = run([*command, "--processes", "2"], TOY_FAULT=fault, TOY_SLEEP="0.3")
    assert done.returncode == 1
    assert said in done.stderr
    assert "run the same command again" in done.stderr
    assert not list(tmp_path.rglob("result.json"))
    kept = sum(p.read_bytes().count(b"\n") for p in tmp_path.rglob("journal/*.jsonl"))
    assert kept >= 1
    assert run(command).returncode == 0
    assert result_bytes(tmp_path) == alone
    kills.answered_once(tmp_path)


def test_the_others_end_within_ten_seconds(tmp_path: Path) -> None:
    """Process 0 fails in its first batch; process 1 would sleep for minutes in its own."""
    stamp = tmp_path / "stamp"
    fault = {"TOY_FAULT": "raise:0:1", "TOY_SLEEP": "0.1", "TOY_SLEEP_1": "300", "TOY_STAMP": str(stamp)}
    done = run([*PYTHON, "run", *TOY, "--processes", "2", "--output", str(tmp_path)], **fault)
    assert done.returncode == 1
    assert "a fault on demand" in done.stderr
    assert time.time() - float(stamp.read_text()) < 10


def test_under_torchrun_too(tmp_path: Path) -> None:
    done = run(
        [*TORCHRUN, "--standalone", "--nproc-per-node", "2", "-m", "plmtasks", "run", *TOY, "--output", str(tmp_path)],
        TOY_FAULT="raise:1:1", TOY_SLEEP="0.1", TOY_SLEEP_0="300",
    )  # fmt: skip
    assert done.returncode != 0
    assert "RuntimeError: a fault on demand" in done.stderr


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_killed_at_any_moment_and_resumed(seed: int, alone: bytes, tmp_path: Path) -> None:
    """A signal to the launcher, to one process or to all: nothing is left, lost or doubled; kills.py tries more."""
    kills.trial(seed, tmp_path, alone)


def test_a_launcher_that_is_killed_before_its_processes_have_met(tmp_path: Path) -> None:
    """They see that it is gone, not only that its store does not answer."""
    command = [*PYTHON, "run", *TOY, "--processes", "2", "--output", str(tmp_path / "results")]
    process = subprocess.Popen(
        command, env=environment(TMPDIR=str(tmp_path)), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    _wait_for(lambda: kills.children(process.pid), 60)
    os.kill(process.pid, signal.SIGKILL)
    assert "the same command again" in process.communicate(timeout=kills.LEFT)[1]  # it ends with the last that holds the pipe
    assert kills.within(kills.LEFT, lambda: not kills.alive(process.pid))  # a pipe closes before its process has ended
    assert not list(tmp_path.glob("plmtasks-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_launcher_says_how_to_go_on(number: signal.Signals, tmp_path: Path) -> None:
    command = [*PYTHON, "run", *TOY, "--processes", "2", "--output", str(tmp_path / "results")]
    process = subprocess.Popen(
        command, env=environment(TMPDIR=str(tmp_path), TOY_SLEEP="0.5"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    _wait_for(lambda: list(tmp_path.rglob("journal/*.jsonl")), 60)
    process.send_signal(number)
    said = process.communicate(timeout=kills.LEFT)[1]
    assert process.returncode == 128 + number
    assert said.splitlines()[-1] == "interrupted: the same command goes on where it was"
    assert "frame #" not in said
    assert kills.within(kills.LEFT, lambda: not kills.alive(process.pid))  # a pipe closes before its process has ended
    assert not list(tmp_path.glob("plmtasks-*"))


def test_what_ignores_hangups_goes_on(alone: bytes, tmp_path: Path) -> None:
    command = ["nohup", *PYTHON, "run", *TOY, "--processes", "2", "--output", str(tmp_path)]
    process = subprocess.Popen(command, env=environment(TOY_SLEEP="0.1"), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for(lambda: list(tmp_path.rglob("journal/*.jsonl")), 60)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
    assert result_bytes(tmp_path) == alone


def _wait_for(condition: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_process_that_leaves_with_nothing_done_is_no_end_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library ends it with 0, so that no failure is told and nothing comes."""
    for name, value in environment(TOY_FAULT="leave:0:1").items():
        monkeypatch.setenv(name, value)
    config = run_config("toy/even", "toy-model", output=str(tmp_path), batch_tokens=30, threads=1, quiet=True)
    with pytest.raises(ProcessError, match="all processes ended well, and did not do what they were to do"):
        run_apart(config, load_registry(), learns=False)
