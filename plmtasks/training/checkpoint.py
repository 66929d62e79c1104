"""A model that learns, in a folder of its own: nothing is learned twice, and what was interrupted goes on."""

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError, OutputError, counted
from ..execution import Processes, environment
from ..files import check_claim, claim, local, open_folder, place, read_object, write_text
from ..model import RECORD, Model, TrainableModel
from ..results import run_folder
from .job import TrainingJob
from .recipe import LEAST_UPDATES, Training
from .record import learned, write_record
from .trainer import Trainer


def ensure_trained(job: TrainingJob, training: Training) -> Model:
    """The model of a run that has to learn first, from the folder that is named by the training's identity.

    raises: InputError, OutputError
    """
    if training.processes.main:
        for folder in (place(job.config.output), local(job.config.checkpoints)):
            open_folder(folder)  # before hours of training
    why = "--train always" if job.config.train == "always" else f"{job.model.name!r} has no weights yet that answer {job.kind}"
    divided = job.config.folds is not None or job.config.source.holdout is not None
    part, name = "the rest" if divided else "the train split", job.data.train_name or job.data.name
    training.progress.say_once(f"{why}: it learns first from {part} of {name}", "")
    return train(training, own_folder(job, training))


def trained_before(job: TrainingJob, training: Training) -> Model | None:
    """The model of a run that has to learn first, if it did so before; else None.

    raises: OutputError if its folder holds something else
    """
    folder = own_folder(job, training)
    return job.model.saved(folder) if finished(folder, training.identity) else None


def own_folder(job: TrainingJob, training: Training) -> Path:
    """Where a model that is trained for a run is kept, by the training's identity."""
    return run_folder(job.config.checkpoints, job.task.name, job.model.name, training.identity)


def train(training: Training, folder: Path) -> Model:
    """The model after the training, from its folder; nothing is done if the folder holds this very training.

    raises: OutputError if the folder holds another training or cannot be written
    """
    processes = training.processes
    if not processes.share("done", lambda: finished(folder, training.identity)):
        if processes.main:
            open_folder(folder / "training")
        with claim(folder, "training") if processes.main else nullcontext():
            # who was at it until now may have finished it
            if processes.share("there", lambda: finished(folder, training.identity)):
                shutil.rmtree(folder / "training", ignore_errors=True)
            else:
                _check_shared(folder / "training", processes)
                environment.worked = True
                history = _learn(training, folder)
                if processes.main:
                    _finish(training, folder, history)
            processes.barrier("finished")
    training.progress.say(f"trained model: {folder}")
    return training.model.saved(folder)


def ready(training: Training, scratch: Path) -> Sequence[TrainableModel]:
    """The model in memory as each task sees it; one without weights is made in the folder `scratch` first."""
    model = training.model
    if model.from_scratch and training.how.peft:
        raise InputError(
            f"{model.name!r} has no weights yet for adapters to stand on",
            "train it without peft first, then the checkpoint with it",
        )
    if model.from_scratch:
        training.processes.share("made", lambda: _make(training, scratch))
        model = model.saved(scratch)
    example_requests = [dataset.requests[0] for dataset in training.datasets]
    settings = replace(training.settings, dtype="float32", seed=training.how.seed)
    return model.learner(example_requests, settings, training.how, training.device)


def _make(training: Training, folder: Path) -> bool:
    if not folder.exists():
        pairs = ((r, a) for dataset in training.datasets for r, a in zip(dataset.requests, dataset.answers, strict=True))
        texts = (text for r, a in pairs for text in (*r.texts(), *a.texts()))
        temporary = folder.with_name("making")
        shutil.rmtree(temporary, ignore_errors=True)
        training.model.make(texts, training.how.seed, temporary)
        temporary.replace(folder)
    return True


def _check_shared(folder: Path, processes: Processes) -> None:
    """raises: InputError if not every process sees the main process's folder"""

    def write() -> str:
        write_text(folder / "token", token := secrets.token_hex(8))
        return token

    token = processes.share("token", write)
    if not all(processes.gather("sees it", (folder / "token").is_file() and (folder / "token").read_text() == token)):
        raise InputError(
            f"{folder}: not every node sees this folder", "training over several nodes needs a folder that they share"
        )


def _learn(training: Training, folder: Path) -> Sequence[Mapping[str, Any]]:
    """Writes the weights; returns one entry an epoch, none where all is learned at once.

    raises: InputError for several tasks at once, and for what the model cannot learn
    """
    model = training.model
    if model.learns_by is None:
        trainer = Trainer(training=training, views=ready(training, folder / "training" / "scratch"), folder=folder)
        history = trainer.train()
        if training.processes.main:
            trainer.write_weights()
        return history
    if len(training.datasets) > 1:
        raise InputError(f"model {model.name!r} learns one task at a time")
    [dataset] = training.datasets
    if training.processes.main:
        training.progress.say(f"training on {counted(len(dataset.requests), 'example')} of {dataset.task}, all at once")
        model.learn(dataset.requests, dataset.answers, training.how, folder)
    return []


def finished(folder: Path, identity: str) -> bool:
    """Whether the folder holds the training of this identity, whole.

    raises: OutputError if it holds something else
    """
    try:
        record = read_object(folder / RECORD)
    except FileNotFoundError:
        others = sorted(p.name for p in folder.iterdir() if p.name != "training") if folder.is_dir() else []
        if others and not (folder / "training").exists():
            raise OutputError(
                f"{folder} holds something else: {', '.join(others[:3])}", "choose a new or empty folder with --output DIR"
            ) from None
        return False
    except (OSError, DataError) as e:
        raise OutputError(
            f"{folder} cannot be written, or holds what is no training: {e}", "choose another folder with --output DIR"
        ) from e
    if record.get("recipe") != identity:
        raise OutputError(f"{folder} holds another training", "choose another folder with --output DIR, or delete this one")
    return True


def _finish(training: Training, folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Writes the record, after the weights: from now on the checkpoint is whole."""
    check_claim(folder)
    model, datasets = training.model, training.datasets
    anew = model.learns_by is not None  # whatever it had learned before is gone
    record = {
        "recipe": training.identity, "any_seed": training.of_all_seeds(), "parts": training.recipe, "model": model.name,
        "tasks": {dataset.task: {**dataset.facts, "labels": list(dataset.labels)} for dataset in datasets}, "history": history,
        "columns": {dataset.task: dict(dataset.columns) for dataset in datasets if dataset.columns},
        "before": [] if anew else learned(model.training_record() or {}), **({"at_once": True} if anew else {}),
        **({"least_updates": LEAST_UPDATES} if training.raised else {}),
    }  # fmt: skip
    write_record(folder, record)
    shutil.rmtree(folder / "training")
