"""One training before it begins: who learns what, and how; its recipe is its identity."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from ..config import Generation, ModelSettings, TrainSettings
from ..errors import InputError
from ..execution import Processes, Progress
from ..model import Model
from ..requests import LogLikelihood, to_json
from ..results import identity_hash
from .dataset import TrainingDataset, balanced_weights, training_dataset
from .device import device_of
from .engines import splitting
from .job import TrainingJob
from .updates import epoch_updates

WITHOUT_EFFECT = ("save_minutes", "select_split", "max_train_samples", "report_to")
"""Settings of a training that change nothing, or through the data alone."""

VERSION = 2
"""Raised whenever the same recipe would give other weights. 2: a share of the updates that warms up is rounded up."""

EPOCHS = 3.0
"""Of a training whose number nobody chose, if these are enough."""

LEAST_UPDATES = 100
"""Of a training whose number of epochs nobody chose: with fewer, a new head still gives one answer to all (measured)."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A model, what it is to learn of each task, and how."""

    model: Model
    datasets: Sequence[TrainingDataset]
    how: TrainSettings
    settings: ModelSettings
    processes: Processes
    progress: Progress
    device: str
    yes: bool = False
    """Nobody is asked whether a long one is wanted."""
    raised: bool = False
    """Nobody chose the number of epochs, and it was raised to make `LEAST_UPDATES`."""

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """All that the trained weights depend on.

        raises: InputError if no weights can be trained so
        """
        t, s, count, device = self.how, self.settings, self.processes.count, self.device.split(":")[0]
        if self.model.learns_by is not None:  # its weights depend on the examples alone
            s, count, device = ModelSettings(threads=1), 1, "cpu"
        if t.dtype == "float16" and device == "cpu":
            raise InputError("training in float16 needs a GPU", "--dtype bfloat16 or float32 trains on a CPU")
        # how texts are generated changes no weight, and the seed of a newly initialized head is the training's
        split = splitting(t, count) if self.model.learns_by is None else None
        neutral = replace(s, generation=Generation(), stride=0, seed=t.seed)
        return {
            "version": VERSION, "start": [self._start(dataset, neutral) for dataset in self.datasets],
            "learned": [_learned(dataset) for dataset in self.datasets],
            "training": {k: v for k, v in to_json(t).items() if k not in WITHOUT_EFFECT}, "processes": count,
            "threads": s.threads, "truncation": s.truncation, "prompt": s.prompt, "device": device,
            **({"split": split} if split else {}),
        }  # fmt: skip

    @cached_property
    def identity(self) -> str:
        """The hash of the recipe."""
        return identity_hash(self.recipe)

    def of_all_seeds(self) -> str:
        """A hash of what the trainings of all seeds have in common: the recipe with seed 0 wherever it holds a seed.

        That is in the order of the examples, in newly initialized weights, and in how an epoch is chosen.
        """
        datasets = [
            dataset if dataset.selecting is None
            else replace(dataset, selecting={**dataset.selecting, "settings": {**dataset.selecting["settings"], "seed": 0}})
            for dataset in self.datasets
        ]  # fmt: skip
        return replace(self, datasets=datasets, how=replace(self.how, seed=0)).identity

    def _start(self, dataset: TrainingDataset, settings: ModelSettings) -> dict[str, Any]:
        weights = self.model.identity(dataset.requests[0], settings)
        return {"scratch": self.model.name, "version": self.model.version, **weights} if self.model.from_scratch else weights


def _learned(dataset: TrainingDataset) -> dict[str, Any]:
    pairs = [[r.key(), to_json(a)] for r, a in zip(dataset.requests, dataset.answers, strict=True)]
    form = dataset.requests[0]
    return {
        "task": dataset.task, "kind": form.kind(), "plain": isinstance(form, LogLikelihood) and not form.context,
        "data": dataset.facts,
        "selecting": dataset.selecting, "pairs": identity_hash({"pairs": pairs}),
    }  # fmt: skip


def plan(jobs: Sequence[TrainingJob], processes: Processes, progress: Progress) -> Training:
    """Who learns what, and how. All jobs have the model and the settings of the first.

    raises: InputError
    """
    c, model, device, processes = jobs[0].config, jobs[0].model, processes.device(), processes.within("train")
    training = resolve(c.training, model, c.settings, device)
    twice = [job.task.name for job in jobs[1:] if job.task.name == jobs[0].task.name]
    if twice:
        raise InputError(f"task {twice[0]!r} is to be learned twice", "name each task once")
    datasets = [training_dataset(job, training, processes) for job in jobs]
    if training.class_weights == "balanced":
        training = replace(training, class_weights=balanced_weights(datasets))
    raised = _raised_epochs(training, datasets) if _open_epochs(c.training, model) else None
    # a job whose requests have no prompt has forgotten how the user wants it
    prompt = next((job for job in jobs if job.config.settings.prompt != "plain"), jobs[0]).config.settings.prompt
    shared = ("seed", "dtype", "batch_tokens", "save_minutes", "max_train_samples", *(model.learns_by or ()))
    said = [f.name for f in fields(TrainSettings) if getattr(c.training, f.name) != getattr(TrainSettings(), f.name)]
    if model.learns_by is not None and (idle := [name for name in said if name not in shared]):
        progress.say(f"{model.name} learns from all examples at once, and does not go by {', '.join(idle)}")
    return Training(
        model=model, datasets=datasets, how=replace(training, num_train_epochs=raised) if raised else training,
        settings=replace(c.settings, prompt=prompt), processes=processes, progress=progress, device=device, yes=c.yes,
        raised=raised is not None,
    )  # fmt: skip


def _open_epochs(said: TrainSettings, model: Model) -> bool:
    """Whether neither user nor model chose the number of epochs of a training in updates."""
    return said.num_train_epochs is None and "num_train_epochs" not in model.recommended and model.learns_by is None


def _raised_epochs(training: TrainSettings, datasets: Sequence[TrainingDataset]) -> float | None:
    """Whole epochs that make `LEAST_UPDATES`, each task's share counted; None if the usual ones do."""
    an_epoch = len(epoch_updates({dataset.task: len(dataset.requests) for dataset in datasets}, training, 0))
    needed = float(-(-LEAST_UPDATES // an_epoch))
    return needed if needed > EPOCHS else None


def resolve(training: TrainSettings, model: Model, settings: ModelSettings, device: str) -> TrainSettings:
    """The settings with every open value filled in: by the user, else by the model, else by the BERT recipe.

    Of a model that learns from all examples at once, those that it does not go by are the defaults, whatever was said.
    """
    if model.learns_by is not None:
        own = {name: getattr(training, name) for name in (*model.learns_by, "max_train_samples")}
        return replace(TrainSettings(dtype="float32", select_split="none"), **own)
    defaults = {"num_train_epochs": EPOCHS, "learning_rate": 5e-5, "train_batch_size": 32, **model.recommended}
    filled = {name: value for name, value in defaults.items() if getattr(training, name, 0) is None}
    dtype = training.dtype if training.dtype != "auto" else settings.dtype
    batch_tokens = training.batch_tokens or device_of(device).batch_tokens or settings.batch_tokens
    return replace(training, **filled, dtype=dtype, batch_tokens=batch_tokens)
