"""What Accelerate's configuration says of a training: by which engine its weights are split, and nothing against its settings."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from ..config import TrainSettings
from ..errors import InputError

ENGINES: Mapping[str, str] = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}
"""Environment variable by which `accelerate launch` passes on its configuration → the engine that splits weights."""

PRECISIONS: Mapping[str, str] = {"bfloat16": "bf16", "float16": "fp16"}
"""dtype → how Accelerate calls it; `no` is all others."""

OF_HIDDEN_SIZE = ("reduce_bucket_size", "stage3_prefetch_bucket_size", "stage3_param_persistence_threshold")
"""What Accelerate derives from one model's hidden size where DeepSpeed's configuration leaves it open."""

OPEN = (None, "", "auto")
"""How a configuration leaves something to the training's settings."""


def engine() -> str | None:
    """By what the launcher was told to split the weights over the processes; None: each process holds all of them.

    raises: InputError for the first version of FSDP, whose flat weights no optimizer that was made before them knows, and
      where DeepSpeed is not installed
    """
    wanted = next((engine for name, engine in ENGINES.items() if os.environ.get(name, "false").lower() == "true"), None)
    if wanted == "FSDP" and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError("FSDP splits the weights in its second version alone", "fsdp_version: 2 in Accelerate's configuration")
    if wanted == "DeepSpeed" and find_spec("deepspeed") is None:
        raise InputError("DeepSpeed is not installed", "pip install 'plmtasks[deepspeed]'")
    return wanted


def splitting(t: TrainSettings, count: int) -> str | None:
    """The engine, and what of its configuration changes rounding: FSDP, or DeepSpeed's stage; None: weights are not split.

    raises: InputError if the configuration says otherwise than the settings
    """
    steps, precision = (os.environ.get(f"ACCELERATE_{name}") for name in ("GRADIENT_ACCUMULATION_STEPS", "MIXED_PRECISION"))
    _agree("gradient_accumulation_steps", steps, t.gradient_accumulation_steps, unless=("1",))
    _agree("mixed_precision", precision, PRECISIONS.get(t.dtype, "no"), "dtype", unless=("no",))
    if engine() != "DeepSpeed":
        return engine()
    return f"DeepSpeed, ZeRO {deepspeed_plugin(t, count).zero_stage}"


def deepspeed_plugin(t: TrainSettings, count: int) -> Any:
    """DeepSpeed's configuration as the launcher passed it on, with what it leaves open filled in from the settings.

    raises: InputError if it says otherwise than the settings, and if all weights could not be written at the end
    """
    from accelerate.utils import DeepSpeedPlugin

    try:
        plugin = DeepSpeedPlugin()
    except ValueError as e:
        raise InputError(f"DeepSpeed's configuration: {e}") from e
    config, update = plugin.deepspeed_config, (t.train_batch_size or 1) * t.gradient_accumulation_steps
    for name, setting in (("optimizer", "optim"), ("scheduler", "lr_scheduler_type")):
        if name in config:
            raise InputError(f"DeepSpeed's configuration has its own {name}", f"take it out: --training {setting}=… says it")
    said = plugin.get_value
    _agree("gradient_accumulation_steps", said("gradient_accumulation_steps"), t.gradient_accumulation_steps, unless=(1,))
    _agree("gradient_clipping", said("gradient_clipping"), t.max_grad_norm, "max_grad_norm")
    _agree("train_batch_size", said("train_batch_size"), update)
    for name, dtype in (("fp16", "float16"), ("bf16", "bfloat16")):
        _agree(f"{name}.enabled", said(f"{name}.enabled"), t.dtype == dtype, "dtype")
    whole = "stage3_gather_16bit_weights_on_model_save"
    if plugin.zero_stage == 3 and not said(f"zero_optimization.{whole}"):
        raise InputError(
            "after ZeRO 3 no process has all weights, and none could write them",
            f"zero3_save_16bit_model: true in Accelerate's configuration, or {whole}: true in DeepSpeed's own",
        )
    zero = config["zero_optimization"]
    for name in OF_HIDDEN_SIZE:
        if zero.get(name) == "auto":  # DeepSpeed's own values; a training may have several models
            del zero[name]
    share = -(-update // count)
    # updates are cut here: to DeepSpeed each is one batch, of which a process computes its share at once
    config |= {"gradient_accumulation_steps": 1, "train_micro_batch_size_per_gpu": share, "train_batch_size": share * count}
    # where its state is kept elsewhere, the optimizer remains the one that was named; Accelerate would take DeepSpeed's Adam
    config |= {"gradient_clipping": t.max_grad_norm, "zero_force_ds_cpu_optimizer": False}
    plugin.gradient_accumulation_steps = 1
    return plugin


def _agree(name: str, said: Any, ours: Any, setting: str = "", unless: tuple[Any, ...] = ()) -> None:
    """raises: InputError if Accelerate's configuration says something, and other than the training's setting"""
    if said in (*OPEN, *unless) or str(said).lower() == str(ours).lower():
        return
    if isinstance(ours, float) and float(said) == ours:
        return
    raise InputError(
        f"{name} is {said} in Accelerate's or DeepSpeed's configuration, and {ours} by the training's settings",
        f"take it out there, or say it here: --training {setting or name}=…",
    )
