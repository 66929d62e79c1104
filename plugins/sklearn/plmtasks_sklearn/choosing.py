"""Which features and which penalty suit the data: a small cross-validation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .features import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.requests import Classify

LOOKS: Sequence[Sequence[str]] = (
    ("characters 1-2",),
    ("characters 1-3",),
    ("characters 1-2", "characters"),
    ("words", "characters"),
)
"""Views of a text that may be taken together, the simplest first."""
DEFAULT = LOOKS[2]
"""Where there are too few examples to choose: it suits any script."""
STRENGTHS = (3.0, 10.0, 1.0, 30.0)
"""Inverse strengths of the penalty on the weights' squares, the usual one first."""
MARGIN = 0.3
"""The inverse strength with which support vectors compare the looks."""
FOLDS = 4
ITERATIONS = 1000
ROWS, CHARACTERS, COLUMNS = 4000, 1_000_000, 40_000
"""The most examples, their characters, and examples times labels that are looked at to choose."""
LABELS = 5
"""Of labels of which several may hold, the most frequent ones choose."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the data chose."""

    views: Sequence[str] = DEFAULT
    C: float = STRENGTHS[0]
    examples: int = 0
    """On how many it was tried."""


def choose(requests: "Sequence[Classify]", truth: "NDArray[Any]", *, multi: bool) -> Choice:
    """The features and the penalty with which most is right of parts of the data that were left out: accuracy, or F1 of labels.

    The looks are compared by linear support vectors, which learn many classes in a tenth of the time and prefer the same;
    of looks as of penalties the first within one standard error of the best is taken.

    source: Breiman et al. (1984), Classification and regression trees, for the rule of one standard error

    truth: bool, (requests, labels)
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    drawn = _drawn(requests, truth.shape[1])
    problems = list(_problems(truth[drawn], multi=multi))
    if not problems:
        return Choice()
    asked = [requests[i] for i in drawn]
    matrices = {tuple(look): _condensed(Features.learned(asked, look).matrix(asked)) for look in LOOKS}
    machine = LinearSVC(C=MARGIN, random_state=0)
    right = {look: _right(machine, matrix, problems, multi=multi) for look, matrix in matrices.items()}
    count = len(problems[0][0])
    best = _first_near_best(right, count)
    strengths = {
        C: _right(LogisticRegression(C=C, max_iter=ITERATIONS), matrices[best], problems, multi=multi) for C in STRENGTHS
    }  # fmt: skip
    return Choice(views=best, C=_first_near_best(strengths, count), examples=count)


def _first_near_best(right: Mapping[Any, float], count: int) -> Any:
    """The first that is within one standard error of the best.

    right: share of `count` examples
    """
    most = max(right.values())
    near = most - (most * (1 - most) / count) ** 0.5
    return next(one for one, found in right.items() if found >= near)


def _drawn(requests: "Sequence[Classify]", labels: int) -> "NDArray[Any]":
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


def _right(model: Any, matrix: Any, problems: "Sequence[tuple[NDArray[Any], NDArray[Any]]]", *, multi: bool) -> float:
    """Mean accuracy, or F1, of parts that were left out."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    folds, score = StratifiedKFold(FOLDS, shuffle=True, random_state=0), "f1" if multi else "accuracy"
    scores = [cross_val_score(model, matrix[rows], classes, cv=folds, scoring=score).mean() for rows, classes in problems]
    return float(sum(scores) / len(scores))
