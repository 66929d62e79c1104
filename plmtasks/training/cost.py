"""What a training would cost."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, counted
from ..execution import duration, padded_tokens, size
from ..model import Model, TrainableModel
from .checkpoint import ready
from .optimizer import Course, make_optimizer
from .trainer import Lesson, Teacher, loss_module, make_accelerator
from .updates import Update, epoch_updates, padding_worth, pieces

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
    """What the costliest piece of an update keeps for the way back."""
    seconds: float
    """To the end, without evaluations, at the median of some updates."""

    @property
    def memory(self) -> int:
        """Bytes of all that is held at once, without the library's own."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "activations": self.activations,
        }
        memory = ", ".join(f"{name} {size(count)}" for name, count in parts.items())
        return "\n".join([
            f"data        {', '.join(f'{count:,} examples of {task}' for task, count in self.examples.items())}",
            f"steps       {counted(self.updates, 'update')}, {counted(self.epochs, 'epoch')}",
            f"parameters  {self.parameters:,}, of which {self.trainable:,} learn",
            f"memory      {size(self.memory)} a process: {memory}",
            f"time        about {duration(self.seconds)}, evaluations not counted",
        ])  # fmt: skip


def estimate(model: Model, lessons: Sequence[Lesson], teacher: Teacher, processes: int) -> Estimate:
    """Measured on a few updates whose weights are thrown away.

    processes: of the training; this one does the share of one of them
    """
    t = teacher.training
    if model.learns_by is not None:
        raise InputError(f"{model.name!r} learns from all examples at once: it has no updates whose cost could be told")
    with tempfile.TemporaryDirectory(prefix="plmtasks-") as folder:
        views = ready(model, lessons, teacher, Path(folder, "scratch"))
    tasks = {lesson.task: len(lesson.requests) for lesson in lessons}
    updates = epoch_updates(tasks, t, 0)
    total = max(1, round((t.num_train_epochs or 0) * len(updates)))
    trial = _Trial(views, lessons, replace(teacher, training=replace(t, report_to=())), total, processes)
    seconds = sorted([trial.run(u) for u in (updates * (TIMED + 1))[: TIMED + 1]][1:])[TIMED // 2]
    parameters = {id(p): p for view in views for p in view.module.parameters()}.values()
    learning = [p for p in parameters if p.requires_grad]
    return Estimate(
        examples=tasks, epochs=t.num_train_epochs or 0, updates=total, parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in learning), weights=_bytes(parameters), gradients=_bytes(learning),
        optimizer=trial.optimizer_bytes(), activations=trial.activation_bytes(updates), seconds=seconds * total,
    )  # fmt: skip


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class _Trial:
    """Updates as `Learning` makes them, of one process and without a record."""

    def __init__(
        self, views: Sequence[TrainableModel], lessons: Sequence[Lesson], teacher: Teacher, total: int, processes: int
    ) -> None:
        import torch

        self.lessons, self.t, self.processes = lessons, teacher.training, processes
        self.padding = padding_worth(teacher.device)
        self.accelerator = make_accelerator(teacher, several=len(views) > 1, folder=Path())
        self.module = torch.nn.ModuleList([view.module for view in views])
        optimizer = make_optimizer(self.module, self.t)
        self.course = Course(optimizer, self.t, total)
        self.wrapped, self.optimizer = self.accelerator.prepare(loss_module(views), optimizer)
        self.costs = [view.learning_costs(lesson.requests) for view, lesson in zip(views, lessons, strict=True)]

    def run(self, update: Update) -> float:
        """One update; returns its seconds."""
        began = time.monotonic()
        self.module.train()
        for piece in self._pieces(update):
            self.accelerator.backward(self._loss(update.lesson, piece))
        self.course.before(1)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.monotonic() - began

    def _pieces(self, update: Update) -> list[list[int]]:
        mine = update.examples[:: self.processes]
        return list(pieces(mine, self.costs[update.lesson], self.t.batch_tokens, self.padding))

    def _loss(self, lesson: int, piece: Sequence[int]) -> "torch.Tensor":
        of = self.lessons[lesson]
        loss, count = self.wrapped(lesson, [of.requests[i] for i in piece], [of.answers[i] for i in piece])
        mean: torch.Tensor = loss / (count or 1.0)
        return mean

    def optimizer_bytes(self) -> int:
        import torch

        states = self.optimizer.state.values()
        return _bytes(value for state in states for value in state.values() if isinstance(value, torch.Tensor))

    def activation_bytes(self, updates: Sequence[Update]) -> int:
        """What the costliest piece keeps, weights not counted."""
        import torch

        lesson, piece = max(
            ((u.lesson, piece) for u in updates for piece in self._pieces(u)),
            key=lambda found: padded_tokens([self.costs[found[0]][i] for i in found[1]]),
        )
        own = {p.untyped_storage().data_ptr() for p in self.module.parameters()}
        kept: dict[int, int] = {}
        held = []  # a storage that is freed could come again for another tensor

        def keep(tensor: "torch.Tensor") -> "torch.Tensor":
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
                held.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self._loss(lesson, piece)
        return sum(kept.values())
