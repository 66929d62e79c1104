"""Damaged files of every kind, given to every command that reads them: no traceback, no blamed plugin, no hang, no flood.

    python tests/fuzz.py --seed 7 --count 2000

Each input runs in a process of its own, forked from one that has imported all. What fails is printed with the numbers by which
`--only` makes it again, and its folder is kept with `--keep`.
"""

import argparse
import csv
import hashlib
import json
import os
import pkgutil
import random
import re
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fuzz_inputs import TARGETS, Target, make
from fuzz_mutations import mutate

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

SECONDS = 20
BYTES = 4 << 30

HEAVY = ("torch", "transformers", "peft", "onnxruntime", "onnx", "accelerate")
LIGHT = (
    "numpy",
    "scipy.stats",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "rich.table",
    "sacrebleu",
)


@dataclass(frozen=True)
class Done:
    """What became of one command."""

    command: str
    code: int
    """Negative: the signal that ended it."""
    out: str
    err: str
    seconds: float
    bytes: int
    """The peak of its memory, beyond what the parent had."""

    def fault(self) -> str:
        """What it should not have done; empty: nothing."""
        if self.code == -signal.SIGKILL and self.bytes <= BYTES:
            return f"hang: {self.seconds:.0f} s"
        if self.bytes > BYTES:
            return f"flood: {self.bytes >> 20} MiB"
        if "Traceback (most recent call last)" in self.err:
            return f"traceback: {self.err.strip().splitlines()[-1][:200]}"
        if re.search(r"plugin '.*' \(.*\) failed", self.err):
            return f"blamed plugin: {self.err.strip().splitlines()[0][:300]}"
        if self.code not in (0, 1, 2, 3, 4, 5):
            return f"exit code {self.code}"
        if CONTROL.search(self.out + self.err):
            return f"control characters on the terminal: {_first_control(self.out + self.err)}"
        if "--format csv" in self.command:
            cells = [cell for row in csv.reader(self.out.splitlines()) for cell in row]
            formula = next((c for c in cells if re.match(r"[=+\-@\t\r]", c) and not _number(c)), None)
            if formula is not None:
                return f"formula in CSV: {formula[:40]!r}"
        return ""


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_control(text: str) -> str:
    at = CONTROL.search(text).start()  # type: ignore[union-attr]
    return repr(text[max(0, at - 60) : at + 20])


def run(command: str, folder: Path, *, limit: float = SECONDS) -> Done:
    """Runs a command of plmtasks in a child of this process, and waits for it."""
    out, err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
    before, start = _resident(), time.monotonic()
    child = os.fork()
    if child == 0:
        _child(command, folder, out, err)
    # others may be at work on this machine
    limit *= max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    code, peak = _wait(child, start + limit, before + BYTES)
    seconds = time.monotonic() - start
    said = [path.read_text(encoding="utf-8", errors="replace") for path in (out, err)]
    out.unlink()
    err.unlink()
    return Done(command, code, *said, seconds, max(0, peak - before))


def _child(command: str, folder: Path, out: Path, err: Path) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, path in ((0, os.devnull), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC * bool(number), 0o600), number)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["plmtasks", *shlex.split(command)]
        code = _main()
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main() -> int:
    from plmtasks.cli import main

    try:
        main()
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    return 0


def _wait(child: int, deadline: float, most: int) -> tuple[int, int]:
    """The exit code, or the signal with a minus, and the peak of resident bytes; ends what takes too long or too much."""
    pause, peak = 0.002, 0
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), max(peak, usage.ru_maxrss * 1024)
        peak = max(peak, _resident(child))
        if time.monotonic() > deadline or peak > most:
            os.killpg(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.02, pause * 1.3)


def _resident(process: int | str = "self") -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0  # it has ended


# ── inputs ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Case:
    """One damaged file, and the command that reads it."""

    name: str
    """SEED:NUMBER"""
    file: str
    how: str
    command: str


def case(name: str, targets: list[Target], corpus: Path, place: Path) -> Case:
    """Makes an input anew in a folder: the same name, the same input."""
    draw = random.Random(name)
    target = draw.choice(targets)
    shutil.copytree(corpus / target.folder, place, symlinks=True)
    files = sorted(p for p in place.glob(target.files) if p.is_file())
    if not files:
        raise AssertionError(f"{target.folder}: no file {target.files}")
    file = draw.choice(files)
    how = mutate(file, draw)
    command = draw.choice(list(target.commands))
    if "{run}" in command:
        run = next(p for p in file.parents if p.parent.parent.parent.name == "store" or p == place or (p / "journal").is_dir())
        others = sorted(p.parent for p in place.glob("store/**/config.json") if p.parent != run)
        command = command.format(
            run=run.relative_to(place), other=others[0].relative_to(place) if others else run.relative_to(place)
        )
    if target.folder == "runs" and draw.random() < 0.5:
        _told_again(file)
    return Case(name, str(file.relative_to(place)), how, command)


def _told_again(file: Path) -> None:
    """Whoever alters a file can write its new hash into result.json."""
    path = file.parent / "result.json"
    if file.parent.name == "journal" and file.is_file():
        texts = [line.partition(b" ")[2] for line in file.read_bytes().splitlines()]
        file.write_bytes(b"".join(hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n" for text in texts))
        return
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if file.name in record["files"]:
            record["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
            path.write_text(json.dumps(record), encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass


def prepare(root: Path, *, heavy: bool) -> None:
    """Imports all that commands import, and writes the files that are damaged."""
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1", COLUMNS="160", NO_COLOR="1")
    os.environ.setdefault("HF_HOME", str(root / "hub"))
    import importlib

    from plmtasks.hooks import load_registry

    load_registry()
    for name in LIGHT + HEAVY * heavy:
        importlib.import_module(name)
    # what is imported once is not imported a thousand times
    for package in ("plmtasks", "plmtasks_board", "plmtasks_sweep", *(p.module for p in load_registry().plugins)):
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.endswith("__main__") and ".templates." not in found.name:
                importlib.import_module(found.name)
    if heavy:
        import torch

        torch.set_num_threads(1)

    def do(command: str, folder: Path) -> None:
        done = run(command, folder, limit=300)
        if done.code:
            raise AssertionError(f"plmtasks {command}: exit code {done.code}\n{done.err[-2000:]}")

    make(root, do, heavy=heavy)


def fuzz(seed: int, numbers: range | list[int], root: Path, targets: list[Target], keep: Path | None = None) -> dict[str, str]:
    """Runs so many inputs; returns the faults by the names of their cases."""
    faults, counts, place = {}, Counter[int](), root / "input"
    for number in numbers:
        made = case(f"{seed}:{number}", targets, root, place)
        done = run(made.command, place)
        counts[done.code] += 1
        fault = done.fault()
        if (number + 1) % 100 == 0:
            print(f"{number + 1} …", flush=True)
        if fault:
            faults[made.name] = f"{made.file} ({made.how}): plmtasks {made.command}\n    {fault}"
            print(f"{made.name} {faults[made.name]}", flush=True)
            if keep is not None:
                shutil.copytree(place, keep / made.name.replace(":", "-"), symlinks=True, ignore=lambda folder, names: [
                    n for n in names if not (Path(folder) / n).is_file() and not (Path(folder) / n).is_dir()])  # fmt: skip
                (keep / made.name.replace(":", "-") / "STDERR").write_text(done.err)
                (keep / made.name.replace(":", "-") / "COMMAND").write_text(done.command)
        shutil.rmtree(place)
    print(f"{len(numbers)} inputs of seed {seed}, {len(faults)} faults; exit codes: {dict(sorted(counts.items()))}", flush=True)
    return faults


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--count", type=int, default=500)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--only", type=int, action="append", help="This input alone; its output is shown.")
    options.add_argument("--folder", help="Of the targets, those whose folder is so called.")
    options.add_argument("--light", action="store_true", help="Nothing that needs torch.")
    options.add_argument("--corpus", type=Path, help="A folder to keep the undamaged files in, or that has them.")
    options.add_argument("--keep", type=Path, help="A folder for the inputs that fail.")
    given = options.parse_args()
    targets = [t for t in TARGETS if not (given.light and t.heavy) and (given.folder in (None, t.folder))]
    with tempfile.TemporaryDirectory(prefix="plmtasks-fuzz-") as folder:
        root, start = Path(folder), time.monotonic()
        if given.corpus and given.corpus.is_dir():
            shutil.copytree(given.corpus, root, dirs_exist_ok=True)
            from unittest import mock

            with mock.patch("fuzz.make" if __name__ != "__main__" else "__main__.make"):
                prepare(root, heavy=not given.light)
        else:
            prepare(root, heavy=not given.light)
            if given.corpus:
                shutil.copytree(root, given.corpus)
        print(f"prepared in {time.monotonic() - start:.0f} s", flush=True)
        if given.only:
            for number in given.only:
                made = case(f"{given.seed}:{number}", targets, root, root / "input")
                done = run(made.command, root / "input")
                print(made, done.out[-3000:], done.err[-6000:], f"exit code {done.code}, {done.seconds:.1f} s", sep="\n")
                if given.keep:
                    shutil.copytree(root / "input", given.keep / made.name.replace(":", "-"), symlinks=True)
                shutil.rmtree(root / "input")
            return
        faults = fuzz(given.seed, range(given.first, given.first + given.count), root, targets, given.keep)
        print(f"{time.monotonic() - start:.0f} s")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
