"""What a training would cost."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, counted
from ..execution import duration, padded_tokens, size
from .checkpoint import ready
from .recipe import Training
from .trainer import Trainer
from .updates import Update

if TYPE_CHECKING:
    import torch

TIMED = 3
"""Updates that are timed, after one that is not."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The cost of one process of a training."""

    examples: Mapping[str, int]
    """task → examples of its train split"""
    epochs: float
    updates: int
    parameters: int
    trainable: int
    weights: int
    """Bytes, as all that follow."""
    gradients: int
    optimizer: int
    activations: int
    """What the costliest micro-batch of an update keeps for the way back."""
    seconds: float
    """To the end, without evaluations, at the median of some updates."""

    @property
    def memory(self) -> int:
        """Bytes of all that is held at once, without the library's own."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        kinds = ("weights", "gradients", "optimizer", "activations")
        memory = ", ".join(f"{kind} {size(getattr(self, kind))}" for kind in kinds)
        return "\n".join([
            f"data        {', '.join(f'{count:,} examples of {task}' for task, count in self.examples.items())}",
            f"steps       {counted(self.updates, 'update')}, {counted(self.epochs, 'epoch')}",
            f"parameters  {self.parameters:,}, of which {self.trainable:,} learn",
            f"memory      {size(self.memory)} a process: {memory}",
            f"time        about {duration(self.seconds)}, evaluations not counted",
        ])  # fmt: skip


def estimate(training: Training, processes: int) -> Estimate:
    """Measured on a few updates whose weights are thrown away.

    processes: of the training; this one does the share of one of them

    raises: InputError for a model that has no updates, or settings that it cannot learn by
    """
    if training.model.learns_by is not None:
        raise InputError(f"{training.model.name!r} learns from all examples at once: it has no updates whose cost could be told")
    untracked = replace(training, how=replace(training.how, report_to=()))
    with tempfile.TemporaryDirectory(prefix="plmtasks-") as folder:
        views = ready(training, Path(folder, "scratch"))
        trainer = Trainer(training=untracked, views=views, folder=Path(folder))
        trainer.begin()
    updates = [Update(update.task, update.examples[::processes]) for update in trainer.updates(0)]
    timed = []
    for update in (updates * (TIMED + 1))[: TIMED + 1]:
        began = time.monotonic()
        trainer.update(update)
        timed.append(time.monotonic() - began)
    seconds = sorted(timed[1:])[TIMED // 2]
    parameters = list(trainer.module.parameters())
    learning = [p for p in parameters if p.requires_grad]
    states = [v for state in trainer.optimizer.state.values() for v in state.values() if hasattr(v, "element_size")]
    return Estimate(
        examples={dataset.task: len(dataset.requests) for dataset in training.datasets},
        epochs=training.how.num_train_epochs or 0,
        updates=trainer.total, parameters=sum(p.numel() for p in parameters), trainable=sum(p.numel() for p in learning),
        weights=_bytes(parameters), gradients=_bytes(learning), optimizer=_bytes(states),
        activations=_activation_bytes(trainer, updates), seconds=seconds * trainer.total,
    )  # fmt: skip


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _activation_bytes(trainer: Trainer, updates: Sequence[Update]) -> int:
    """What the costliest micro-batch keeps, weights not counted."""
    import torch

    task, micro_batch = max(
        ((u.task, micro_batch) for u in updates for micro_batch, _ in trainer.micro_batches(u)),
        key=lambda pair: padded_tokens([trainer.costs[pair[0]][i] for i in pair[1]]),
    )
    own = {p.untyped_storage().data_ptr() for p in trainer.module.parameters()}
    kept: dict[int, int] = {}
    held = []  # a storage that is freed could come again for another tensor

    def keep(tensor: "torch.Tensor") -> "torch.Tensor":
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        trainer.loss(task, micro_batch)
    return sum(kept.values())
