"""Runs that are killed at a random moment and gone on with: `python tests/kills.py --count 100 --seed 1`.

A trial kills the launcher, one of its processes or all of them, by a signal and at a moment that its seed draws, half of
the time within the first second. Then nothing may be left: no process after 15 seconds, no temporary folder. The run that
goes on, on another number of processes, must give the bytes of a run that nobody killed.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import warm

from plmtasks.config import LAUNCHED

HERE = Path(__file__).parent
RUN = [
    *(sys.executable, "-m", "plmtasks", "run", "--task", "toy/even", "--model", "toy-model"),
    *("--batch-tokens", "30", "--threads", "1"),
]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LEFT = 15.0
"""Seconds in which all processes of a killed run must have ended."""


def environment(temporary: Path, **more: str) -> dict[str, str]:
    temporary.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PLMTASKS_PLUGINS": "toy",
        "PYTHONPATH": str(HERE),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(temporary),
        **more,
    }


def finish(folder: Path, processes: int, temporary: Path) -> bytes:
    """result.json of the run, gone on with where there is a part of it."""
    done = warm.plmtasks([*RUN[3:], "--output", str(folder)], folder.parent, environment(temporary), processes=processes)
    assert done.returncode == 0, done.stderr
    (path,) = folder.rglob("result.json")
    return path.read_bytes()


def trial(seed: int, folder: Path, alone: bytes) -> str:
    """Kills a run and goes on with it; returns what was done.

    alone: result.json of a run that nobody killed

    raises: AssertionError
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background jobs ignore it, and their children would too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, temporary, output = random.Random(seed), folder / "tmp", folder / "results"
    number, whom, processes = rng.choice(SIGNALS), rng.choice(("launcher", "one", "all")), rng.choice((1, 2, 3))
    command = [*RUN, "--processes", str(processes), "--output", str(output)]
    said = folder / "said"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, env=environment(temporary, TOY_SLEEP="0.15"), stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
    early = rng.random() < 0.5
    if early:
        time.sleep(rng.uniform(0, 1))
    else:  # answering has begun, or it has ended already
        within(120, lambda: process.poll() is not None or bool(list(output.rglob("journal/*.jsonl"))))
        time.sleep(rng.uniform(0, 0.8))
    did = f"seed {seed}: {number.name} to {whom} of {processes}, {'in the first second' if early else 'while answering'}"
    _kill(process.pid, number, whom, rng)
    ended = within(LEFT, lambda: process.poll() is not None and not alive(process.pid))
    text = said.read_text(encoding="utf-8", errors="replace")
    assert ended, f"{did}: a process is left: {text}"
    assert not list(temporary.glob("plmtasks-*")), f"{did}: a temporary folder is left"
    assert "frame #" not in text, f"{did}: it printed frames of C++: {text}"
    if whom == "launcher" and process.returncode not in (0, -signal.SIGKILL):
        # before Python has come to our code, a signal ends it without a word
        assert "the same command" in text or (early and process.returncode == -number), f"{did}: no word on resuming: {text}"
    assert finish(output, rng.choice((1, 3)), temporary) == alone, f"{did}: other bytes"
    answered_once(output)
    return did


def answered_once(folder: Path) -> None:
    """Every example stands once in the predictions, and every batch once in the journals."""
    (predictions,) = folder.rglob("predictions.jsonl")
    ids = [json.loads(line)["id"] for line in predictions.read_text().splitlines()]
    assert len(set(ids)) == len(ids)
    lines = [line for path in folder.rglob("journal/*.jsonl") for line in path.read_text().splitlines()]
    batches = [json.loads(line.partition(" ")[2])["batch"] for line in lines if line.endswith("}")]
    assert sorted(batches) == list(range(len(batches)))


def _kill(launcher: int, number: signal.Signals, whom: str, rng: random.Random) -> None:
    found = children(launcher)
    try:
        if whom == "all":
            for process in (launcher, *map(int, found)):
                os.kill(process, number)
        else:
            os.kill(int(rng.choice(found)) if found and whom == "one" else launcher, number)
    except ProcessLookupError:  # it was faster
        pass


def children(pid: int) -> list[str]:
    """The numbers of a launcher's processes; a compiler that it asks something is none."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [line.split()[0] for line in found.stdout.splitlines() if line.endswith("worker")]


def alive(launcher: int) -> bool:
    """Whether it lives or a process that it started: what has ended and nobody asked for does not."""
    listed = subprocess.run(["ps", "axewwo", "pgid=,stat=,command="], capture_output=True, text=True, check=False).stdout
    rows = [line.split() for line in listed.splitlines()]
    mark = f"{LAUNCHED}={launcher}"  # each has a group of its own
    return any((row[0] == str(launcher) or mark in row) and not row[1].startswith("Z") for row in rows)


def within(seconds: float, condition: "object") -> bool:
    """Whether the condition held within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone = finish(Path(folder, "alone"), 1, Path(folder, "tmp"))
        failed = 0
        for seed in range(asked.seed, asked.seed + asked.count):
            place = Path(folder, str(seed))
            place.mkdir()
            try:
                print(trial(seed, place, alone), flush=True)
            except AssertionError as e:
                failed += 1
                print(f"FAILED {e}", flush=True)
    print(f"{asked.count} trials, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
