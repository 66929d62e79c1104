"""The optimizer and its learning-rate schedule, by name; and the gradients that it is given."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
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

UNFIT_SCHEDULES = ("LRScheduler", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau")
"""The same of `torch.optim.lr_scheduler`."""

TOTALS = ("total_steps", "total_iters", "T_max")
"""How torch's schedules call the number of updates; filled in where they want one."""


def make_optimizer(module: "torch.nn.Module", t: TrainSettings) -> "torch.optim.Optimizer":
    """No decay on biases and normalization weights, which are the one-dimensional ones.

    raises: InputError if torch has no such optimizer, or it takes no such arguments
    """
    import torch

    known = {n: form for n, form in vars(torch.optim).items() if n[0].isupper() and n not in UNFIT}
    if t.optim not in known:
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
        args = {"lr": t.learning_rate or 0.0, **fused, **t.optim_args}
        optimizer: torch.optim.Optimizer = known[t.optim]([g for g in groups if g["params"]], **args)
    except (TypeError, ValueError, RuntimeError) as e:
        raise InputError(f"optim {t.optim}: {e}", "optim_args are its arguments") from e
    return optimizer


def factor(schedule: str, update: int, total: int, warmup: float) -> float:
    """The factor of the learning rate: up from 0 over the warm-up, then down. Devlin et al. (2018) for the linear one."""
    warm = int(warmup) if warmup >= 1 else math.ceil(total * warmup)
    return update / warm if update < warm else FACTORS[schedule]((update - warm) / max(1, total - warm))


def make_lr_scheduler(optimizer: "torch.optim.Optimizer", t: TrainSettings, total: int) -> "torch.optim.lr_scheduler.LRScheduler":
    """The learning rate of every update: up from 0 over the warm-up, then by the schedule; or one of torch's, as it begins.

    total: updates in all

    raises: InputError if torch has no such schedule, or it takes no such arguments
    """
    import torch

    schedules = torch.optim.lr_scheduler
    if t.lr_scheduler_type in FACTORS:
        if t.lr_scheduler_kwargs:
            raise InputError(f"{t.lr_scheduler_type} takes no lr_scheduler_kwargs", "a class of torch.optim.lr_scheduler does")
        return schedules.LambdaLR(optimizer, lambda update: factor(t.lr_scheduler_type, update, total, t.warmup_steps))
    known = [n for n in schedules.__all__ if n not in UNFIT_SCHEDULES]
    if t.lr_scheduler_type not in known:
        raise InputError(
            f"lr_scheduler_type {t.lr_scheduler_type!r} is none that plmtasks can use", f"{', '.join((*FACTORS, *known))}"
        )
    form = getattr(schedules, t.lr_scheduler_type)
    wanted = inspect.signature(form).parameters
    args = {name: total for name in TOTALS if name in wanted} | dict(t.lr_scheduler_kwargs)
    args = {"max_lr": t.learning_rate or 0.0, **args} if "max_lr" in wanted else args
    try:
        scheduler: torch.optim.lr_scheduler.LRScheduler = form(optimizer, **args)
    except (TypeError, ValueError) as e:
        raise InputError(f"lr_scheduler_type {t.lr_scheduler_type}: {e}", "lr_scheduler_kwargs are its arguments") from e
    return scheduler


def lasting_gradients(module: "torch.nn.Module") -> "list[tuple[torch.nn.Parameter, torch.Tensor]]":
    """Embeddings that learn, and their gradients, which last from update to update and are zeroed after each.

    An update meets few of their rows, which are then added to them; a gradient made anew is mostly zeros, in memory that the
    system has to clear once more: a sixth of a short update's time with a vocabulary of 30,000.
    """
    import torch

    tables: dict[int, tuple[Any, torch.Tensor]] = {}
    for part in module.modules():
        if isinstance(part, torch.nn.Embedding) and part.weight.requires_grad:
            part.sparse = True
            part.weight.grad = torch.zeros_like(part.weight)
            tables[id(part.weight)] = (part.weight, part.weight.grad)
    return list(tables.values())


def clipped(gradients: "Sequence[torch.Tensor]", factor: float, most: float) -> "torch.Tensor":
    """The factor, or as much of it as leaves the gradients a norm of at most `most`, if that is not 0."""
    import torch

    whole = torch.tensor(factor, device=gradients[0].device)
    if not most:
        return whole
    norm: Any = torch.nn.utils.get_total_norm(gradients)
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # where weights are split
    clipped: torch.Tensor = whole * (most / (norm * whole + 1e-6)).clamp(max=1.0)
    return clipped


def scaled_step(optimizer: Any, gradients: "Sequence[torch.Tensor]", factor: "torch.Tensor", *, within: bool) -> None:
    """One step by the gradients times the factor.

    within: whether torch's fused optimizers are to multiply them as they read them, which is a pass over memory less
    """
    own = getattr(optimizer, "optimizer", optimizer)  # Accelerate's holds torch's
    if within and getattr(own, "_step_supports_amp_scaling", False):
        own.grad_scale = factor.reciprocal()  # as torch's GradScaler tells it
        optimizer.step()
        del own.grad_scale
        return
    for gradient in gradients:
        gradient.mul_(factor)
    optimizer.step()
