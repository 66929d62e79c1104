"""Optimizers and schedules by name."""

from pathlib import Path
from typing import Any

import pytest
import torch

from plmtasks import TrainSettings
from plmtasks.errors import InputError
from plmtasks.training.optimizer import factor, make_lr_scheduler, make_optimizer


def rates(t: TrainSettings, updates: int = 100) -> list[float]:
    """The learning rate of every update."""
    optimizer = make_optimizer(torch.nn.Linear(2, 2), t)
    lr_scheduler = make_lr_scheduler(optimizer, t, updates)
    found = []
    for _ in range(updates):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        lr_scheduler.step()
    return found


def test_the_learning_rate_climbs_and_falls() -> None:
    factors = [factor("linear", update, 100, 0.1) for update in range(100)]
    assert factors[0] == 0
    assert factors[5] == pytest.approx(0.5)
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(1 / 90)


def test_a_warm_up_is_of_so_many_updates_or_a_share_of_them() -> None:
    assert factor("linear", 5, 200, 10) == factor("linear", 5, 200, 0.05) == 0.5
    assert factor("constant_with_warmup", 10, 200, 10) == 1.0


def test_schedules_by_name() -> None:
    settings = {"learning_rate": 1.0, "warmup_steps": 0.0}
    assert rates(TrainSettings(lr_scheduler_type="constant_with_warmup", **settings)) == [1.0] * 100  # type: ignore[arg-type]
    cosine = rates(TrainSettings(lr_scheduler_type="cosine", **settings))  # type: ignore[arg-type]
    assert rates(TrainSettings(lr_scheduler_type="CosineAnnealingLR", **settings)) == pytest.approx(cosine)  # type: ignore[arg-type]
    steps = rates(TrainSettings(lr_scheduler_type="StepLR", lr_scheduler_kwargs={"step_size": 50}, **settings))  # type: ignore[arg-type]
    assert steps == pytest.approx([1.0] * 50 + [0.1] * 50)
    one_cycle = rates(TrainSettings(lr_scheduler_type="OneCycleLR", **settings))  # type: ignore[arg-type]
    assert max(one_cycle) == pytest.approx(1.0, rel=0.01)
    assert one_cycle[0] < 0.1


@pytest.mark.parametrize(
    "schedule", [{"lr_scheduler_type": "ExponentialLR", "lr_scheduler_kwargs": {"gamma": 0.9}}, {"lr_scheduler_type": "cosine"}]
)
def test_an_interrupted_schedule_goes_on(schedule: dict[str, Any]) -> None:
    t = TrainSettings(learning_rate=1.0, **schedule)
    whole = rates(t, 10)
    first, second = (make_lr_scheduler(make_optimizer(torch.nn.Linear(2, 2), t), t, 10) for _ in range(2))
    for _ in range(4):
        first.optimizer.step()
        first.step()
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert second.optimizer.param_groups[0]["lr"] == pytest.approx(whole[4])
    first.optimizer.step(), second.optimizer.step()
    first.step(), second.step()
    assert second.optimizer.param_groups[0]["lr"] == first.optimizer.param_groups[0]["lr"] == pytest.approx(whole[5])


def test_optimizers_by_name() -> None:
    module = torch.nn.Linear(2, 2)
    made = make_optimizer(module, TrainSettings(optim="SGD", optim_args={"momentum": 0.5}, learning_rate=0.1))
    assert isinstance(made, torch.optim.SGD)
    assert made.param_groups[0]["momentum"] == 0.5
    decays = {g["weight_decay"] for g in make_optimizer(module, TrainSettings(weight_decay=0.3)).param_groups}
    assert decays == {0.3, 0.0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optim": "Adm"}, "'Adm' is none that plmtasks can use"),
        ({"optim": "LBFGS"}, "'LBFGS' is none"),
        ({"optim": "SGD", "optim_args": {"betas": 1}}, "betas"),
        ({"optim": "SparseAdam"}, "'SparseAdam' is none"),
        ({"optim_args": {"lr": 1}}, "takes no 'lr'\n  it is the setting learning_rate"),
        ({"optim_args": {"weight_decay": 1}}, "takes no 'weight_decay'\n  it is the setting weight_decay"),
        ({"optim_args": {"fused": True, "foreach": True}}, "AdamW: .*foreach"),
        ({"lr_scheduler_kwargs": {"power": 2}}, "linear takes no lr_scheduler_kwargs"),
        ({"lr_scheduler_type": "triangle"}, "'triangle' is none"),
        ({"lr_scheduler_type": "ReduceLROnPlateau"}, "'ReduceLROnPlateau' is none"),
        ({"lr_scheduler_type": "StepLR"}, "step_size"),
    ],
)
def test_names_that_are_none(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        rates(TrainSettings(learning_rate=0.1, **settings))  # type: ignore[arg-type]


def test_nothing_left_to_learn() -> None:
    with pytest.raises(InputError, match="no weight is left"):
        make_optimizer(torch.nn.Linear(2, 2).requires_grad_(requires_grad=False), TrainSettings())


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.06, 1, 7, 2.5])
def test_the_warm_up_is_as_long_as_trainers(warmup: float, tmp_path: Path) -> None:
    from transformers import TrainingArguments

    args = TrainingArguments(output_dir=str(tmp_path), warmup_steps=warmup)
    for total in (1, 4, 10, 30, 99, 1234):
        lasts = next(update for update in range(total + 9) if factor("constant_with_warmup", update, total, warmup) == 1)
        assert lasts == args.get_warmup_steps(total)
