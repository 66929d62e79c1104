"""The updates of one training."""

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .batching import Cost, padded_tokens
from .config import ModelSettings, TrainSettings
from .distributed import Processes
from .errors import OutputError, PlmtasksError
from .model import LoadedModel, TrainableModel
from .progress import Progress, duration
from .requests import Answer, Request
from .results import write_bytes

if TYPE_CHECKING:
    import torch

ASK_ABOVE_SECONDS = 300.0
"""At a terminal, a training that takes longer than this is begun only when the user says so."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is to be learned."""

    task: str
    requests: Sequence[Request]
    answers: Sequence[Answer]
    """Solved: what a perfect model would answer."""
    facts: dict[str, Any]
    """What the record and the recipe say of the data: split, number of examples, fingerprint, selecting split."""
    selecting: dict[str, Any] | None = None
    """What the choice of the epoch depends on beside the data: task, metrics and settings."""
    evaluate: Callable[[LoadedModel, str], float] | None = None
    """The selecting split's main score, higher is better; called in all processes; None: the last epoch is kept."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Settings and surroundings of one training."""

    settings: ModelSettings
    training: TrainSettings
    processes: Processes
    progress: Progress
    device: str
    yes: bool = False


@dataclass
class State:
    """What an interrupted training needs to go on."""

    update: int = 0
    best: float | None = None
    best_folder: str | None = None
    """The checkpoint of the best epoch so far, in the state's folder."""
    history: list[dict[str, Any]] = field(default_factory=list)
    loss: float = 0.0
    """Summed over the updates since the last entry of the history."""


@dataclass
class Learning:
    """One training while it runs."""

    loaded: TrainableModel
    lesson: Lesson
    teacher: Teacher
    folder: Path
    identity: str
    state: State = field(default_factory=State)

    @property
    def state_folder(self) -> Path:
        return self.folder / "training"

    def learn(self) -> list[dict[str, Any]]:
        """Trains to the end; returns the history, one entry an epoch."""
        t, processes = self.teacher.training, self.teacher.processes
        self.accelerator = _accelerator(self.teacher)
        self.optimizer = _optimizer(self.loaded.module, t)
        self._resume()
        wrapped, self.optimizer = self.accelerator.prepare(_loss_module(self.loaded), self.optimizer)
        costs = self.loaded.costs(self.lesson.requests)
        updates_an_epoch = len(list(_updates(len(costs), t, 0)))
        total = max(1, round((t.epochs or 0) * updates_an_epoch))
        self._say_plan(total, updates_an_epoch)
        self._saved_at = time.monotonic()
        with self.teacher.progress.bar("training", total, "updates") as bar:
            bar.begin_at(self.state.update)
            began = self.state.update
            while self.state.update < total:
                epoch, place = divmod(self.state.update, updates_an_epoch)
                if place == 0 or self.state.update == began:
                    updates = list(_updates(len(costs), t, epoch))
                loss = self._update(wrapped, [costs, updates[place]], total)
                self.state.update += 1
                self.state.loss += loss
                bar.update(self.state.update, f"loss {loss:.3f}")
                if self.state.update - began == 2:
                    bar.begin_at(self.state.update)  # the first are slow, and would mislead
                elif self.state.update - began == 7:
                    self._confirm(bar.seconds_left())
                if place + 1 == updates_an_epoch or self.state.update == total:
                    self._end_epoch(epoch, place + 1)
                elif self._time_to_save():
                    self._save()
        processes.barrier("learned")
        return self.state.history

    def _update(self, wrapped: Any, work: Sequence[Any], total: int) -> float:
        """One step of the optimizer; returns the mean loss over all processes."""
        import torch

        costs, batch = work
        t, processes = self.teacher.training, self.teacher.processes
        torch.manual_seed(hash((t.seed, self.state.update, processes.rank)) % 2**31)
        self.loaded.module.train()
        mine = batch[processes.rank :: processes.count]
        # every process takes part in every update: one without examples computes one that weighs nothing
        pieces = list(_pieces(mine, costs, t.batch_tokens)) or [batch[:1]]
        summed = counted = 0.0
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            with nullcontext() if last else self.accelerator.no_sync(wrapped):
                loss, count = wrapped([self.lesson.requests[i] for i in piece], [self.lesson.answers[i] for i in piece])
                weight = 1.0 if mine else 0.0
                self.accelerator.backward(loss * weight)
                summed, counted = summed + float(loss.detach()) * weight, counted + count * weight
        if processes.count > 1:
            sums = torch.tensor([summed, counted], dtype=torch.float64, device=self.teacher.device)
            summed, counted = self.accelerator.reduce(sums, "sum").tolist()
        self._step(counted, total)
        mean = summed / counted
        if not math.isfinite(mean):
            raise PlmtasksError(f"the loss is {mean} at update {self.state.update + 1}", "try a smaller --learning-rate")
        return mean

    def _step(self, count: float, total: int) -> None:
        """Divides the summed gradients, clips, and steps at this update's learning rate."""
        import torch

        t = self.teacher.training
        self.accelerator.unscale_gradients(self.optimizer)
        for parameter in self.loaded.module.parameters():
            if parameter.grad is not None:
                # the processes' gradients were averaged; what is wanted is their sum over all that was counted
                parameter.grad.mul_(self.teacher.processes.count / count)
        if t.clip:
            # not the accelerator's own, which would unscale once more
            torch.nn.utils.clip_grad_norm_(self.loaded.module.parameters(), t.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = (t.learning_rate or 0.0) * _schedule(self.state.update, total, t.warmup)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _end_epoch(self, epoch: int, updates: int) -> None:
        entry: dict[str, Any] = {"epoch": epoch + 1, "update": self.state.update, "loss": self.state.loss / updates}
        self.state.loss = 0.0
        said = f"epoch {epoch + 1}: loss {entry['loss']:.4f}"
        if self.lesson.evaluate is not None:
            score = self.lesson.evaluate(self.loaded, f"update-{self.state.update}")
            entry["score"] = score if math.isfinite(score) else None
            said += f", {self.lesson.facts['selected_on']} {score:.2f}"
            if math.isfinite(score) and (self.state.best is None or score > self.state.best):
                self.state.best, self.state.best_folder = score, f"best-{self.state.update}"
                if self.teacher.processes.main:
                    self.loaded.save(self.state_folder / self.state.best_folder)
        self.state.history.append(entry)
        self.teacher.progress.say(said)
        self._save()

    def _time_to_save(self) -> bool:
        late = time.monotonic() - self._saved_at > self.teacher.training.save_minutes * 60
        return self.teacher.processes.main and late

    def _save(self) -> None:
        """Keeps weights, optimizer and place; by the main process alone, whose state is everybody's."""
        import io

        import torch

        self._saved_at = time.monotonic()
        if not self.teacher.processes.main:
            return
        content = io.BytesIO()
        state = {
            "identity": self.identity, "weights": self.loaded.module.state_dict(), "optimizer": self.optimizer.state_dict(),
            **asdict(self.state),
        }  # fmt: skip
        torch.save(state, content)
        write_bytes(self.state_folder / "state.pt", content.getvalue())
        for folder in self.state_folder.glob("best-*"):
            if folder.name != self.state.best_folder:
                shutil.rmtree(folder)

    def _resume(self) -> None:
        import torch

        path = self.state_folder / "state.pt"
        if not self.teacher.processes.share("resume", path.exists):
            return
        state = torch.load(path, map_location=self.teacher.device, weights_only=True)
        if state["identity"] != self.identity:
            raise OutputError(
                f"{path} belongs to another training", f"delete {self.state_folder}, or choose another folder with --output"
            )
        self.loaded.module.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.state = State(**{f.name: state[f.name] for f in fields(State)})
        self.teacher.progress.say(f"goes on from update {self.state.update}")

    def _say_plan(self, total: int, updates_an_epoch: int) -> None:
        t = self.teacher.training
        kept = self.lesson.facts.get("selected_on")
        self.teacher.progress.say(
            f"training on {len(self.lesson.requests)} examples of {self.lesson.task}: {t.epochs:g} epochs of {updates_an_epoch} "
            f"updates ({total} in all), batch {t.batch_size}, learning rate {t.learning_rate:g}, {t.dtype}; "
            + (f"the best epoch by {kept} is kept" if kept else "the last epoch is kept")
        )

    def _confirm(self, seconds: float) -> None:
        """Says how long it will take; at a terminal, asks when that is long."""
        import sys

        processes = self.teacher.processes

        def ask() -> bool:
            self.teacher.progress.say(f"about {duration(seconds)} to the end of training")
            if self.teacher.yes or seconds < ASK_ABOVE_SECONDS or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
                return True
            import click

            return click.confirm("go on?", default=True, err=True)

        if not processes.share("go on", ask):
            self._save()
            raise PlmtasksError(
                "training was stopped at the user's word", "the same command goes on from here; --yes asks nothing"
            )


def _loss_module(loaded: TrainableModel) -> "torch.nn.Module":
    """The loss as a module, so that wrappers (gradient sums, autocast) see one call from texts to loss."""
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = loaded.module

        def forward(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
            return loaded.loss(requests, answers)

    return Loss()


def _accelerator(teacher: Teacher) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # one for all of a process, but its next training may want another precision
    teacher.processes.join_group()
    precision = {"bfloat16": "bf16", "float16": "fp16"}.get(teacher.training.dtype, "no")
    return Accelerator(cpu=teacher.device == "cpu", mixed_precision=precision)


def _optimizer(module: "torch.nn.Module", t: TrainSettings) -> "torch.optim.Optimizer":
    """AdamW; no decay on biases and normalization weights, which are the one-dimensional ones."""
    import torch

    learning = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": t.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=t.learning_rate or 0.0, fused=True)


def _schedule(update: int, total: int, warmup: float) -> float:
    """The factor of the learning rate: up from 0 over the warm-up, then linearly down to 0. Devlin et al. (2018)."""
    warm = round(total * warmup)
    return update / warm if update < warm else (total - update) / max(1, total - warm)


def _updates(examples: int, t: TrainSettings, epoch: int) -> Iterator[list[int]]:
    """The examples of each update of an epoch, at random; what is alike in length comes together in pieces of an update only."""
    order = list(range(examples))
    random.Random(f"{t.seed} {epoch}").shuffle(order)
    size = (t.batch_size or 1) * t.accumulation
    yield from (order[i : i + size] for i in range(0, len(order), size))


def _pieces(batch: Sequence[int], costs: Sequence[Cost], batch_tokens: int) -> Iterator[list[int]]:
    """The batch, sorted by length, in pieces of one group and at most `batch_tokens` padded tokens, each at least an example."""
    piece: list[int] = []
    for i in sorted(batch, key=lambda i: (costs[i].group, costs[i].width, i)):
        grown = [costs[j] for j in (*piece, i)]
        if piece and (padded_tokens(grown) > batch_tokens or grown[0].group != grown[-1].group):
            yield piece
            piece = []
        piece.append(i)
    if piece:
        yield piece
