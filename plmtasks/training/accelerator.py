"""The losses of a training as one module, and Accelerate's hold on its processes and precision."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..model import TrainableModel
from ..requests import Answer, Request
from . import sharding
from .recipe import TrainingContext

if TYPE_CHECKING:
    import torch


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


def make_accelerator(context: TrainingContext, *, several: bool, folder: Path) -> Any:
    """several: an update may leave weights without a gradient, those of other tasks' heads

    raises: InputError for a tracker that is not installed
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.tracking import get_available_trackers
    from accelerate.utils import DistributedDataParallelKwargs

    available = {str(tracker) for tracker in get_available_trackers()}
    missing = [tracker for tracker in context.training.report_to if tracker not in available]
    if missing:
        there = ", ".join(sorted(available)) or "none"
        raise InputError(
            f"report_to {missing[0]}: it is not installed here, or no tracker of Accelerate's", f"installed: {there}"
        )
    AcceleratorState._reset_state()  # one for all of a process, but its next training may want another precision
    context.processes.join_group()
    precision = {"bfloat16": "bf16", "float16": "fp16"}.get(context.training.dtype, "no")
    return Accelerator(
        cpu=context.device == "cpu" and not sharding.wanted(),
        mixed_precision=precision,
        log_with=list(context.training.report_to) or None,
        project_dir=folder / "tracking",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=several)],
    )
