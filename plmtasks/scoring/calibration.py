"""Whether a model is right as often as its confidence says."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..examples import Example, Prediction
from ..metric import Metric
from ..statistics import KINDS_FROM, ROWS_A_KIND, SLICE_RESAMPLES, bootstrap, evened
from .metrics import proportions, shared_clusters
from .predictions import Predictions
from .scores import TOGETHER, Scored

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = "confidence"
"""The score of a prediction that is the probability, 0 to 1, of its being right."""

BINS = 15

CHANCE_DRAWS = 500
"""Of right and wrong at the predictions' own confidences."""


def record(
    metrics: Sequence[Metric], examples: Sequence[Example], predictions: Mapping[str, Prediction], scored: Scored,
    labels: Sequence[str],
) -> dict[str, Any] | None:  # fmt: skip
    """What a result tells of the predictions' confidences; None where they have none, or are not simply right or wrong.

    All figures are shares, 0 to 1. "of" names the metric and score that say what is right.

    source: Guo et al. (2017), arXiv 1706.04599, for the expected calibration error over bins of equal width; Nguyen and
        O'Connor (2015), arXiv 1508.05154, for bins of equal size; Brier (1950), Monthly Weather Review 78, over all labels
    """
    import numpy as np

    held = Predictions.of(examples, predictions)
    kept = np.flatnonzero(held.there())
    chosen = examples if len(kept) == len(examples) else [examples[i] for i in kept.tolist()]
    right = _right(metrics, scored, kept)
    found = held.scores(kept, [CONFIDENCE]) if right is not None and len(kept) else None
    if right is None or found is None:
        return None
    (of, correct), confidence = right, found[:, 0]
    shared = shared_clusters(chosen)
    quantiles = np.quantile(confidence, np.linspace(0, 1, BINS + 1))
    record = {"of": of, "examples": len(kept), **_errors(confidence, correct, np.linspace(0, 1, BINS + 1), shared)}
    record["equal_mass"] = _errors(confidence, correct, quantiles, shared)
    del right, found, confidence, correct  # of a million predictions they are 32 MB
    names = [f"probability[{label}]" for label in labels]
    squares = _squares(chosen, held.scores(kept, names) if names else None, labels)
    if squares is not None:
        rows = np.stack([evened(squares, np.zeros(len(squares), dtype=np.int64)), np.ones(len(squares))], axis=1)
        ends = bootstrap(rows, _mean, clusters=shared, resamples=SLICE_RESAMPLES)["mean"]
        record["brier"] = {"value": float(squares.mean()), "low": ends.low, "high": ends.high}
    return record


def _mean(totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
    return {"mean": totals[..., 0] / totals[..., 1]}


def _right(metrics: Sequence[Metric], scored: Scored, kept: "NDArray[Any]") -> "tuple[list[str], NDArray[Any]] | None":
    """The first score that is the mean of what is 0 or 1 of each prediction, and that."""
    import numpy as np

    for metric in metrics:
        for name, column in proportions(metric).items():
            values = scored.column(metric, column)[kept]
            if np.isin(values, (0.0, 1.0)).all():
                return [metric.name, name], values
    return None


def _errors(
    confidence: "NDArray[Any]", correct: "NDArray[Any]", edges: "NDArray[Any]", clusters: Sequence[Any] | None
) -> dict[str, Any]:
    """The expected calibration error and the bins, those alone that hold an example.

    A bin holds what lies above its lower edge and not above its upper. The edges stay where they are in every resample, so
    the error is a function of sums: of each bin how much more often it was right than it said.
    """
    import numpy as np

    n, place = len(confidence), np.searchsorted(edges[1:-1], confidence)
    more = correct - (about := evened(confidence, place))
    rows, times = _rows(more, place) if clusters is None and n >= KINDS_FROM else (None, None)
    if rows is None:
        rows = np.zeros((n, BINS + 1))
        rows[np.arange(n), place], rows[:, BINS] = more, 1
    del more
    ends = bootstrap(rows, _ece, clusters=clusters, resamples=SLICE_RESAMPLES, times=times)["ece"]
    bins = [
        {
            "low": float(edges[b]), "high": float(edges[b + 1]), "count": int(inside.sum()),
            "confidence": float(confidence[inside].mean()), "accuracy": float(correct[inside].mean()),
        }
        for b in range(BINS)
        if (inside := place == b).any()
    ]  # fmt: skip
    found = float(_ece(np.append(np.bincount(place, correct - confidence, BINS), n))["ece"])
    return {"ece": found, "low": ends.low, "high": ends.high, "chance": _chance(about, place), "bins": bins}


def _rows(more: "NDArray[Any]", place: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any]] | tuple[None, None]":
    """The different ones among rows that would take 128 bytes of each of a million examples, and how often each is there.

    more: how much more often each was right than it said; place: its bin. (n,) both
    returns: float64, (g, BINS + 1), and int64, (g,); None and None where they are not of few kinds
    """
    import numpy as np

    found = [np.unique(more[place == b], return_counts=True) for b in range(BINS)]
    sizes = [len(values) for values, _ in found]
    rows, bins = np.zeros((sum(sizes), BINS + 1)), np.repeat(np.arange(BINS), sizes)
    rows[np.arange(len(rows)), bins] = np.concatenate([values for values, _ in found])
    rows[:, BINS] = 1
    rows, which = np.unique(rows, axis=0, return_inverse=True)  # of nothing more the rows of all bins are one
    if len(rows) * ROWS_A_KIND > len(more):
        return None, None
    return rows, np.bincount(which.reshape(-1), np.concatenate([times for _, times in found])).astype(np.int64)


def _chance(confidence: "NDArray[Any]", place: "NDArray[Any]") -> float:
    """The mean error of a model that has these confidences and keeps them: in a bin of few examples the share that is right
    differs from the confidence by chance alone.

    source: Bröcker and Smith (2007), Weather and Forecasting 22, consistency resampling, the confidences as they are
    """
    import numpy as np

    random, n = np.random.Generator(np.random.SFC64(0)), len(confidence)
    if n >= KINDS_FROM:  # those of one confidence, which lie in one bin, are drawn together
        values, first, sizes = np.unique(confidence, return_index=True, return_counts=True)
        more = random.binomial(sizes, values, (CHANCE_DRAWS, len(sizes))) - sizes * values
        in_bins = np.stack([more[:, place[first] == b].sum(axis=1) for b in range(BINS)])
        return float(np.abs(in_bins).sum(axis=0).mean() / n)
    errors = [np.abs(np.bincount(place, (random.random(n) < confidence) - confidence, BINS)).sum() for _ in range(CHANCE_DRAWS)]
    return float(np.mean(errors) / n)


def _ece(totals: "NDArray[Any]") -> "dict[str, NDArray[Any]]":
    import numpy as np

    return {"ece": np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1]}


def _squares(examples: Sequence[Example], probabilities: "NDArray[Any] | None", labels: Sequence[str]) -> "NDArray[Any] | None":
    """Of each prediction the squared errors of its labels' probabilities, 0 to 2 where one label holds. (n,)

    probabilities: (n, labels), of which nothing is left; None where there are none
    """
    import numpy as np

    if probabilities is None:
        return None
    place = {label: at for at, label in enumerate(labels)}
    squares = np.empty(len(probabilities))
    for begin in range(0, len(examples), TOGETHER):
        some = slice(begin, begin + TOGETHER)
        held = (e.reference if isinstance(e.reference, list) else (e.reference,) for e in examples[some])
        right = ((row, place[one]) for row, those in enumerate(held) for one in those if isinstance(one, str) and one in place)
        errors = probabilities[some]
        errors[tuple(np.fromiter(chain.from_iterable(right), dtype=np.int64).reshape(-1, 2).T)] -= 1
        squares[some] = (errors**2).sum(axis=1)
    return squares
