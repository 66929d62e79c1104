"""Which features and which penalty suit the data: a small cross-validation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.requests import Classify, Regress

LOOKS: Sequence[Sequence[str]] = (("words 1-2", "characters 1-5 in words"), ("characters 1-2",))
"""What may be counted of a text; the first where there are too few examples to choose."""
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Inverse strengths of the penalty on the weights' squares: rows of length 1 want little of it."""
DEFAULT = 10.0
"""Where there are too few examples to choose."""
STRENGTHS_OF_NUMBERS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
DEFAULT_OF_NUMBERS = 1.0
"""The same of ridge regression."""
FOLDS = 4
ITERATIONS = 1000
TOLERANCE = 1e-5
"""Of the gradient's largest entry: at 0.001 a model that starts from the one before it, of a stronger penalty, stays there."""
ROWS, CHARACTERS, COLUMNS = 4000, 1_000_000, 40_000
"""The most examples, their characters, and examples times labels that are looked at to choose."""
LABELS = 5
"""Of labels of which several may hold, the most frequent ones choose."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the data chose."""

    views: Sequence[str] = LOOKS[0]
    C: float = DEFAULT
    examples: int = 0
    """On how many it was tried."""


def choose(requests: "Sequence[Classify]", truth: "NDArray[Any]", *, multi: bool) -> Choice:
    """What gives parts of the data that were left out the highest likelihood, which moves less by chance than accuracy does.

    F1 of several labels would take what is sure of itself, and so the worse features.

    truth: bool, (requests, labels)
    """
    import numpy as np

    drawn = _drawn(requests, min(truth.shape[1], LABELS) if multi else truth.shape[1])
    problems = list(_problems(truth[drawn], multi=multi))
    if not problems:
        return Choice()
    views, strength = _best(
        [requests[i] for i in drawn],
        STRENGTHS,
        lambda matrix: np.sum([_worth(matrix[rows], classes) for rows, classes in problems], axis=0),
    )
    return Choice(views=views, C=strength, examples=len(problems[0][0]))


def choose_for_numbers(requests: "Sequence[Regress]", truth: "NDArray[Any]") -> Choice:
    """What gives the parts of the data that were left out the least squared error.

    truth: (requests)
    """
    drawn = _drawn(requests, 1)
    if len(drawn) < 2 * FOLDS:
        return Choice(C=DEFAULT_OF_NUMBERS)
    numbers = truth[drawn]
    views, strength = _best([requests[i] for i in drawn], STRENGTHS_OF_NUMBERS, lambda matrix: _gain(matrix, numbers))
    return Choice(views=views, C=strength, examples=len(drawn))


def ridge(C: float) -> Any:
    """Ridge regression, with the inverse strength of its penalty.

    source: scikit-learn's `Ridge`, whose alpha corresponds to 1 / (2 C) in its other linear models
    """
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1 / (2 * C), solver="sparse_cg", tol=1e-6)


def _best(
    asked: "Sequence[Classify | Regress]", strengths: Sequence[float], worth: "Callable[[Any], NDArray[Any]]"
) -> tuple[Sequence[str], float]:
    """The features and the strength that are worth most; of equals the first.

    worth: of a matrix of features, one number for each strength
    """
    found: dict[tuple[Sequence[str], float], float] = {}
    for look in LOOKS:
        matrix = _condensed(Features.learned(asked, look).matrix(asked))
        found |= {(look, C): float(value) for C, value in zip(strengths, worth(matrix), strict=True)}
    return max(found, key=lambda one: found[one])


def _drawn(requests: "Sequence[Classify | Regress]", labels: int) -> "NDArray[Any]":
    """Positions of the examples that choose, all if they are few."""
    import numpy as np

    order = np.random.Generator(np.random.PCG64(0)).permutation(len(requests))[: min(ROWS, COLUMNS // labels)]
    lengths = np.cumsum([len(requests[i].text) + len(requests[i].text_pair or "") for i in order])
    return np.sort(order[: max(1, int((lengths <= CHARACTERS).sum()))])


def _problems(truth: "NDArray[Any]", *, multi: bool) -> "Iterator[tuple[NDArray[Any], NDArray[Any]]]":
    """Rows and their classes, where each class comes in every fold."""
    import numpy as np

    counts = truth.sum(axis=0)
    if multi:
        enough = [i for i in np.argsort(-counts, kind="stable") if FOLDS <= counts[i] <= len(truth) - FOLDS]
        yield from ((np.arange(len(truth)), truth[:, i].astype(int)) for i in enough[:LABELS])
        return
    rows = np.flatnonzero(truth[:, counts >= FOLDS].any(axis=1))
    if (counts >= FOLDS).sum() > 1:
        yield rows, truth[rows].argmax(axis=1)


def _condensed(matrix: Any) -> Any:
    """What gives the same inner products in fewer columns: all that only one row has becomes one column."""
    import numpy as np
    from scipy.sparse import csr_matrix, diags, hstack

    alone = matrix.getnnz(axis=0) < 2
    own = np.sqrt(np.asarray(matrix[:, alone].power(2).sum(axis=1)).ravel())
    return csr_matrix(hstack([matrix[:, ~alone], diags(own)]))


def _worth(matrix: Any, classes: "NDArray[Any]") -> "NDArray[Any]":
    """By each strength, the mean log-likelihood of the parts that were left out. (strengths)"""
    import numpy as np
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    model = LogisticRegressionCV(
        Cs=STRENGTHS, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=0), scoring="neg_log_loss",
        max_iter=ITERATIONS, tol=TOLERANCE, refit=False, l1_ratios=(0.0,), use_legacy_attributes=False,
    )  # fmt: skip
    return np.asarray(model.fit(matrix, classes).scores_.mean(axis=0).reshape(len(STRENGTHS)))


def _gain(matrix: Any, numbers: "NDArray[Any]") -> "NDArray[Any]":
    """By each strength, the squared error of the parts that were left out, less than nothing. (strengths)"""
    import numpy as np
    from sklearn.model_selection import KFold, cross_val_predict

    folds = KFold(FOLDS, shuffle=True, random_state=0)
    found = [cross_val_predict(ridge(C), matrix, numbers, cv=folds) for C in STRENGTHS_OF_NUMBERS]
    return -np.mean((np.array(found) - numbers) ** 2, axis=1)
