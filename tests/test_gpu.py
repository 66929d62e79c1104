"""What needs GPUs; skipped where there are none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu

RUN = [sys.executable, "-m", "plmtasks", "run", "--task", "classification/sample", "--split", "test", "--quiet"]


def gpus() -> int:
    import torch

    return torch.cuda.device_count()


def need(count: int) -> None:
    if gpus() < count:
        pytest.skip(f"{count} CUDA devices are needed, {gpus()} are here")


def run(folder: Path, *arguments: str) -> bytes:
    """result.json of a run that trains in `folder` first, if nothing did before."""
    where = ["--output", str(folder / "results"), "--checkpoints", str(folder / "checkpoints")]
    subprocess.run([*RUN, *where, *arguments], check=True, timeout=280)
    (path,) = (folder / "results").rglob("result.json")
    content = path.read_bytes()
    path.unlink()
    for journal in (folder / "results").rglob("journal/*.jsonl"):
        journal.unlink()
    return content


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    need(1)
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "-m", "plmtasks", "train", "--task", "classification/sample", "--model", "tiny-bert"]
    subprocess.run([*command, "--output", str(folder / "model"), "--quiet"], check=True, timeout=280)
    return str(folder / "model")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gpu_gives_the_same_bytes_twice(trained: str, tmp_path: Path, dtype: str) -> None:
    assert run(tmp_path, "--model", trained, "--dtype", dtype) == run(tmp_path, "--model", trained, "--dtype", dtype)


def test_processes_on_their_gpus_give_the_same_bytes(trained: str, tmp_path: Path) -> None:
    need(2)
    assert run(tmp_path, "--model", trained, "--threads", "2") == run(
        tmp_path, "--model", trained, "--threads", "2", "--processes", "2"
    )


def test_training_over_nccl(tmp_path: Path) -> None:
    need(2)
    run(tmp_path, "--model", "tiny-bert", "--processes", "2", "--training", "max_train_samples=64,num_train_epochs=1")


@pytest.mark.parametrize("count", ["1", "2"])
def test_device_map_with_several_processes(trained: str, tmp_path: Path, count: str) -> None:
    need(int(count))
    run(tmp_path, "--model", trained, "--processes", count, "--model-args", '{"device_map": "auto"}')


def test_a_gpu_and_a_cpu_share_a_run(trained: str, tmp_path: Path) -> None:
    """Mixed devices: each process takes what it is free for; every example is answered once."""
    need(1)
    import json

    command = [
        *RUN,
        "--model",
        trained,
        "--output",
        str(tmp_path / "results"),
        "--threads",
        "1",
        "--dtype",
        "float32",
        "--batch-tokens",
        "256",
    ]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    launch += ["--rdzv-endpoint", "127.0.0.1:29533", "--rdzv-id", "mixed", "-m", *command[2:]]
    agents = [subprocess.Popen(launch, env={**os.environ, **hidden}) for hidden in ({}, {"CUDA_VISIBLE_DEVICES": ""})]
    try:
        assert [agent.wait(timeout=280) for agent in agents] == [0, 0]
    finally:
        for agent in agents:
            agent.kill()
    (predictions,) = tmp_path.rglob("predictions.jsonl")
    ids = [json.loads(line)["id"] for line in predictions.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 200


SHARDED = {
    "fsdp": {
        "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_TRANSFORMER_CLS_TO_WRAP": "BertLayer", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    },
    "deepspeed": {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"},
}  # fmt: skip


@pytest.mark.parametrize("how", list(SHARDED))
def test_weights_split_over_gpus_learn_as_whole_ones(tmp_path: Path, how: str) -> None:
    need(2)
    import json

    if how == "deepspeed":
        pytest.importorskip("deepspeed")
    command = ["-m", "plmtasks", "train", "--task", "classification/sample", "--model", "tiny-bert", "--quiet"]
    command += [
        "--num-train-epochs",
        "2",
        "--max-train-samples",
        "128",
        "--training",
        "select_split=none",
        "--dtype",
        "float32",
        "--output",
    ]
    split = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *command, str(tmp_path / "split")]
    subprocess.run(split, check=True, timeout=280, env={**os.environ, **SHARDED[how]})
    subprocess.run([sys.executable, *command, str(tmp_path / "whole")], check=True, timeout=280)
    curves = [
        [entry["loss"] for entry in json.loads((tmp_path / name / "plmtasks.json").read_text())["history"]]
        for name in ("split", "whole")
    ]
    assert curves[0] == pytest.approx(curves[1], rel=1e-2)
