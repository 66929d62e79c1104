"""Weights that are split over the processes of a training, as Accelerate's own configuration says: FSDP and DeepSpeed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    import torch

VARIABLES = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
"""Environment variables by which `accelerate launch` passes on its configuration."""


def wanted() -> bool:
    """Whether the launcher was told to split the weights.

    raises: InputError for the first version of FSDP, whose flat weights no optimizer that was made before them knows
    """
    if os.environ.get(VARIABLES[0], "false").lower() == "true" and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError("FSDP splits the weights in its second version alone", "fsdp_version: 2 in Accelerate's configuration")
    return any(os.environ.get(name, "false").lower() == "true" for name in VARIABLES)


def split(accelerator: Any) -> bool:
    """Whether no process holds all weights: then all have to take part in what reads them."""
    return str(accelerator.distributed_type.value) in ("FSDP", "DEEPSPEED")


def own_steps(accelerator: Any) -> bool:
    """Whether the backward pass itself divides, clips and steps, as DeepSpeed's does."""
    return str(accelerator.distributed_type.value) == "DEEPSPEED"


def save(accelerator: Any, folder: Path, name: str) -> None:
    """Each process keeps its part of weights and optimizer under that name."""
    accelerator.save_state(str(folder / f"shards-{name}"))
    accelerator.wait_for_everyone()


def load(accelerator: Any, folder: Path, name: str) -> None:
    accelerator.load_state(str(folder / f"shards-{name}"))


def whole(accelerator: Any, wrapped: Any) -> "dict[str, torch.Tensor]":
    """All weights in the main process, named as in a list of the views' modules; nothing in the others."""
    weights = accelerator.get_state_dict(wrapped) or {}
    return {name.removeprefix("inner."): value for name, value in weights.items()} if accelerator.is_main_process else {}
