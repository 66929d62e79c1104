"""A model that says the same of everything: mostly one that has hardly learned."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import LearningWarning, counted
from ..examples import Prediction
from ..files import terminal
from ..requests import LogLikelihood
from ..task import Judge
from .job import EvaluationJob

ELSE = 5
"""References that must say something else: fewer may well be missed by a model that has learned."""

SHOWN = 40
"""Characters of the one answer."""


def warn_of_one_answer(job: EvaluationJob, predictions: Mapping[str, Prediction]) -> None:
    """Warns where all predictions are one, and references are not.

    Of models that learned in updates only, and that are asked for what is known: a judge is not. What is counted, as a baseline
    of the commonest label, may have one answer by nature, and one that was never trained for the task is known by its protocol.
    A likelihood is no answer that could be alike.

    predictions: by the example's id
    """
    if job.config.quiet or isinstance(job.task, Judge) or not _has_learned(job):
        return
    every = (part for p in predictions.values() if not p.unfinished for part in _parts(p.value))
    one, number = next(every, ""), 1
    for part in every:
        if part != one:
            return
        number += 1
    if not one:
        return
    wanted = Counter(part for value in _right(job, predictions) for part in _parts(value))
    if (other := wanted.total() - wanted[one]) >= ELSE:
        ours = job.model.training_record() is not None
        n, m, are = counted(number, "prediction"), counted(other, "reference"), "is" if other == 1 else "are"
        more = "more num_train_epochs or a higher learning_rate may help" if ours else "--train always trains it"
        warnings.warn(
            f"{job.task.name} on {job.model.name}: all {n} are {terminal.shortened(one, SHOWN)}, and {m} {are} something else: "
            f"the model has hardly learned. Look at the labels; {more}",
            LearningWarning, stacklevel=2,
        )  # fmt: skip


def _has_learned(job: EvaluationJob) -> bool:
    """In updates, here or elsewhere: a model of the task, and no question that anybody may be asked."""
    record = job.model.training_record()
    if job.model.learns_by is not None or (record or {}).get("at_once"):
        return False
    if isinstance(job.example_request, LogLikelihood):
        return False
    untrained = job.config.allow_untrained and job.model.newly_initialized(job.example_request)
    return not untrained and (record is not None or not job.zero_shot)


def _right(job: EvaluationJob, predictions: Mapping[str, Prediction]) -> Iterable[Any]:
    """What perfect answers to the same questions would be read as."""
    for example, request in zip(job.asked.examples, job.asked.requests, strict=True):
        if example.id in predictions:
            yield job.task.read(example.hidden(), request, job.task.solve(example, request)).value


def _parts(value: Any) -> list[str]:
    """A prediction; of one that gives each word a label, these."""
    each = isinstance(value, (list, tuple)) and value and all(isinstance(one, str) for one in value)
    return [json.dumps(one, ensure_ascii=False) for one in (value if each else [value])]
