"""The updates of one training."""

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import ModelSettings, TrainSettings
from ..errors import InputError, OutputError, PlmtasksError, counted
from ..execution import Processes, Progress, duration, environment, size
from ..files import write_bytes
from ..metric import ScoreInfo
from ..model import Cost, LoadedModel, TrainableModel
from ..requests import Answer, Request
from . import sharding
from .optimizer import Course, make_optimizer
from .updates import Update, epoch_updates, padding_worth, pieces

if TYPE_CHECKING:
    import torch

ASK_ABOVE_SECONDS = 300.0
"""At a terminal, a training that takes longer than this is begun only when the user says so."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What is to be learned of one task."""

    task: str
    requests: Sequence[Request]
    answers: Sequence[Answer]
    """Solved: what a perfect model would answer."""
    facts: dict[str, Any]
    """What the record and the recipe say of the data: split, number of examples, fingerprint, selecting split."""
    labels: Sequence[str] = ()
    """What can be predicted, where that is a closed set."""
    selecting: dict[str, Any] | None = None
    """What the choice of the epoch depends on beside the data: task, metrics and settings."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What the user said of the data's columns, by which new questions in such files are read."""
    evaluate: Callable[[LoadedModel, str], float] | None = None
    """The selecting split's main score, nan where it is not defined; called in all processes; None: the last epoch is kept."""
    score: str = ""
    """The name of the main score."""
    info: ScoreInfo = field(default_factory=ScoreInfo)

    def distance(self, value: float) -> float:
        """Of a main score from its best value, as a logarithm: each halving counts the same, whatever the unit.

        A thousandth of the best value is as good as the best.
        """
        best = self.info.best or 0.0
        return math.log(max(abs(best - value), 0.001 * max(abs(best), 1.0)))


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
    sums: dict[str, list[float]] = field(default_factory=dict)
    """task → its losses' sum and number of updates since the last entry of the history"""


@dataclass
class Learning:
    """One training while it runs."""

    views: Sequence[TrainableModel]
    """The model as each task sees it; all share their weights."""
    lessons: Sequence[Lesson]
    """One for each view."""
    teacher: Teacher
    folder: Path
    identity: str
    state: State = field(default_factory=State)
    whole: "Mapping[str, torch.Tensor] | None" = None
    """After training, where the weights are split over the processes: all of them, in the main process."""

    @property
    def state_folder(self) -> Path:
        return self.folder / "training"

    def learn(self) -> list[dict[str, Any]]:
        """Trains to the end; returns the history, one entry an epoch."""
        import torch

        t, processes = self.teacher.training, self.teacher.processes
        self.accelerator = make_accelerator(self.teacher, several=len(self.views) > 1, folder=self.folder)
        self.module = torch.nn.ModuleList([view.module for view in self.views])
        alone = processes.count == 1 and self.teacher.device == "cpu" and not sharding.split(self.accelerator)
        self.tables = lasting_gradients(self.module) if alone else []
        self.optimizer = make_optimizer(self.module, t)
        updates_an_epoch = len(self._updates(0))
        total = max(1, round((t.num_train_epochs or 0) * updates_an_epoch))
        self.course = Course(self.optimizer, t, total)
        self._resume()
        self._say_plan(total, updates_an_epoch)
        self._say_shortened()
        wrapped, self.optimizer = self.accelerator.prepare(loss_module(self.views), self.optimizer)
        if sharding.split(self.accelerator) and self.state.update:
            sharding.load(self.accelerator, self.state_folder, str(self.state.update))
        costs = [view.learning_costs(lesson.requests) for view, lesson in zip(self.views, self.lessons, strict=True)]
        self._begin_tracking()
        self._saved_at = time.monotonic()
        with self.teacher.progress.bar("training", total, "updates") as bar:
            bar.begin_at(self.state.update)
            began = self.state.update
            while self.state.update < total and not self._patience_is_over():
                epoch, place = divmod(self.state.update, updates_an_epoch)
                if place == 0 or self.state.update == began:
                    updates = self._updates(epoch)
                update = updates[place]
                loss = self._update(wrapped, update, costs[update.lesson])
                self.state.update += 1
                sums = self.state.sums.setdefault(self.lessons[update.lesson].task, [0.0, 0])
                sums[0], sums[1] = sums[0] + loss, sums[1] + 1
                bar.update(self.state.update, f"loss {loss:.3f}")
                if self.state.update - began == 2:
                    bar.begin_at(self.state.update)  # the first are slow, and would mislead
                elif self.state.update - began == 7:
                    self._confirm(bar.seconds_left())
                if place + 1 == updates_an_epoch or self.state.update == total:
                    self._end_epoch(epoch)
                elif self._time_to_save():
                    self._save()
        processes.barrier("learned")
        if sharding.split(self.accelerator):
            self.whole = sharding.whole(self.accelerator, wrapped)
        self.accelerator.end_training()
        return self.state.history

    def _updates(self, epoch: int) -> list[Update]:
        return epoch_updates({lesson.task: len(lesson.requests) for lesson in self.lessons}, self.teacher.training, epoch)

    def _update(self, wrapped: Any, update: Update, costs: Sequence[Cost]) -> float:
        """One step of the optimizer; returns the mean loss over all processes."""
        import torch

        t, processes, lesson = self.teacher.training, self.teacher.processes, self.lessons[update.lesson]
        torch.manual_seed(hash((t.seed, self.state.update, processes.rank)) % 2**31)
        self.module.train()
        rate = self.course.before(self.state.update)
        parts = self._parts(update, costs)
        summed = counted = 0.0
        for number, (piece, weight) in enumerate(parts):
            with nullcontext() if number == len(parts) - 1 else self.accelerator.no_sync(wrapped):
                loss, count = wrapped(update.lesson, [lesson.requests[i] for i in piece], [lesson.answers[i] for i in piece])
                divided = processes.count / (self._sum(count * weight)[0] or 1.0) if sharding.own_steps(self.accelerator) else 1.0
                self.accelerator.backward(loss * weight * divided)
                summed, counted = summed + float(loss.detach()) * weight, counted + count * weight
        summed, counted = self._sum(summed, counted)
        counted = counted or 1.0  # texts without a token, labels that weigh nothing
        self._step(counted)
        mean = summed / counted
        if not math.isfinite(mean):
            raise PlmtasksError(f"the loss is {mean} at update {self.state.update + 1}", "try a smaller learning_rate")
        self._track({f"loss/{lesson.task}": mean, "learning rate": rate})
        return mean

    def _parts(self, update: Update, costs: Sequence[Cost]) -> list[tuple[list[int], float]]:
        """What this process computes of an update: pieces, and whether they weigh anything.

        Every process takes part in every update, and where no process holds all weights, in every piece.
        """
        processes = self.teacher.processes
        shares = [update.examples[rank :: processes.count] for rank in range(processes.count)]
        if sharding.own_steps(self.accelerator):
            cut = [[list(share)] if share else [] for share in shares]
        else:
            most, padding = self.teacher.training.batch_tokens, padding_worth(self.teacher.device)
            cut = [list(pieces(share, costs, most, padding)) for share in shares]
        mine = cut[processes.rank]
        wanted = max(map(len, cut)) if sharding.split(self.accelerator) else 1
        idle = [list(update.examples[:1])] * max(0, wanted - len(mine))
        return [(piece, 1.0) for piece in mine] + [(piece, 0.0) for piece in idle]

    def _sum(self, *values: float) -> list[float]:
        """Each value, summed over all processes."""
        import torch

        if self.teacher.processes.count == 1:
            return list(values)
        summed = self.accelerator.reduce(torch.tensor(values, dtype=torch.float64, device=self.teacher.device), "sum")
        return [float(value) for value in summed.tolist()]

    def _step(self, count: float) -> None:
        """Divides the summed gradients, clips, and steps."""

        if not sharding.own_steps(self.accelerator):
            self.accelerator.unscale_gradients(self.optimizer)
            gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
            # the processes' gradients were averaged; what is wanted is their sum over all that was counted
            factor = clipped(gradients, self.teacher.processes.count / count, self.teacher.training.max_grad_norm)
            for gradient in gradients:
                gradient.mul_(factor)
        self.optimizer.step()
        self.course.after()
        self.optimizer.zero_grad(set_to_none=True)
        for parameter, gradient in self.tables:
            parameter.grad = gradient.zero_()

    def _end_epoch(self, epoch: int) -> None:
        sums = self.state.sums
        losses = {task: total / updates for task, (total, updates) in sums.items()}
        loss = sum(total for total, _ in sums.values()) / sum(updates for _, updates in sums.values())
        entry: dict[str, Any] = {"epoch": epoch + 1, "update": self.state.update, "loss": loss}
        said = f"epoch {epoch + 1}: loss {loss:.4f}"
        if len(self.lessons) > 1:
            entry["losses"] = losses
            said += f" ({', '.join(f'{task} {value:.4f}' for task, value in losses.items())})"
        scores = self._scores()
        if scores:
            worth = self._worth(scores)
            entry["score"] = next(iter(scores.values())) if len(scores) == 1 else worth
            entry["score"] = entry["score"] if math.isfinite(worth) else None
            if len(scores) > 1:
                entry["scores"] = {task: s if math.isfinite(s) else None for task, s in scores.items()}
            said += "".join(f", {self._said(lesson, scores[lesson.task])}" for lesson in self.lessons if lesson.task in scores)
            if math.isfinite(worth) and (self.state.best is None or worth > self.state.best):
                self.state.best, self.state.best_folder = worth, f"best-{self.state.update}"
                if self.teacher.processes.main:
                    self.views[0].save(self.state_folder / self.state.best_folder)
            self._track({f"score/{task}": value for task, value in scores.items()})
        self.state.sums = {}
        self.state.history.append(entry)
        self.teacher.progress.say(said)
        self._save()

    def _scores(self) -> dict[str, float]:
        """task → its main score on its selecting split"""
        both = zip(self.views, self.lessons, strict=True)
        return {o.task: o.evaluate(view, f"{o.task}-{self.state.update}") for view, o in both if o.evaluate is not None}

    def _worth(self, scores: Mapping[str, float]) -> float:
        """By what epochs are compared, more is better: one task's score, or how near several are to their best values.

        Units of different scores are never added; and no epoch changes what another was worth, so that one checkpoint is kept.
        """
        judged = [lesson for lesson in self.lessons if lesson.task in scores]
        if not all(math.isfinite(value) for value in scores.values()):
            return math.nan
        if len(judged) == 1:
            return scores[judged[0].task] * (1 if judged[0].info.higher_is_better else -1)
        return -sum(lesson.distance(scores[lesson.task]) for lesson in judged) / len(judged)

    def _said(self, lesson: Lesson, value: float) -> str:
        """validation bits_per_byte 2.38 (lower is better)"""
        of = f"{lesson.task} " if len(self.lessons) > 1 else ""
        better = "higher" if lesson.info.higher_is_better else "lower"
        return f"{of}{lesson.facts['selected_on']} {lesson.score} {value:.2f} ({better} is better)"

    def _chosen_on(self) -> str:
        return ", ".join(dict.fromkeys(str(o.facts["selected_on"]) for o in self.lessons if o.evaluate is not None))

    def _patience_is_over(self) -> bool:
        """Whether so many epochs in a row were none better than one before."""
        patience = self.teacher.training.early_stopping_patience
        best = [i for i, entry in enumerate(self.state.history) if f"best-{entry['update']}" == self.state.best_folder]
        return patience is not None and bool(best) and len(self.state.history) - 1 - best[0] >= patience

    def _time_to_save(self) -> bool:
        late = time.monotonic() - self._saved_at > self.teacher.training.save_minutes * 60
        # where all have to take part, none may decide by its own clock
        return self.teacher.processes.main and late and not sharding.split(self.accelerator)

    def _save(self) -> None:
        """Keeps weights, optimizer and place: by the main process alone, whose state is everybody's, unless weights are split."""
        import io

        import torch

        self._saved_at = time.monotonic()
        held: dict[str, Any] = {}
        if sharding.split(self.accelerator):
            sharding.save(self.accelerator, self.state_folder, str(self.state.update))
        else:
            held = {"weights": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.accelerator.scaler is not None:
            held["scaler"] = self.accelerator.scaler.state_dict()
        if not self.teacher.processes.main:
            return
        content = io.BytesIO()
        state = {"identity": self.identity, "schedule": self.course.state(), **held, **asdict(self.state)}
        torch.save(state, content)
        write_bytes(self.state_folder / "state.pt", content.getvalue())
        for folder in (*self.state_folder.glob("best-*"), *self.state_folder.glob("shards-*")):
            if folder.name not in (self.state.best_folder, f"shards-{self.state.update}"):
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
        if "weights" in state:
            self.module.load_state_dict(state["weights"])
            self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.course.load(state["schedule"])
        self.state = State(**{f.name: state[f.name] for f in fields(State)})
        self.teacher.progress.say(f"goes on from update {self.state.update}")

    def _say_plan(self, total: int, updates_an_epoch: int) -> None:
        t = self.teacher.training
        what = ", ".join(f"{counted(len(lesson.requests), 'example')} of {lesson.task}" for lesson in self.lessons)
        kept = self._chosen_on()
        learning = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        every = sum(p.numel() for p in self.module.parameters())
        self.teacher.progress.say(
            f"training on {what}: {counted(t.num_train_epochs or 0.0, 'epoch')} "
            f"of {counted(updates_an_epoch, 'update')} ({total} in all), "
            f"batch {t.train_batch_size}, learning rate {t.learning_rate:g}, {t.dtype}; {learning:,} of {every:,} weights learn; "
            + (f"the best epoch by {kept} is kept" if kept else "the last epoch is kept")
        )
        judged = [lesson for lesson in self.lessons if lesson.evaluate is not None]
        unbounded = next((lesson for lesson in judged if lesson.info.best is None), None)
        if len(judged) > 1 and unbounded is not None:
            raise InputError(
                f"{unbounded.task}: {unbounded.score} has no best value, so that no epoch can be chosen for several tasks",
                "keep the last epoch with --training select_split=none",
            )
        if t.early_stopping_patience is not None and not kept:
            raise InputError(
                "early_stopping_patience needs a split that chooses the epoch", "name one: --training select_split=S"
            )

    def _say_shortened(self) -> None:
        for view, lesson in zip(self.views, self.lessons, strict=True) if self.teacher.processes.main else ():
            if count := view.shortened(lesson.requests, lesson.answers):
                of = f"{count} of {counted(len(lesson.requests), 'example')} of {lesson.task}"
                limit = f" ({view.limited})" if view.limited else ""
                self.teacher.progress.say(f"{of} are longer than the model takes or may write{limit}, and are learned shortened")

    def _begin_tracking(self) -> None:
        t = self.teacher.training
        if t.report_to:
            settings = {k: v for k, v in asdict(t).items() if isinstance(v, (int, float, str))}
            self.accelerator.init_trackers("plmtasks", config=settings)

    def _track(self, values: dict[str, float]) -> None:
        if self.teacher.training.report_to:
            self.accelerator.log(values, step=self.state.update)

    def _confirm(self, seconds: float) -> None:
        """Says how long it will take; at a terminal, asks when that is long."""
        import sys

        processes = self.teacher.processes

        def ask() -> bool:
            memory = size(environment.peak_memory(self.teacher.device))
            self.teacher.progress.say(f"about {duration(seconds)} to the end of training; {memory} of memory so far")
            if self.teacher.yes or seconds < ASK_ABOVE_SECONDS or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
                return True
            import click

            return click.confirm("go on?", default=True, err=True)

        if not processes.share("go on", ask):
            self._save()
            raise PlmtasksError(
                "training was stopped at the user's word", "the same command goes on from here; --yes asks nothing"
            )


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


def loss_module(views: Sequence[TrainableModel]) -> "torch.nn.Module":
    """The losses as one module, so that wrappers (gradient sums, autocast) see one call from texts to loss."""
    import torch

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.ModuleList([view.module for view in views])

        def forward(self, lesson: int, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
            return views[lesson].loss(requests, answers)

    return Loss()


def make_accelerator(teacher: Teacher, *, several: bool, folder: Path) -> Any:
    """several: an update may leave weights without a gradient, those of other tasks' heads

    raises: InputError for a tracker that is not installed
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.tracking import get_available_trackers
    from accelerate.utils import DistributedDataParallelKwargs

    available = {str(tracker) for tracker in get_available_trackers()}
    missing = [tracker for tracker in teacher.training.report_to if tracker not in available]
    if missing:
        there = ", ".join(sorted(available)) or "none"
        raise InputError(
            f"report_to {missing[0]}: it is not installed here, or no tracker of Accelerate's", f"installed: {there}"
        )
    AcceleratorState._reset_state()  # one for all of a process, but its next training may want another precision
    teacher.processes.join_group()
    precision = {"bfloat16": "bf16", "float16": "fp16"}.get(teacher.training.dtype, "no")
    return Accelerator(
        cpu=teacher.device == "cpu" and not sharding.wanted(),
        mixed_precision=precision,
        log_with=list(teacher.training.report_to) or None,
        project_dir=folder / "tracking",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=several)],
    )
