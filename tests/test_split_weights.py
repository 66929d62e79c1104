"""Weights split over two processes, by FSDP and by DeepSpeed's three stages: what is learned is what whole weights learn."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from trainings import ENGINES, KILLED

from plmtasks import TrainSettings
from plmtasks.errors import InputError
from plmtasks.execution import Processes, alone
from plmtasks.training.accelerator import check_together
from plmtasks.training.engines import deepspeed_plugin, splitting

SCRIPT = str(Path(__file__).with_name("trainings.py"))
SETTINGS = TrainSettings(train_batch_size=16, dtype="float32")
ZERO_3 = "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL"

of_deepspeed = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason="DeepSpeed is not installed: pip install -c constraints.txt 'plmtasks[deepspeed]'"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All engines in one process and its forks: of the minutes that it takes, most are DeepSpeed's first compilation."""
    folder = tmp_path_factory.mktemp("split")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, SCRIPT, "split", str(folder)], check=True, timeout=900, env=environment)
    return folder


def checkpoint(folder: Path, engine: str, name: str) -> Path:
    [record] = (folder / engine / name / "checkpoints").rglob("plmtasks.json")
    return record.parent


def published(folder: Path) -> dict[str, str]:
    """The checkpoint's files, and their bytes but for the record's, which tells by what they were learned."""
    files = (p for p in folder.iterdir() if not p.name.startswith("."))  # claims are of one process each
    return {p.name: "" if p.name == "plmtasks.json" else p.read_bytes().hex() for p in files}


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=of_deepspeed if "ZeRO" in name else ()) for name in ENGINES if name != "whole"]
)
def test_split_weights_learn_what_whole_ones_do(engine: str, folder: Path) -> None:
    """Killed and resumed too; and both processes answer with them afterwards, each holding all of them."""
    from safetensors.torch import load_file

    whole, mine = (checkpoint(folder, of, "once") for of in ("whole", engine))
    if engine in KILLED:
        assert published(mine) == published(checkpoint(folder, engine, "killed"))
    split = json.loads((mine / "plmtasks.json").read_text())["parts"].get("split")
    assert split == ("FSDP" if engine == "FSDP" else f"DeepSpeed, {engine[:6]}")
    if "ZeRO" in engine:
        assert published(mine).keys() == published(whole).keys()
        weights, others = load_file(mine / "model.safetensors"), load_file(whole / "model.safetensors")
        assert weights.keys() == others.keys()
        assert max(float((weights[name] - others[name]).abs().max()) for name in others) < 1e-5
    else:
        assert published(mine) == published(whole)
    results = [next((folder / one / "once" / "results").rglob("result.json")) for one in ("whole", engine)]
    scores = [json.loads(path.read_text())["scores"] for path in results]
    assert scores[0] == scores[1]


def test_no_training_goes_on_in_processes_that_accelerate_does_not_know_of() -> None:
    from accelerate import Accelerator

    check_together(Accelerator(cpu=True), alone())
    with pytest.raises(InputError, match="process 0 of 2 is 0 of 1 to Accelerate, whose kind of distribution is NO"):
        check_together(Accelerator(cpu=True), Processes(count=2, store=alone().store))


@of_deepspeed
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "none could write them\n  zero3_save_16bit_model: true in Accelerate"),
        ({"ACCELERATE_GRADIENT_CLIPPING": "0.5"}, "gradient_clipping is 0.5 in .*, and 1.0 by the training's settings"),
        ({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, "gradient_accumulation_steps is 4 in .*, and 1 by"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, "mixed_precision is bf16 in .*, and no by .*\n.*--training dtype=…"),
    ],
)
def test_deepspeeds_configuration_says_nothing_against_the_settings(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ACCELERATE_USE_DEEPSPEED": "true", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=said):
        splitting(SETTINGS, 2)


@of_deepspeed
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"optimizer": {"type": "AdamW"}}, "has its own optimizer"),
        ({"scheduler": {"type": "WarmupLR"}}, "has its own scheduler"),
        ({"train_batch_size": 64}, "train_batch_size is 64 in .*, and 16 by"),
        ({"bf16": {"enabled": True}}, "bf16.enabled is True in .*, and False by"),
        ({"zero_optimization": {"stage": 3}}, "stage3_gather_16bit_weights_on_model_save: true in DeepSpeed's own"),
    ],
)
def test_a_file_of_deepspeeds_own_says_nothing_against_them_either(
    config: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deepspeed.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": 2}, **config}))
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(path))
    with pytest.raises(InputError, match=said):
        splitting(SETTINGS, 2)


@of_deepspeed
def test_what_deepspeeds_configuration_leaves_open_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deepspeed.json"
    zero = {"stage": 3, "reduce_bucket_size": "auto", "stage3_gather_16bit_weights_on_model_save": True}
    open_ones = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    path.write_text(json.dumps({"zero_optimization": zero, "bf16": {"enabled": "auto"}, **dict.fromkeys(open_ones, "auto")}))
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    monkeypatch.setenv("ACCELERATE_DEEPSPEED_CONFIG_FILE", str(path))
    config = deepspeed_plugin(SETTINGS, 3).deepspeed_config
    assert [config[name] for name in open_ones] == [18, 6, 1, 1.0]
    assert "reduce_bucket_size" not in config["zero_optimization"]
