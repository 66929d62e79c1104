"""The optimizer and the course of its learning rate, by name."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..config import TrainSettings
from ..errors import InputError

if TYPE_CHECKING:
    import torch

FACTORS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "constant": lambda _: 1.0,
}
"""Schedule → the factor of the learning rate, by the fraction of the updates after the warm-up that are done."""

UNFIT = ("Optimizer", "LBFGS", "SparseAdam")
"""Classes of `torch.optim` that are no optimizer, want the loss several times an update, or gradients of another kind."""

TOTALS = ("total_steps", "total_iters", "T_max")
"""How torch's schedules call the number of updates; filled in where they want one."""


def make_optimizer(module: "torch.nn.Module", t: TrainSettings) -> "torch.optim.Optimizer":
    """No decay on biases and normalization weights, which are the one-dimensional ones.

    raises: InputError if torch has no such optimizer, or it takes no such arguments
    """
    import torch

    form = getattr(torch.optim, t.optimizer, None)
    if not (isinstance(form, type) and issubclass(form, torch.optim.Optimizer)) or t.optimizer in UNFIT:
        known = [n for n in vars(torch.optim) if n[0].isupper() and n not in UNFIT]
        raise InputError(f"--optimizer {t.optimizer!r} is none that plmtasks can use", f"of torch.optim: {', '.join(known)}")
    for name, option in (("lr", "--learning-rate"), ("weight_decay", "--weight-decay")):
        if name in t.optimizer_args:
            raise InputError(f"--optimizer-args takes no {name!r}", f"it is {option}")
    learning = [p for p in module.parameters() if p.requires_grad]
    if not learning:
        raise InputError("no weight is left that learns", "let --freeze take less")
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": t.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = {"fused": True} if t.optimizer in ("AdamW", "Adam", "SGD") and not t.optimizer_args.get("foreach") else {}
    try:
        made: torch.optim.Optimizer = form(
            [g for g in groups if g["params"]], **{"lr": t.learning_rate or 0.0, **fused, **t.optimizer_args}
        )
    except (TypeError, ValueError, RuntimeError) as e:
        raise InputError(f"--optimizer {t.optimizer}: {e}", "--optimizer-args takes its arguments as JSON") from e
    return made


class Course:
    """The learning rate of every update: up from 0 over the warm-up, then by the schedule."""

    def __init__(self, optimizer: "torch.optim.Optimizer", t: TrainSettings, total: int) -> None:
        if t.schedule in FACTORS and t.schedule_args:
            raise InputError(f"--schedule {t.schedule} takes no --schedule-args", "a class of torch.optim.lr_scheduler does")
        self.optimizer, self.t, self.total = optimizer, t, total
        self.scheduler: Any = None if t.schedule in FACTORS else _scheduler(optimizer, t, total)

    def before(self, update: int) -> float:
        """Sets and returns the learning rate of this update."""
        if self.scheduler is None:
            for group in self.optimizer.param_groups:
                group["lr"] = (self.t.learning_rate or 0.0) * factor(self.t.schedule, update, self.total, self.t.warmup)
        rate: float = float(self.optimizer.param_groups[0]["lr"])
        return rate

    def after(self) -> None:
        if self.scheduler is not None:
            self.scheduler.step()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.scheduler.state_dict() if self.scheduler is not None else {}
        return state

    def load(self, state: dict[str, Any]) -> None:
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state)


def factor(schedule: str, update: int, total: int, warmup: float) -> float:
    """The factor of the learning rate: up from 0 over the warm-up, then down. Devlin et al. (2018) for the linear one."""
    warm = round(total * warmup)
    return update / warm if update < warm else FACTORS[schedule]((update - warm) / max(1, total - warm))


def _scheduler(optimizer: "torch.optim.Optimizer", t: TrainSettings, total: int) -> Any:
    """raises: InputError"""
    import torch

    schedules = torch.optim.lr_scheduler
    form = getattr(schedules, t.schedule, None)
    unfit = ("LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau")
    if not (isinstance(form, type) and issubclass(form, schedules.LRScheduler)) or t.schedule in unfit:
        known = [n for n in schedules.__all__ if n not in unfit]
        raise InputError(f"--schedule {t.schedule!r} is none that plmtasks can use", f"{', '.join((*FACTORS, *known))}")
    wanted = inspect.signature(form).parameters
    args = {name: total for name in TOTALS if name in wanted} | dict(t.schedule_args)
    args = {"max_lr": t.learning_rate or 0.0, **args} if "max_lr" in wanted else args
    try:
        return form(optimizer, **args)
    except (TypeError, ValueError) as e:
        raise InputError(f"--schedule {t.schedule}: {e}", "--schedule-args takes its arguments as JSON") from e
