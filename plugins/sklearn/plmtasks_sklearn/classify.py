"""Classify: scores of labels, by logistic regression."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plmtasks.errors import InputError
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from .choosing import ITERATIONS, Choice, choose
from .features import Features
from .linear import Linear, write

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Classifier(Linear):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        from scipy.special import expit, softmax

        asked = cast("Sequence[Classify]", requests)
        columns = {label: i for i, label in enumerate(self.labels)}
        answers: list[Answer] = []
        for request, row in zip(asked, self.values(asked), strict=True):
            own = row[[columns[label] for label in request.labels]]
            answers.append(ClassifyAnswer(scores=tuple((expit(own) if request.multi_label else softmax(own)).tolist())))
        return answers


def learn(requests: Sequence[Classify], answers: Sequence[ClassifyAnswer], folder: Path, *, features: bool) -> Choice | None:
    """Writes the weights; returns which features and penalty it chose, if any.

    features: of the texts; else the scores are the labels' frequencies

    raises: InputError if the requests have other labels than the first
    """
    import numpy as np
    from scipy.special import logit
    from threadpoolctl import threadpool_limits

    example_request = requests[0]
    if any(sorted(r.labels) != sorted(example_request.labels) for r in requests):
        raise InputError("it learns from requests that all have the same labels")
    held = [[score > 0.5 for score in _in_order(example_request, r, a)] for r, a in zip(requests, answers, strict=True)]
    truth, multi = np.array(held, dtype=bool), example_request.multi_label
    share = truth.mean(axis=0)
    with np.errstate(divide="ignore"):  # a label that never or always holds
        intercept = logit(share) if multi else np.log(share)
    if not features:
        write(folder, intercept, None, None)
        return None
    with threadpool_limits(1):  # sums over several threads round in another way
        choice = choose(requests, truth, multi=multi)
        learned = Features.learned(requests, choice.views)
        weights, intercept = _fitted(learned.matrix(requests), truth, intercept, choice.C, multi=multi)
    write(folder, intercept, weights, learned)
    return choice


def _in_order(example_request: Classify, request: Classify, answer: ClassifyAnswer) -> list[float]:
    """The answer's scores in the order of the form's labels."""
    scores = dict(zip(request.labels, answer.scores, strict=True))
    return [scores[label] for label in example_request.labels]


def _fitted(
    matrix: Any, truth: "NDArray[Any]", intercept: "NDArray[Any]", C: float, *, multi: bool
) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Weights (features, labels) and intercepts by logistic regression; labels that never or always hold keep what they have."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    weights, intercept = np.zeros((matrix.shape[1], truth.shape[1])), intercept.copy()
    targets = [(i, column) for i, column in enumerate(truth.T) if 0 < column.sum() < len(column)]
    if multi:
        for i, column in targets:
            model = LogisticRegression(C=C, max_iter=ITERATIONS).fit(matrix, column)
            weights[:, i], intercept[i] = model.coef_[0], model.intercept_[0]
    elif targets:
        model = LogisticRegression(C=C, max_iter=ITERATIONS).fit(matrix, truth.argmax(axis=1))
        places = model.classes_
        if len(places) == 2:  # one row, of the second
            weights[:, places[1]], intercept[places] = model.coef_[0], [0.0, model.intercept_[0]]
        else:
            weights[:, places], intercept[places] = model.coef_.T, model.intercept_
    return weights, intercept
