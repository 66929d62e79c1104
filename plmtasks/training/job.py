"""A task that a model is to learn, resolved; nothing is loaded yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..config import RunConfig
from ..data import Dataset
from ..errors import InputError
from ..examples import Example
from ..execution import Processes
from ..metric import ScoreInfo
from ..model import LoadedModel, Model
from ..requests import Request
from ..task import Task

Scorer = Callable[[LoadedModel, str], float]
"""The main score of a model as it is now, nan where it is not defined; called in all processes.

The text names the moment of the training.
"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How the epoch that is kept is chosen: by a task's main score on a split. Training is handed this, and scores nothing."""

    score: str
    """The name of the main score."""
    info: ScoreInfo
    signatures: Mapping[str, str]
    """Metric → how it counts."""
    on: Callable[[Sequence[Example], Processes], Scorer]
    """What scores a model on these examples."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A task, a model, and how the one is asked of the other; nothing is loaded yet."""

    config: RunConfig
    task: Task
    model: Model
    kind: str
    """Of request, by which the model is asked the task, or learns it."""
    data: Dataset


@dataclass(frozen=True, kw_only=True)
class TrainingJob(Job):
    """A task that a model is to learn from its train split. Settings are at defaults where no answer depends on them."""

    example_request: Request
    """Any request: it shows the label set."""
    selection: Selection
    reported: str | None = None
    """The split that a run reports afterwards, which does not choose the epoch unless the user says so; None: no run follows."""


def train_split(data: Dataset, model: Model) -> Sequence[Example]:
    """The examples that a model learns from.

    raises: InputError if there is no train split
    """
    if "train" not in data.splits:
        one = len(data.splits) == 1
        raise InputError(
            f"{data.name} has no train split, and {model.name!r} must learn first",
            *["--holdout 0.2 learns from four fifths of it, and is tested on the rest"] * one,
            *["--folds 5 learns five times, so that every example is a test once (plmtasks run)"] * one,
            "or name a train split with --train-data FILE, or a model that is trained already",
        )
    return data["train"]


def must_learn(job: TrainingJob) -> bool:
    """Whether the model has to be trained before it is run: its head would be newly initialized, or the user wants it.

    raises: InputError if it may not be trained, or there is nothing to train on
    """
    c, name = job.config, job.model.name
    newly_initialized = job.model.from_scratch or job.model.newly_initialized(job.example_request)
    if c.train == "always" or (newly_initialized and c.train == "auto"):
        train_split(job.data, job.model)
        return True
    if job.model.from_scratch:
        raise InputError(f"{name!r} is made and trained on the spot, and --train never forbids it", "leave --train out")
    if newly_initialized and not c.allow_untrained:
        labels, has = job.example_request.label_set(), [f"it has weights for {head}" for head in job.model.heads()]
        asked = f"{job.task.name} asks {job.kind}" + (f" with the labels {', '.join(labels)}" if labels else "")
        raise InputError(
            f"{name!r} has no weights that answer such a {job.kind} request, and --train never forbids training",
            *([*has, asked] if has else []),
            "leave --train out, or pass --allow-untrained: the result and every table will say so",
        )
    return False
