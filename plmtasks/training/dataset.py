"""What a model learns of one task: questions and their solved answers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config import TrainSettings
from ..data import draw, refuse_undisclosed, refuse_unknown
from ..errors import InputError
from ..examples import fingerprint
from ..execution import Processes
from ..metric import ScoreInfo
from ..requests import Answer, Request, to_json
from .engines import engine
from .job import Scorer, TrainingJob, train_split


@dataclass(frozen=True, kw_only=True)
class TrainingDataset:
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
    evaluate: Scorer | None = None
    """The main score on the selecting split; None: the last epoch is kept."""
    score: str = ""
    """The name of the main score."""
    info: ScoreInfo = field(default_factory=ScoreInfo)

    def distance(self, value: float) -> float:
        """Of a main score from its best value, as a logarithm: each halving counts the same, whatever the unit.

        A thousandth of the best value is as good as the best.
        """
        best = self.info.best or 0.0
        return math.log(max(abs(best - value), 0.001 * max(abs(best), 1.0)))


def training_dataset(job: TrainingJob, training: TrainSettings, processes: Processes) -> TrainingDataset:
    """The solved questions of a job's train split, and what chooses the epoch.

    raises: InputError if there is nothing to learn from, or the epoch cannot be chosen as the user wants
    """
    examples = draw(train_split(job.data, job.model), training.max_train_samples)
    refuse_undisclosed(job.data, "train")
    if not examples:
        raise InputError(f"{job.task.name}: max_train_samples of {training.max_train_samples} leaves nothing to learn from")
    asked = [job.task.ask(e.hidden(), job.kind) for e in examples]
    requests = [one for request in asked for one in request.each()]
    answers = [one for e, r in zip(examples, asked, strict=True) for one in r.apart(job.task.solve(e, r))]
    chosen_on = _selecting_split(job, training)
    facts = {
        "name": job.data.public_name("train", job.config.source), "split": "train", "examples": len(examples),
        "fingerprint": fingerprint(examples), "selected_on": chosen_on,
    }  # fmt: skip
    if left_out := job.data.left_out("train"):
        facts["left_out"] = left_out
    if (whole := job.data.part_of("train")) is not None:
        facts["part_of"] = whole
    evaluate = selecting = None
    if chosen_on is not None:
        refuse_unknown(job.data, chosen_on, job.task.labels)
        facts["selecting"] = job.data.fingerprint(chosen_on)
        evaluate = job.selection.on(job.data[chosen_on], processes)
        selecting = {
            "data": facts["selecting"], "task": job.task.config(), "metrics": dict(job.selection.signatures),
            "settings": to_json(job.config.settings),
        }  # fmt: skip
    return TrainingDataset(
        task=job.task.name, requests=requests, answers=answers, facts=facts, labels=job.task.labels, selecting=selecting,
        evaluate=evaluate, score=job.selection.score, info=job.selection.info, columns=job.config.source.all_columns(),
    )  # fmt: skip


def _selecting_split(job: TrainingJob, training: TrainSettings) -> str | None:
    """The split that chooses the epoch: the user's, else validation, unless that is reported; None: the last epoch is kept.

    raises: InputError if the user names one where weights are split over processes: no process can answer alone there
    """
    if engine() is not None:
        if training.select_split not in (None, "none"):
            raise InputError("where weights are split over processes, no split can choose the epoch", "leave select_split out")
        return None
    if training.select_split is None:
        return "validation" if "validation" in job.data.splits and job.reported != "validation" else None
    return None if training.select_split == "none" else training.select_split


def worth(datasets: Sequence[TrainingDataset], scores: Mapping[str, float]) -> float:
    """By what epochs are compared, more is better: one task's score, or how near several are to their best values.

    Units of different scores are never added; and no epoch changes what another was worth, so that one checkpoint is kept.

    scores: task → its main score; nan where one of them is not defined
    """
    judged = [dataset for dataset in datasets if dataset.task in scores]
    if not all(math.isfinite(value) for value in scores.values()):
        return math.nan
    if len(judged) == 1:
        return scores[judged[0].task] * (1 if judged[0].info.higher_is_better else -1)
    return -sum(dataset.distance(scores[dataset.task]) for dataset in judged) / len(judged)


def balanced_weights(datasets: Sequence[TrainingDataset]) -> str:
    """label=weight,…: a label weighs the more, the rarer it is among the solved answers.

    raises: InputError
    """
    labels: Sequence[str] = datasets[0].requests[0].label_set() or ()
    if len(datasets) > 1 or not labels or any("," in label for label in labels):
        raise InputError("class_weights=balanced is for one task, learned by Classify or Tag, with no comma in its labels")
    pairs = zip(datasets[0].requests, datasets[0].answers, strict=True)
    counts = Counter(label for request, answer in pairs for label in request.labels_in(answer))
    weights = {label: sum(counts.values()) / len(labels) / counts[label] for label in labels if counts[label]}
    return ",".join(f"{label}={weight:.6g}" for label, weight in weights.items())
