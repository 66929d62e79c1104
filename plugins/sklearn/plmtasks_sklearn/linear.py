"""Classify: scores of labels that are linear in the features of a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plmtasks.errors import DataError, InputError, ModelError
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from .choosing import ITERATIONS, Choice, choose
from .features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = "weights.safetensors"


@dataclass(kw_only=True)
class Linear(LoadedModel):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    labels: Sequence[str]
    intercept: "NDArray[Any]"
    """(labels)"""
    weights: "NDArray[Any] | None" = None
    """(features, labels); None: no text changes the scores."""
    features: Features | None = None
    pairs: bool = True
    """Whether it knows what to do with a second text."""
    newly_initialized: Sequence[str] = ()

    @classmethod
    def untrained(cls, example_request: Classify) -> "Linear":
        """All labels are as likely."""
        import numpy as np

        return cls(
            labels=example_request.labels,
            intercept=np.zeros(len(example_request.labels)),
            newly_initialized=("weights", "intercept"),
        )

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> "Linear":
        """raises: ModelError"""
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            held = load_file(folder / WEIGHTS)
            made = cls(labels=config["labels"], intercept=held["intercept"].astype(np.float64))
            if "weights" in held:
                made.weights, made.pairs = held["weights"].astype(np.float64), config["pairs"]
                made.features = Features.read(folder, {view: held[view] for view in config["views"]}, pairs=made.pairs)
            made.check()
        except (OSError, ValueError, KeyError, DataError, SafetensorError) as e:
            raise ModelError(f"the weights in {folder} cannot be read: {e}") from e
        made.parameters = sum(array.size for array in held.values())
        return made

    def check(self) -> None:
        """raises: ValueError for arrays of other sizes than labels and features ask for, and for numbers that are none"""
        import numpy as np

        if self.intercept.shape != (len(self.labels),) or not self.labels:
            raise ValueError(f"{self.intercept.shape} intercepts of {len(self.labels)} labels")
        if self.weights is not None and self.features is not None:
            width = self.features.matrix([Classify(text="", labels=())]).shape[1]
            if self.weights.shape != (width, len(self.labels)):
                raise ValueError(f"{self.weights.shape} weights of {width} features and {len(self.labels)} labels")
        if any(np.isnan(array).any() for array in (self.intercept, self.weights) if array is not None):
            raise ValueError("some are no numbers")

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        # nothing is padded; a word has some four characters
        counts = [1 + (len(r.text) + len(r.text_pair or "")) // 4 for r in cast("Sequence[Classify]", requests)]
        return [Cost(width=count, bare=count) for count in counts]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        import numpy as np
        from scipy.special import expit, softmax

        asked = cast("Sequence[Classify]", requests)
        if not self.pairs and any(r.text_pair is not None for r in asked):
            raise InputError("the model learned from single texts, and is asked a pair")
        scores = np.tile(self.intercept, (len(asked), 1))
        if self.features is not None:
            scores += self.features.matrix(asked) @ self.weights
        columns = {label: i for i, label in enumerate(self.labels)}
        answers: list[Answer] = []
        for request, row in zip(asked, scores, strict=True):
            own = row[[columns[label] for label in request.labels]]
            answers.append(ClassifyAnswer(scores=tuple((expit(own) if request.multi_label else softmax(own)).tolist())))
        return answers


def learn(requests: Sequence[Classify], held: Sequence[Sequence[bool]], folder: Path, *, features: bool) -> Choice | None:
    """Writes the weights; returns which features and penalty it chose, if any.

    held: whether each label holds, request by request
    features: of the texts; else the scores are the labels' frequencies
    """
    import numpy as np
    from safetensors.numpy import save
    from scipy.special import logit
    from threadpoolctl import threadpool_limits

    truth = np.array(held, dtype=bool)
    multi = requests[0].multi_label
    share = truth.mean(axis=0)
    with np.errstate(divide="ignore"):  # a label that never or always holds
        intercept = logit(share) if multi else np.log(share)
    arrays: dict[str, Any] = {"intercept": intercept}
    choice = None
    if features:
        with threadpool_limits(1):  # sums over several threads round in another way
            choice = choose(requests, truth, multi=multi)
            learned = Features.learned(requests, choice.views)
            weights, arrays["intercept"] = _fitted(learned.matrix(requests), truth, intercept, choice.C, multi=multi)
        learned.write(folder)
        arrays |= {"weights": weights.astype(np.float32), **learned.rarity}
    content = save({name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()})
    (folder / WEIGHTS).write_bytes(content)
    return choice


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
