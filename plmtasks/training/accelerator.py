"""Accelerate's hold on a training's processes, precision and weights, which it may split: FSDP and DeepSpeed."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution import Processes
from ..model import TrainableModel
from ..requests import Answer, Request
from .engines import PRECISIONS, deepspeed_plugin, engine

if TYPE_CHECKING:
    import torch

    from .recipe import Training


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

    raises: InputError for a tracker that is not installed, and where Accelerate would not train all processes together
    """
    from accelerate import Accelerator, PartialState
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, DistributedType, GradientAccumulationPlugin

    _check_trackers(training.how.report_to)
    how, processes, by, on_cpu = training.how, training.processes, engine(), training.device == "cpu"
    deepspeed = deepspeed_plugin(how, processes.count) if by == "DeepSpeed" else None
    # each process loads its models itself; told otherwise, transformers leaves them empty in all but one once there is a group
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"
    processes.join_group()
    # one for all of a process, but its next training may want another precision, and the engine is chosen anew
    AcceleratorState._reset_state(reset_partial_state=True)
    with _place(processes):
        state = PartialState(cpu=on_cpu)
        if by == "FSDP" and state.distributed_type == DistributedType.MULTI_CPU:
            # FSDP works over gloo too, but Accelerate makes it of what it calls several GPUs alone
            state.distributed_type = DistributedType.MULTI_GPU
        accelerator = Accelerator(
            cpu=on_cpu and by is None, mixed_precision=PRECISIONS.get(how.dtype, "no"), deepspeed_plugin=deepspeed,
            log_with=list(how.report_to) or None, project_dir=folder / "tracking",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=several)],
            # the configuration's number would divide the loss of every micro-batch; updates are cut and divided here
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )  # fmt: skip
    if deepspeed is not None:
        deepspeed.dschf = None  # by this, transformers would split whatever model it loads from now on
    check_together(accelerator, processes)
    return accelerator


def check_together(accelerator: Any, processes: Processes) -> None:
    """raises: InputError if Accelerate is not of the same processes as the training: each would learn alone"""
    if accelerator.num_processes != processes.count or accelerator.process_index != processes.rank:
        raise InputError(
            f"process {processes.rank} of {processes.count} is {accelerator.process_index} of {accelerator.num_processes} to "
            f"Accelerate, whose kind of distribution is {accelerator.distributed_type.value}: each would learn alone",
            "train in one process, or on devices over which Accelerate sums gradients: CPUs, or GPUs of one kind",
        )


def _place(processes: Processes) -> AbstractContextManager[None]:
    """The environment in which Accelerate looks for this process's place, whichever launcher it was that said it to us."""
    from accelerate.utils import patch_environment

    if processes.count == 1:
        return nullcontext()
    place: AbstractContextManager[None] = patch_environment(
        RANK=processes.rank, WORLD_SIZE=processes.count, LOCAL_RANK=processes.local_rank, LOCAL_WORLD_SIZE=processes.local_count
    )
    return place


def _check_trackers(wanted: Sequence[str]) -> None:
    """raises: InputError for a tracker that is not installed"""
    from accelerate.tracking import get_available_trackers

    available = {str(tracker) for tracker in get_available_trackers()}
    missing = [tracker for tracker in wanted if tracker not in available]
    if missing:
        there = ", ".join(sorted(available)) or "none"
        raise InputError(
            f"report_to {missing[0]}: it is not installed here, or no tracker of Accelerate's", f"installed: {there}"
        )
