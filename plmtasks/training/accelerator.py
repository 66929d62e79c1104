"""Accelerate's hold on a training's processes, precision and weights, which it may split: FSDP and DeepSpeed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..model import TrainableModel
from ..requests import Answer, Request

if TYPE_CHECKING:
    import torch

    from .recipe import Training

VARIABLES = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
"""Environment variables by which `accelerate launch` passes on its configuration."""


def wants_splitting() -> bool:
    """Whether the launcher was told to split the weights over the processes.

    raises: InputError for the first version of FSDP, whose flat weights no optimizer that was made before them knows
    """
    fsdp, deepspeed = (os.environ.get(name, "false").lower() == "true" for name in VARIABLES)
    if fsdp and os.environ.get("FSDP_VERSION", "1") != "2":
        raise InputError("FSDP splits the weights in its second version alone", "fsdp_version: 2 in Accelerate's configuration")
    return fsdp or deepspeed


def splits(accelerator: Any) -> bool:
    """Whether no process holds all weights: then all have to take part in what reads them."""
    return steps_itself(accelerator) or str(accelerator.distributed_type.value) == "FSDP"


def steps_itself(accelerator: Any) -> bool:
    """Whether the backward pass itself divides, clips and steps, as DeepSpeed's does."""
    return str(accelerator.distributed_type.value) == "DEEPSPEED"


def whole(accelerator: Any, wrapped: Any) -> "dict[str, torch.Tensor]":
    """All weights in the main process, named as in a list of the views' modules; nothing in the others."""
    weights = accelerator.get_state_dict(wrapped) or {}
    return {name.removeprefix("inner."): value for name, value in weights.items()} if accelerator.is_main_process else {}


def loss_module(views: Sequence[TrainableModel]) -> "torch.nn.Module":
    """The losses as one module, so that wrappers (gradient sums, autocast) see one call from texts to loss."""
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.ModuleList([view.module for view in views])

        def forward(self, task: int, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
            return views[task].loss(requests, answers)

    return Loss()


def make_accelerator(training: "Training", *, several: bool, folder: Path) -> Any:
    """several: an update may leave weights without a gradient, those of other tasks' heads

    raises: InputError for a tracker that is not installed
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.tracking import get_available_trackers
    from accelerate.utils import DistributedDataParallelKwargs

    available = {str(tracker) for tracker in get_available_trackers()}
    missing = [tracker for tracker in training.how.report_to if tracker not in available]
    if missing:
        there = ", ".join(sorted(available)) or "none"
        raise InputError(
            f"report_to {missing[0]}: it is not installed here, or no tracker of Accelerate's", f"installed: {there}"
        )
    AcceleratorState._reset_state()  # one for all of a process, but its next training may want another precision
    training.processes.join_group()
    precision = {"bfloat16": "bf16", "float16": "fp16"}.get(training.how.dtype, "no")
    return Accelerator(
        cpu=training.device == "cpu" and not wants_splitting(), mixed_precision=precision,
        log_with=list(training.how.report_to) or None, project_dir=folder / "tracking",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=several)],
    )  # fmt: skip
