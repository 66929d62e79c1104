"""The updates of one training, and what it needs to go on once it was interrupted."""

import io
import math
import shutil
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from ..errors import InputError, LearningWarning, OutputError, PlmtasksError, counted
from ..execution import Bar, duration, environment, size
from ..files import check_claim, write_bytes
from ..model import TrainableModel
from .accelerator import loss_module, make_accelerator, splits, steps_itself, whole
from .dataset import TrainingDataset, worth
from .device import device_of
from .ending import Ending
from .optimizer import clipped, lasting_gradients, make_lr_scheduler, make_optimizer, scaled_step
from .recipe import EPOCHS, LEAST_UPDATES, Training
from .updates import Update, epoch_updates, micro_batches

if TYPE_CHECKING:
    import torch

ASK_ABOVE_SECONDS = 300.0
"""At a terminal, a training that takes longer than this is begun only when the user says so."""

KEPT = 10.0
"""At the end of an epoch the state is kept once so many times as long has passed as keeping it takes."""


@dataclass
class State:
    """How far a training is."""

    update: int = 0
    best: float | None = None
    best_folder: str | None = None
    """The checkpoint of the best epoch so far, in the state's folder."""
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)
    """task → its losses' sum and number of updates since the last entry of the history"""
    tenths: dict[str, list[list[float]]] = field(default_factory=dict)
    """task → the losses of its updates in the first and in the last tenth of all"""


@dataclass
class Trainer:
    """One training while it runs."""

    training: Training
    views: Sequence[TrainableModel]
    """The model as each task sees it; all share their weights."""
    folder: Path
    state: State = field(default_factory=State)
    ending: Ending = field(default_factory=Ending)
    whole: "Mapping[str, torch.Tensor] | None" = None
    """After training, where the weights are split over the processes: all of them, in the main process."""

    def __post_init__(self) -> None:
        self.datasets, self.t, self.device = self.training.datasets, self.training.how, device_of(self.training.device)
        self.state_folder = self.folder / "training"

    def train(self) -> list[dict[str, Any]]:
        """Trains to the end; returns the history, one entry an epoch."""
        self.begin()
        if self.t.report_to:
            settings = {k: v for k, v in asdict(self.t).items() if isinstance(v, (int, float, str))}
            self.accelerator.init_trackers("plmtasks", config=settings)
        self._saved_at, self._saved_in = time.monotonic(), 0.0
        count = self.training.processes.count
        with self.training.progress.bar("training", self.total, "updates") as bar, self.ending.noticed(count):
            self._train(bar)
        self._warn()
        self.training.processes.barrier("learned")
        if self.split:
            self.whole = whole(self.accelerator, self.wrapped)
        # not end_training, which would leave the process group: gloo loses messages of a group made where another was before
        for tracker in self.accelerator.trackers:
            tracker.finish()
        return self.state.history

    def begin(self) -> None:
        """All up to the first update: what an interrupted training left is taken up."""
        import torch

        self._check()
        self.updates_an_epoch = len(self.updates(0))
        self.total = max(1, round((self.t.num_train_epochs or 0) * self.updates_an_epoch))
        self.accelerator = make_accelerator(self.training, several=len(self.views) > 1, folder=self.folder)
        self.module = torch.nn.ModuleList([view.module for view in self.views])
        self.split = splits(self.accelerator)
        lasting = self.device.lasting and self.training.processes.count == 1 and not self.split
        self.tables = lasting_gradients(self.module) if lasting else []
        self.optimizer = make_optimizer(self.module, self.t)
        self.lr_scheduler = make_lr_scheduler(self.optimizer, self.t, self.total)
        if self.training.processes.share("resume", (self.state_folder / "state.pt").exists):
            self._resume()
            self.training.progress.say(f"goes on from update {self.state.update}")
        self._say_plan()
        self.wrapped, self.optimizer = self.accelerator.prepare(loss_module(self.views), self.optimizer)
        if self.split and self.state.update:
            self.accelerator.load_state(str(self.state_folder / f"shards-{self.state.update}"))
        self.costs = [view.learning_costs(dataset.requests) for view, dataset in zip(self.views, self.datasets, strict=True)]

    def write_weights(self) -> None:
        """Puts the checkpoint of the epoch that was chosen, or of the last, into the folder.

        raises: BusyError if another process took the training over
        """
        check_claim(self.folder)
        if self.state.best_folder is None:
            self.views[0].save(self.folder, self.whole)
            return
        for path in (self.state_folder / self.state.best_folder).iterdir():
            path.replace(self.folder / path.name)

    def _check(self) -> None:
        """raises: InputError if the epoch cannot be chosen as the user wants"""
        judged = [dataset for dataset in self.datasets if dataset.evaluate is not None]
        unbounded = next((dataset for dataset in judged if dataset.info.best is None), None)
        if len(judged) > 1 and unbounded is not None:
            raise InputError(
                f"{unbounded.task}: {unbounded.score} has no best value, so that no epoch can be chosen for several tasks",
                "keep the last epoch with --training select_split=none",
            )
        if self.t.early_stopping_patience is not None and not judged:
            raise InputError(
                "early_stopping_patience needs a split that chooses the epoch", "name one: --training select_split=S"
            )

    def _train(self, bar: Bar) -> None:
        state = self.state
        bar.begin_at(state.update)
        began = state.update
        while state.update < self.total and not self._patience_is_over():
            epoch, place = divmod(state.update, self.updates_an_epoch)
            if place == 0 or state.update == began:
                updates = self.updates(epoch)
            loss = self.update(updates[place])
            state.update += 1
            sums = state.sums.setdefault(self.datasets[updates[place].task].task, [0.0, 0])
            sums[0], sums[1] = sums[0] + loss, sums[1] + 1
            self._note(self.datasets[updates[place].task].task, loss)
            bar.update(state.update, f"loss {loss:.3f}")
            if state.update - began == 2:
                bar.begin_at(state.update)  # the first are slow, and would mislead
            elif state.update - began == 7:
                self._confirm(bar.seconds_left())
            if place + 1 == self.updates_an_epoch or state.update == self.total:
                self._end_epoch(epoch)
            elif self.ending.anybody or self._save_is_due():
                self._save()
            if self.ending.anybody:  # at this very update, in all processes
                self.training.processes.barrier(f"saved-{state.update}")
                self.ending.end()

    def _save_is_due(self) -> bool:
        # where all have to take part, none may decide by its own clock
        return self.training.processes.main and not self.split and time.monotonic() > self._saved_at + self.t.save_minutes * 60

    def updates(self, epoch: int) -> list[Update]:
        """Those of an epoch, numbered from 0."""
        return epoch_updates({dataset.task: len(dataset.requests) for dataset in self.datasets}, self.t, epoch)

    def update(self, update: Update) -> float:
        """One step of the optimizer; returns the mean loss over all processes."""
        import torch

        processes, accelerator = self.training.processes, self.accelerator
        torch.manual_seed(hash((self.t.seed, self.state.update, processes.rank)) % 2**31)
        self.module.train()
        rate = float(self.optimizer.param_groups[0]["lr"])
        shares = self.micro_batches(update)
        summed = total = 0.0
        for number, (micro_batch, weight) in enumerate(shares):
            with nullcontext() if number == len(shares) - 1 else accelerator.no_sync(self.wrapped):
                loss, count = self.loss(update.task, micro_batch)
                divided = processes.count / (self._sum(count * weight)[0] or 1.0) if steps_itself(accelerator) else 1.0
                accelerator.backward(loss * weight * divided)
                summed, total = summed + float(loss.detach()) * weight, total + count * weight
        summed, total, told = self._sum(summed, total, float(bool(self.ending.told)))
        self.ending.anybody = told > 0
        total = total or 1.0  # texts without a token, labels that weigh nothing
        self._step(total)
        mean = summed / total
        if not math.isfinite(mean):
            raise PlmtasksError(f"the loss is {mean} at update {self.state.update + 1}", "try a smaller learning_rate")
        self._track({f"loss/{self.datasets[update.task].task}": mean, "learning rate": rate})
        return mean

    def loss(self, task: int, micro_batch: Sequence[int]) -> "tuple[torch.Tensor, float]":
        """The summed loss of some examples of a task, and what to divide it by for a mean."""
        of = self.datasets[task]
        loss: tuple[torch.Tensor, float] = self.wrapped(
            task, [of.requests[i] for i in micro_batch], [of.answers[i] for i in micro_batch]
        )
        return loss

    def micro_batches(self, update: Update) -> list[tuple[list[int], float]]:
        """What this process computes of an update: micro-batches, and whether they weigh anything.

        Every process takes part in every update, and where no process holds all weights, in every micro-batch.
        """
        processes = self.training.processes
        shares = [update.examples[rank :: processes.count] for rank in range(processes.count)]
        if steps_itself(self.accelerator):
            cut = [[list(share)] if share else [] for share in shares]
        else:
            how = self.costs[update.task], self.t.batch_tokens, self.device.padding
            cut = [list(micro_batches(share, *how)) for share in shares]
        mine = cut[processes.rank]
        idle = [list(update.examples[:1])] * ((max(map(len, cut)) if self.split else 1) - len(mine))
        return [(micro_batch, 1.0) for micro_batch in mine] + [(micro_batch, 0.0) for micro_batch in idle]

    def _sum(self, *values: float) -> list[float]:
        """Each value, summed over all processes."""
        import torch

        if self.training.processes.count == 1:
            return list(values)
        mine = torch.tensor(values, dtype=torch.float64, device=self.training.device)
        return [float(value) for value in self.accelerator.reduce(mine, "sum").tolist()]

    def _step(self, count: float) -> None:
        """Divides the summed gradients, clips, and steps."""
        if steps_itself(self.accelerator):
            self.optimizer.step()
        else:
            self.accelerator.unscale_gradients(self.optimizer)
            gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
            # the processes' gradients were averaged; what is wanted is their sum over all that was counted
            factor = clipped(gradients, self.training.processes.count / count, self.t.max_grad_norm)
            scaled_step(self.optimizer, gradients, factor, within=self.device.within and not self.split)
        self.lr_scheduler.step()
        self.optimizer.zero_grad(set_to_none=True)
        for parameter, gradient in self.tables:
            parameter.grad = gradient.zero_()

    # ── epochs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _end_epoch(self, epoch: int) -> None:
        state, sums = self.state, self.state.sums
        losses = {task: total / updates for task, (total, updates) in sums.items()}
        loss = sum(total for total, _ in sums.values()) / sum(updates for _, updates in sums.values())
        entry: dict[str, Any] = {"epoch": epoch + 1, "update": state.update, "loss": loss}
        line = f"epoch {epoch + 1}: loss {loss:.4f}"
        if len(self.datasets) > 1:
            entry["losses"] = losses
            line += f" ({', '.join(f'{task} {value:.4f}' for task, value in losses.items())})"
        judged = [pair for pair in zip(self.views, self.datasets, strict=True) if pair[1].evaluate is not None]
        scores = {d.task: d.evaluate(view, f"{d.task}-{state.update}") for view, d in judged if d.evaluate is not None}
        if scores:
            value = worth(self.datasets, scores)
            entry["score"] = next(iter(scores.values())) if len(scores) == 1 else value
            entry["score"] = entry["score"] if math.isfinite(value) else None
            if len(scores) > 1:
                entry["scores"] = {task: s if math.isfinite(s) else None for task, s in scores.items()}
            line += "".join(f", {self._told(d, scores[d.task])}" for _, d in judged)
            if math.isfinite(value) and (state.best is None or value > state.best):
                state.best, state.best_folder = value, f"best-{state.update}"
                if self.training.processes.main:
                    self.views[0].save(self.state_folder / state.best_folder)
            self._track({f"score/{task}": value for task, value in scores.items()})
        state.sums = {}
        state.history.append(entry)
        self.training.progress.say(line)
        # where an epoch is as short as that, keeping each would take long; all keep their parts at the same epochs
        if self.split or self.ending.anybody or time.monotonic() > self._saved_at + KEPT * self._saved_in:
            self._save()

    def _told(self, dataset: TrainingDataset, value: float) -> str:
        """validation bits_per_byte 2.38 (lower is better)"""
        of = f"{dataset.task} " if len(self.datasets) > 1 else ""
        better = "higher" if dataset.info.higher_is_better else "lower"
        return f"{of}{dataset.facts['selected_on']} {dataset.score} {value:.2f} ({better} is better)"

    def _patience_is_over(self) -> bool:
        """Whether so many epochs in a row were none better than one before."""
        since = [f"best-{entry['update']}" for entry in reversed(self.state.history)]
        patience, best = self.t.early_stopping_patience, self.state.best_folder
        return patience is not None and best is not None and since.index(best) >= patience

    def _save(self) -> None:
        """Keeps all of it: by the main process alone, whose weights are everybody's, unless weights are split.

        raises: OutputError; BusyError if another process took the training over
        """
        import torch

        began, folder, state = time.monotonic(), self.state_folder, self.state
        if self.split:  # each process keeps its part
            self.accelerator.save_state(str(folder / f"shards-{state.update}"))
            self.accelerator.wait_for_everyone()
        held = {name: part.state_dict() for name, part in self._parts().items()}
        if not self.accelerator.is_main_process:
            return
        check_claim(self.folder)
        content = io.BytesIO()
        torch.save({"identity": self.training.identity, **held, **asdict(state)}, content)
        write_bytes(folder / "state.pt", content.getvalue())
        for old in (*folder.glob("best-*"), *folder.glob("shards-*")):
            if old.name not in (state.best_folder, f"shards-{state.update}"):
                shutil.rmtree(old)
        self._saved_at, self._saved_in = (now := time.monotonic()), now - began

    def _parts(self) -> dict[str, Any]:
        """What changes from update to update, but for weights that are split."""
        own = {"schedule": self.lr_scheduler, "scaler": self.accelerator.scaler}
        own |= {} if self.split else {"weights": self.module, "optimizer": self.optimizer}
        return {name: part for name, part in own.items() if part is not None}

    def _resume(self) -> None:
        """Takes up what was kept, but for shards of weights.

        raises: OutputError if it is another training's, or was kept in another way
        """
        import torch

        path = self.state_folder / "state.pt"
        kept = torch.load(path, map_location=self.training.device, weights_only=True)
        if kept["identity"] != self.training.identity:
            hint = f"delete {self.state_folder}, or choose another folder with --output"
            raise OutputError(f"{path} belongs to another training", hint)
        if missing := [name for name in self._parts() if name not in kept]:
            why = "weights were split over the processes then, and are not now, or the other way round"
            hint = f"train as before, or delete {self.state_folder}"
            raise OutputError(f"{path} keeps no {' and no '.join(missing)}", why, hint)
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])
        self.state = State(**{f.name: kept[f.name] for f in fields(State) if f.name in kept})

    # ── what the user is told ─────────────────────────────────────────────────────────────────────────────────────

    def _say_plan(self) -> None:
        t, say = self.t, self.training.progress.say
        enough = f"; not {EPOCHS:g} epochs, for at least {LEAST_UPDATES} updates" if self.training.raised else ""
        what = ", ".join(f"{counted(len(dataset.requests), 'example')} of {dataset.task}" for dataset in self.datasets)
        chosen_on = ", ".join(dict.fromkeys(str(d.facts["selected_on"]) for d in self.datasets if d.evaluate is not None))
        every = list(self.module.parameters())
        learning = sum(p.numel() for p in every if p.requires_grad)
        say(
            f"training on {what}: {counted(t.num_train_epochs or 0.0, 'epoch')} of {counted(self.updates_an_epoch, 'update')} "
            f"({self.total} in all{enough}), batch {t.train_batch_size}, learning rate {t.learning_rate:g}, {t.dtype}; "
            f"{learning:,} of {sum(p.numel() for p in every):,} weights learn; "
            + (f"the best epoch by {chosen_on} is kept" if chosen_on else "the last epoch is kept")
        )
        for view, dataset in zip(self.views, self.datasets, strict=True) if self.training.processes.main else ():
            if shortened := view.shortened(dataset.requests, dataset.answers):
                of = f"{shortened} of {counted(len(dataset.requests), 'example')} of {dataset.task}"
                limit = f" ({view.limited})" if view.limited else ""
                say(f"{of} are longer than the model takes or may write{limit}, and are learned shortened")

    def _note(self, task: str, loss: float) -> None:
        """Keeps the loss of an update in the first or the last tenth."""
        tenth, done = self.total // 10, self.state.update
        first, last = self.state.tenths.setdefault(task, [[], []])
        if done <= tenth:
            first.append(loss)
        elif done > self.total - tenth:
            last.append(loss)

    def _warn(self) -> None:
        """Warns of each task whose loss is not lower in the last tenth of the updates than in the first."""
        for task, (first, last) in self.state.tenths.items() if not self.training.progress.quiet else ():
            if first and last and (now := mean(last)) >= (then := mean(first)):
                warnings.warn(
                    f"{task}: the loss did not fall: {then:.4f} in the first tenth of the {self.total} updates, "
                    f"{now:.4f} in the last. Look at the labels; another "
                    f"learning_rate than {self.t.learning_rate:g} or more num_train_epochs may help",
                    LearningWarning, stacklevel=2,
                )  # fmt: skip

    def _track(self, values: dict[str, float]) -> None:
        if self.t.report_to:
            self.accelerator.log(values, step=self.state.update)

    def _confirm(self, seconds: float) -> None:
        """Says how long it will take; at a terminal, asks when that is long."""

        def ask() -> bool:
            memory = size(environment.peak_memory(self.training.device))
            self.training.progress.say(f"about {duration(seconds)} to the end of training; {memory} of memory so far")
            if self.training.yes or seconds < ASK_ABOVE_SECONDS or not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
                return True
            import click

            return click.confirm("go on?", default=True, err=True)

        if not self.training.processes.share("go on", ask):
            self._save()
            raise PlmtasksError(
                "training was stopped at the user's word", "the same command goes on from here; --config yes=true asks nothing"
            )
