"""What all comparisons share: two sides on the same work, alternating, their answers held together, one file of figures a row."""

import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = Path(os.environ.get("PLMTASKS_DATA") or HERE.parents[1] / "shared" / "data")
RESULTS = HERE / "results"
DEVICE = os.environ.get("PLMTASKS_BENCHMARK_DEVICE", "cpu")
"""On which both sides compute."""
DRY = "PLMTASKS_BENCHMARK_DRY" in os.environ
"""Whether each row is to run for the sake of its code alone: small models, few requests, nothing measured or written."""
DRY_FOR_GPU = os.environ.get("PLMTASKS_BENCHMARK_DRY") == "cuda"
"""Whether it is to run as on a GPU besides: see `take_ways_of_gpu`."""
FEW = 8
"""Requests of a row that runs dry, where it does not need more."""
PACKAGES = ("torch", "transformers", "lm_eval", "accelerate", "datasets", "evaluate", "sacrebleu")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `run.py` was asked for."""

    pairs: int = 3
    """Measured pairs after the warm-up."""
    threads: int = 2
    quick: bool = False
    """A part of the work: a look, not a record."""
    work: float = 1.0
    """The share of the work that this machine does in the time that the table may take."""

    def count(self, full: int, quick: int, least: int = 1) -> int:
        """How many requests of a row this machine is given, of so many."""
        if DRY:
            return max(least, min(quick, FEW))
        return max(least, round((quick if self.quick else full) * self.work))


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that are compared."""

    name: str
    run: Callable[[], Any]
    """Does the whole work once and returns its answers; called once before it is measured."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was found of two sides."""

    ours: Sequence[float]
    """Seconds of each round."""
    peer: Sequence[float]
    agreement: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the record is to say."""
    beside: Mapping[str, float] = field(default_factory=dict)
    """Further figures for the table, ratios to ours: what → how many times our time."""

    @property
    def ratios(self) -> list[float]:
        return [peer / ours for ours, peer in zip(self.ours, self.peer, strict=True)]

    def record(self) -> dict[str, Any]:
        """The ratio is the median over the pairs, from the least to the greatest of them."""
        return {
            "ratio": statistics.median(self.ratios), "low": min(self.ratios), "high": max(self.ratios),
            "ours_seconds": list(self.ours), "peer_seconds": list(self.peer), "agreement": dict(self.agreement), **self.facts,
            **({"beside": dict(self.beside)} if self.beside else {}),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was found where it is no ratio of two times."""

    reached: str
    """In words, for the table."""
    peer: str = "–"
    facts: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        return {"reached": self.reached, "peer": self.peer, **self.facts}


def compare(
    ours: Side, peer: Side, options: Options, agree: Callable[[Any, Any], dict[str, Any]], share: float = 1.0, **facts: Any
) -> Comparison:
    """Runs both in turn: once to warm up, then `options.pairs` times.

    agree: what is said of both sides' answers; raises AssertionError if they are not the same
    share: the part of the work that the peer does, if it is too slow for all of it; its seconds are divided by it
    """
    say(f"{ours.name} and {peer.name}: warm-up")
    agreement = _held_together(agree, ours.run(), peer.run())
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for turn in range(options.pairs):
        for key, side in (("ours", ours), ("peer", peer)) if turn % 2 == 0 else (("peer", peer), ("ours", ours)):
            start = time.perf_counter()
            side.run()
            seconds[key].append((time.perf_counter() - start) / (share if key == "peer" else 1.0))
        say(f"pair {turn + 1}: {ours.name} {seconds['ours'][-1]:.2f} s, {peer.name} {seconds['peer'][-1]:.2f} s")
    facts = {"peer": peer.name, "peer_share": share, **facts}
    return Comparison(ours=seconds["ours"], peer=seconds["peer"], agreement=agreement, facts=facts)


def _held_together(agree: Callable[[Any, Any], dict[str, Any]], ours: Any, theirs: Any) -> dict[str, Any]:
    """What `agree` says. Models that learned from a few examples find all as likely as anything: dry, answers may differ."""
    try:
        return agree(ours, theirs)
    except AssertionError as e:
        if not DRY:
            raise
        return {"disagreement": str(e)}


def same_numbers(ours: Sequence[float], theirs: Sequence[float], tolerance: float = 1e-4) -> dict[str, Any]:
    """Log-likelihoods of both sides, held together. raises: AssertionError"""
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    worst = max(abs(a - b) / max(abs(b), 1e-9) for a, b in zip(ours, theirs, strict=True))
    assert math.isfinite(worst), "a side found a number that is none"
    assert worst <= tolerance, f"log-likelihoods differ by up to {worst:.2e} relative"
    return {"numbers": len(ours), "largest_relative_difference": worst}


def same_predictions(ours: Sequence[Any], theirs: Sequence[Any], most: float = 0.0) -> dict[str, Any]:
    """most: the share of predictions that may differ. raises: AssertionError"""
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
    assert differ <= most * len(ours), f"{differ} of {len(ours)} predictions differ"
    return {"predictions": len(ours), "differ": differ}


def share_of_work(threads: int) -> float:
    """1 on a GPU and on a processor of `RATE` or more, a half on one of half of it, and so on."""
    import torch

    if DEVICE != "cpu":
        return 1.0
    torch.set_num_threads(threads)
    a, b = torch.randn(1024, 768), torch.randn(3072, 768)
    rate = 2 * 1024 * 768 * 3072 / min(seconds_of(lambda: torch.nn.functional.linear(a, b)) for _ in range(10))
    return 2.0 ** min(0, math.floor(math.log2(rate / RATE)))


RATE = 400e9
"""Operations a second of float32 products for which the rows' sizes are made."""


def needs_bfloat16() -> None:
    """raises: Unfit"""
    import torch

    if DEVICE == "cpu" and not DRY and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise Unfit("this processor has no products of bfloat16")


class Unfit(Exception):
    """The row cannot be measured on this machine."""


def best_setting(row: str, peer: str, settings: Sequence[Any], trial: Callable[[Any], Any]) -> Any:
    """The setting with which the peer is fastest on a part of the work; tried once a processor, after a warm-up with the first,
    and kept in a file. Dry, the first and the last are tried."""
    if DRY:
        trial(settings[0])
        trial(settings[-1])
        return settings[-1]
    path = place() / "best_settings.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    key = f"{row} / {peer}"
    if key not in kept:
        seconds = {}
        trial(settings[0])
        for setting in settings:
            start = time.perf_counter()
            trial(setting)
            seconds[str(setting)] = round(time.perf_counter() - start, 3)
            say(f"{peer} with {setting}: {seconds[str(setting)]:.2f} s")
        kept[key] = {"best": min(settings, key=lambda s: seconds[str(s)]), "seconds": seconds}
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return kept[key]["best"]


def write(row: str, options: Options, record: Mapping[str, Any]) -> None:
    """The row's figures, and where they were found; those of a quick look are kept apart."""
    path = place() / f"{row}{'.quick' if options.quick else ''}.json"
    settings = {"threads": options.threads, "share_of_work": options.work, "machine": machine()}
    path.write_text(json.dumps({**record, **settings}, indent=1) + "\n")


def place() -> Path:
    """Where the figures of machines like this one lie."""
    folder = RESULTS / re.sub(r"[^a-z0-9]+", "-", device().lower().replace("(r)", "")).strip("-")
    folder.mkdir(exist_ok=True)
    return folder


def seconds_of(run: Callable[[], Any]) -> float:
    """Until the device is done."""
    import torch

    start = time.perf_counter()
    run()
    if DEVICE != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def growth(run: Callable[[], Any]) -> int:
    """Bytes by which this process grows at most while it does the work. Linux tells; to be called in a process of its own."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = _memory("VmRSS")
    run()
    return _memory("VmHWM") - before


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def apart(module: str, *arguments: str, processes: int = 1) -> Any:
    """What `python -m MODULE ARGUMENTS` prints last, as JSON: work in a process of its own, or in some that torchrun starts."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"] if processes > 1 else []
    run = subprocess.run([sys.executable, "-m", *launcher, module, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def cores_of_others(work: Callable[[], Any]) -> tuple[Any, float | None]:
    """What the work returns, and how many cores others kept busy meanwhile; None where the system does not tell."""
    before, start = _others(), time.perf_counter()
    found = work()
    after, seconds = _others(), time.perf_counter() - start
    return found, None if before is None or after is None else max(0.0, after - before) / seconds


def _others() -> float | None:
    """Seconds of processors that other processes have used since the start of the machine."""
    try:
        user, nice, system = (int(ticks) for ticks in Path("/proc/stat").read_text().split()[1:4])
    except OSError:
        return None
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def machine() -> dict[str, Any]:
    import torch

    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "device": device(),
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "versions": versions,
    }


def device() -> str:
    """What computes, by its name."""
    import torch

    return processor() if DEVICE == "cpu" else torch.cuda.get_device_name()


def processor() -> str:
    """The processor's name and family, since several go by one name, and what of its matrix units decides the figures."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = dict(line.partition(":")[::2] for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in found.items()}
    units = [flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if flag in facts.get("flags", "").split()]
    family = f" family {facts['cpu family']}" if "cpu family" in facts else ""
    return f"{facts.get('model name', platform.machine())}{family} ({', '.join(units[:2]) or 'neither AVX2 nor more'})"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ── our side ──────────────────────────────────────────────────────────────────────────────────────────────────────


def take_ways_of_gpu() -> None:
    """From now on the processor answers as a GPU would: steps of fixed shapes, trees by blocks. What a GPU records or compiles
    is done as it is written."""
    import torch
    from plmtasks_transformers.fast import device, graphs

    torch.compiler.set_stance("force_eager")
    device.DEVICES["cpu"] = device.DEVICES["cuda"]._replace(apart=False, recorder=graphs.Repeats)


class Ours:
    """plmtasks' own engine on given requests, in this process: planned, computed, journalled and collected each time."""

    def __init__(self, model: str, requests: Sequence[Any], options: Options, **settings: Any) -> None:
        from plmtasks.config import run_config
        from plmtasks.execution import environment
        from plmtasks.hooks import load_registry

        kernels = {"kernels": "torch"} if DRY_FOR_GPU else {}
        config = run_config("none", model, **{"dtype": "float32", "threads": options.threads, **kernels, **settings})
        self.settings = environment.resolve(config, 1).settings
        environment.set_threads(self.settings.threads)
        self.requests = requests
        self.loaded = load_registry().model(model).load(requests[0], self.settings, DEVICE)

    def __call__(self) -> list[Any]:
        """The answers, in the order of the requests."""
        from plmtasks.execution import alone

        with tempfile.TemporaryDirectory() as folder:
            return self.over(alone(), Path(folder))

    def over(self, processes: Any, folder: Path) -> list[Any]:
        """The same by several processes, which call it together; the answers in the main one, nothing in the others.

        folder: where all of them write their answers down
        """
        from plmtasks.execution import Journal, Progress, answering

        work = answering.plan(self.loaded, self.requests, self.settings)
        with Journal(folder, work.hash, processes.rank) as journal:
            answers = dict(answering.answer_all(self.loaded, work, processes, journal, Progress(quiet=True)))
        return [answers[request.key()] for request in self.requests] if processes.main else []
