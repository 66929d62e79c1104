"""The machine: threads, memory and token budgets chosen for it, and what a result tells of it."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..files import value_hash

BATCH_TOKENS = {"cpu": 1024, "compiled": 2048, "gpu": 32768}
"""Padded tokens of a batch where memory sets no limit: more would keep no device busier. With kernels of our own weights are
read at a rate that counts, and so half as often."""

SHARE = 0.7
"""Of the memory that a process may have, what arithmetic gives to weights and batches; the rest is for what it does not count."""

worked = False
"""Whether this process has trained a model or answered: the peak of its memory tells of that too."""

Fits = Callable[[int, str], int | None]
"""(bytes, data type) → the most padded tokens that fit; None: unknown."""


def resolve(config: RunConfig, processes_here: int, fits: Fits = lambda memory, dtype: None) -> RunConfig:
    """The config with every automatic choice made: threads, data type, kernels and token budget.

    Made once, by the launcher or the main process, before the identity is taken.

    processes_here: processes of the run on this machine
    fits: of the model that is to answer
    """
    s = config.settings
    gpu = _has_gpu() if "auto" in (s.dtype, s.kernels, config.training.dtype) or not s.batch_tokens else False
    dtype = s.dtype if s.dtype != "auto" else _gpu_dtype() if gpu else "float32"
    kernels = s.kernels if s.kernels != "auto" else "torch" if gpu else _cpu_kernels(dtype)
    most = BATCH_TOKENS["gpu" if gpu else "compiled" if kernels == "compiled" else "cpu"]
    settings = replace(
        s,
        dtype=dtype,
        threads=s.threads or _threads(processes_here),
        kernels=kernels,
        batch_tokens=s.batch_tokens or _budget(most, gpu, processes_here, lambda memory: fits(memory, str(dtype))),
    )
    return replace(config, settings=settings)


def _threads(processes_here: int) -> int:
    """OMP_NUM_THREADS, by which users and schedulers say what a process may take; else an equal share of the cores."""
    threads = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    # torchrun says 1 where nobody said anything
    if threads.isdigit() and int(threads) and "TORCHELASTIC_RUN_ID" not in os.environ:
        return int(threads)
    return max(1, _cores() // processes_here)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_gpu() -> bool:
    import torch

    return torch.accelerator.is_available()


def _gpu_dtype() -> Any:
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"


def _budget(most: int, gpu: bool, processes_here: int, fits: Callable[[int], int | None]) -> int:
    """Padded tokens of a batch: as many as the device likes, or as fit into its memory, down to a power of two."""
    room = fits(int(SHARE * _memory(gpu, processes_here)))
    return most if room is None or room >= most else 2 ** max(0, room.bit_length() - 1)


def _memory(gpu: bool, processes_here: int) -> int:
    """All the bytes that a process may have: what is free at a moment would make another identity at another.

    Of several GPUs the smallest that is used counts, since each process computes the same batches; processes that outnumber them
    share one: see `Processes.device`.
    """
    if gpu:
        import torch

        used = range(min(processes_here, torch.cuda.device_count()))
        whole = min((torch.cuda.get_device_properties(i).total_memory for i in used), default=2**63)
        return whole // -(-processes_here // max(1, len(used)))
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // processes_here
    except (ValueError, OSError, AttributeError):  # not a POSIX system
        return 2**63


def _cpu_kernels(dtype: str) -> Any:
    """oneDNN's where its products are as fast as torch's or faster: on x86 processors, for data types that they have; and kernels
    of our own besides where AVX-512 has products of such numbers and there is a compiler."""
    there = _has_onednn() and platform.machine() in ("x86_64", "AMD64")
    if there and _has_vectors(dtype) and _has_compiler(dtype):
        return "compiled"
    return "onednn" if there and (dtype == "float32" or (dtype == "bfloat16" and _has_bfloat16())) else "torch"


def _has_onednn() -> bool:
    import torch

    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _has_bfloat16() -> bool:
    """Whether oneDNN has products of bfloat16 for this processor."""
    import torch

    # torch has no public name for it; without this one, nobody says so
    said = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return _has_onednn() and said is not None and bool(said())


def _has_tiles() -> bool:
    """Whether the processor has AMX."""
    import torch

    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def _has_vectors(dtype: str) -> bool:
    """Whether the processor has AVX-512, and with it products of such numbers. One with AMX has those of bfloat16 too."""
    import torch

    by = {"float32": "_is_avx512_supported", "bfloat16": "_is_avx512_bf16_supported"}.get(dtype, "")
    return bool(getattr(torch.cpu, by, lambda: False)())


PROBE = """
#if !__has_include(<immintrin.h>) || !__has_include(<stdlib.h>) || defined(__clang__) /* its OpenMP is another than torch's */
#error
#endif
"""


@cache
def _has_compiler(dtype: str) -> bool:
    """Whether there is a C compiler, with its headers, that knows the processor's products of such numbers."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    products = ["-mavx512bf16", *(["-mamx-bf16"] if _has_tiles() else [])] if dtype == "bfloat16" else ["-mavx512f"]
    command = [*compiler, "-fopenmp", *products, "-fsyntax-only", "-x", "c", "-"]
    try:
        return subprocess.run(command, input=PROBE, text=True, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def slow(dtype: str, device: str) -> str:
    """A word to whoever chose a data type that is slow on this machine; empty where there is nothing to say."""
    if dtype != "bfloat16" or device != "cpu" or _has_bfloat16():
        return ""
    return "this processor has no products of bfloat16, and takes several times as long as in float32: --dtype float32 is faster"


def set_threads(threads: int) -> None:
    """Gives torch so many CPU threads, and says what memory its libraries are to keep."""
    import torch

    for name, count in PREPARED.items():
        os.environ.setdefault(name, count)
    torch.set_num_threads(threads)
    _keep_freed_memory()


PREPARED = {"LRU_CACHE_CAPACITY": "16", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128"}
"""How many products oneDNN and what stands before it in torch keep prepared, read with the first. Each holds a quarter of a
megabyte in both, for each number of tokens that a layer was given; both would keep 1,024."""


def _keep_freed_memory() -> None:
    """Lets glibc hand out again what was freed, however large: else it goes back to the system, which clears each page anew."""
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # malloc.h
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return  # another C library
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**31 - 1)


MACHINE = ("device", "processor", "cpu_capability", "versions")
"""Of what a result tells of its machine: what gives the same bytes for the same identity."""


def machine_class(device: str) -> str:
    """The class of this machine; see `class_of`."""
    return class_of(describe(device))


def class_of(described: Mapping[str, Any]) -> str:
    """A hash of what gives the same bytes for the same identity: device, processor path, library versions. 8 digits."""
    return value_hash({name: described.get(name) for name in MACHINE})[:8]


def version(distribution: str) -> str | None:
    """The version that is installed; None: there is none."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def describe(device: str) -> dict[str, Any]:
    """Versions, processor, device and peak memory; the class of machine that a result comes from."""
    import torch

    packages = ("plmtasks", "torch", "transformers", "tokenizers", "accelerate", "datasets", "numpy", "scikit-learn", "sacrebleu")
    gpu = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(device) if gpu else device,
        "processor": _said_of_processor("vendor_id"), "processor_name": _said_of_processor("model name"), "cores": _cores(),
        "cpu_capability": _capability(),
        "system": platform.platform(), "python": platform.python_version(),
        "versions": {name: found for name in packages if (found := version(name))}, **peaks(device),
    }  # fmt: skip


def _said_of_processor(what: str) -> str:
    """Who made the processor ("vendor_id"; libraries take other ways on each), or its "model name"."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            line_value = next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")
    except OSError:
        line_value = ""
    return line_value or platform.processor() or platform.machine()


def _capability() -> str:
    """The instructions by which torch and oneDNN choose how a product is summed."""
    import torch

    more = [*(["bfloat16"] if _has_bfloat16() else []), *(["AMX"] if _has_tiles() else [])]
    return "+".join([torch.backends.cpu.get_cpu_capability(), *more])


def peaks(device: str) -> dict[str, int]:
    """The fields of `environment.json` on memory so far: the machine's, and a GPU's, else 0."""
    gpu = device.startswith("cuda")
    return {"peak_memory_bytes": peak_memory("cpu"), "peak_device_memory_bytes": peak_memory(device) if gpu else 0}


def peak_memory(device: str) -> int:
    """The most bytes that this process has held: of the GPU's memory, or the machine's."""
    import resource

    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
