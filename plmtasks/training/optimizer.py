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
    "constant_with_warmup": lambda _: 1.0,
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

    form = getattr(torch.optim, t.optim, None)
    if not (isinstance(form, type) and issubclass(form, torch.optim.Optimizer)) or t.optim in UNFIT:
        known = [n for n in vars(torch.optim) if n[0].isupper() and n not in UNFIT]
        raise InputError(f"optim {t.optim!r} is none that plmtasks can use", f"of torch.optim: {', '.join(known)}")
    for name, setting in (("lr", "learning_rate"), ("weight_decay", "weight_decay")):
        if name in t.optim_args:
            raise InputError(f"optim_args takes no {name!r}", f"it is the setting {setting}")
    learning = [p for p in module.parameters() if p.requires_grad]
    if not learning:
        raise InputError("no weight is left that learns", "let freeze take less")
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": t.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = {"fused": True} if t.optim in ("AdamW", "Adam", "SGD") and not t.optim_args.get("foreach") else {}
    try:
        made: torch.optim.Optimizer = form(
            [g for g in groups if g["params"]], **{"lr": t.learning_rate or 0.0, **fused, **t.optim_args}
        )
    except (TypeError, ValueError, RuntimeError) as e:
        raise InputError(f"optim {t.optim}: {e}", "optim_args are its arguments") from e
    return made


class Course:
    """The learning rate of every update: up from 0 over the warm-up, then by the schedule."""

    def __init__(self, optimizer: "torch.optim.Optimizer", t: TrainSettings, total: int) -> None:
        if t.lr_scheduler_type in FACTORS and t.lr_scheduler_kwargs:
            raise InputError(f"{t.lr_scheduler_type} takes no lr_scheduler_kwargs", "a class of torch.optim.lr_scheduler does")
        self.optimizer, self.t, self.total = optimizer, t, total
        self.scheduler: Any = None if t.lr_scheduler_type in FACTORS else _scheduler(optimizer, t, total)

    def before(self, update: int) -> float:
        """Sets and returns the learning rate of this update."""
        if self.scheduler is None:
            for group in self.optimizer.param_groups:
                share = factor(self.t.lr_scheduler_type, update, self.total, self.t.warmup_steps)
                group["lr"] = (self.t.learning_rate or 0.0) * share
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
    warm = round(warmup if warmup >= 1 else total * warmup)
    return update / warm if update < warm else FACTORS[schedule]((update - warm) / max(1, total - warm))


def _scheduler(optimizer: "torch.optim.Optimizer", t: TrainSettings, total: int) -> Any:
    """raises: InputError"""
    import torch

    schedules = torch.optim.lr_scheduler
    form = getattr(schedules, t.lr_scheduler_type, None)
    unfit = ("LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau")
    if not (isinstance(form, type) and issubclass(form, schedules.LRScheduler)) or t.lr_scheduler_type in unfit:
        known = [n for n in schedules.__all__ if n not in unfit]
        raise InputError(
            f"lr_scheduler_type {t.lr_scheduler_type!r} is none that plmtasks can use", f"{', '.join((*FACTORS, *known))}"
        )
    wanted = inspect.signature(form).parameters
    args = {name: total for name in TOTALS if name in wanted} | dict(t.lr_scheduler_kwargs)
    args = {"max_lr": t.learning_rate or 0.0, **args} if "max_lr" in wanted else args
    try:
        return form(optimizer, **args)
    except (TypeError, ValueError) as e:
        raise InputError(f"lr_scheduler_type {t.lr_scheduler_type}: {e}", "lr_scheduler_kwargs are its arguments") from e
