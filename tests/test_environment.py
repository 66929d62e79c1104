"""The automatic choices for the machine."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from plmtasks.config import run_config
from plmtasks.execution import environment


@pytest.mark.parametrize(("room", "budget"), [(None, 1024), (10**9, 1024), (1024, 1024), (900, 512), (1, 1), (0, 1)])
def test_a_token_budget_fits_into_memory(room: int | None, budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_has_gpu", lambda: False)
    asked = []

    def fits(memory: int, dtype: str) -> int | None:
        asked.append((memory, dtype))
        return room

    chosen = environment.resolve(run_config("t", "m", dtype="bfloat16", kernels="torch"), 2, fits).settings
    assert chosen.batch_tokens == budget
    [(memory, dtype)] = asked
    assert dtype == "bfloat16"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0.3 * total < memory < total / 2
    assert environment.resolve(run_config("t", "m", batch_tokens=77), 2, fits).settings.batch_tokens == 77
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("sizes", "processes", "budget"),
    [([2**30], 1, 4096), ([2**30, 2**29], 2, 2048), ([2**30, 2**29], 1, 4096), ([2**30], 2, 2048), ([2**40] * 8, 8, 32768)],
)
def test_a_token_budget_fits_into_the_smallest_gpu(
    sizes: list[int], processes: int, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No machine of ours has GPUs of these sizes: what torch says of them stands here."""
    monkeypatch.setattr(environment, "_has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(sizes))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(total_memory=sizes[i]))
    config = run_config("t", "m", dtype="bfloat16")
    assert environment.resolve(config, processes, lambda memory, dtype: memory >> 17).settings.batch_tokens == budget


def test_choices_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_has_gpu", lambda: False)
    chosen = environment.resolve(run_config("t", "m"), 1)
    assert chosen.settings.dtype == "float32"
    assert chosen.settings.kernels in ("torch", "onednn", "compiled")
    assert chosen.settings.threads >= 1
    assert environment.resolve(chosen, 7) == chosen
    assert environment.resolve(run_config("t", "m", kernels="plain"), 1).settings.kernels == "plain"
    assert environment.resolve(run_config("t", "m", dtype="float16"), 1).settings.kernels == "torch"
    monkeypatch.setattr(environment, "_has_gpu", lambda: True)
    assert environment.resolve(run_config("t", "m", dtype="float32", batch_tokens=9), 1).settings.kernels == "torch"


def test_threads_are_those_that_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(processes: int) -> int:
        return environment.resolve(run_config("t", "m"), processes).settings.threads

    monkeypatch.setattr(environment, "_cores", lambda: 8)
    for said, processes, expected in (("", 2, 4), ("3", 2, 3), ("3,1", 1, 3), ("x", 3, 2), ("0", 1, 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert threads(processes) == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "torchrun says 1 where nobody said anything")
    assert threads(2) == 4


def test_the_class_of_machine_names_what_decides_how_products_are_summed() -> None:
    described = environment.describe("cpu")
    assert described["processor"]
    assert described["cpu_capability"].split("+")[0] in ("AVX512", "AVX2", "DEFAULT", "NO AVX")
    assert environment.machine_class("cpu") == environment.machine_class("cpu")


def test_a_slow_data_type_is_named():
    assert environment.slow("float32", "cpu") == environment.slow("bfloat16", "cuda:0") == ""
    has = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert ("--dtype float32 is faster" in environment.slow("bfloat16", "cpu")) is not has


GROWTH = """
import ctypes, torch
from plmtasks.execution.environment import set_threads

class Used(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c mmapped d e used free f".split()]

found = ctypes.CDLL("libc.so.6").mallinfo2
found.restype = Used
set_threads(1)
weight = torch.ops.mkldnn._reorder_linear_weight(torch.randn(256, 128), 64)
held = []
with torch.inference_mode():
    for tokens in range(1, 401):
        torch.ops.mkldnn._linear_pointwise(torch.randn(1, tokens, 128), weight, None, "none", [], "")
        held.append(found().used)
print(held[-1] - held[199])
"""
"""Bytes by which 200 more sizes of a product make a process grow that has seen 200."""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc tells what it handed out")
def test_products_of_ever_new_sizes_keep_no_more_memory() -> None:
    said = {name: value for name, value in os.environ.items() if name not in environment.PREPARED}
    run = subprocess.run([sys.executable, "-c", GROWTH], env=said, check=True, stdout=subprocess.PIPE, text=True)
    assert int(run.stdout) < 10e6  # about 100 MB if they were all kept
