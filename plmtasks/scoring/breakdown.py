"""Scores of slices of the examples, and the gaps between them."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..data import dimension
from ..errors import MetricError
from ..examples import Example
from ..metric import Metric
from ..statistics import SLICE_RESAMPLES, resampled_parts
from .metrics import main_score
from .repeats import keeps_values
from .scores import Scored, score_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 10
"""Examples that a slice must have: of fewer the scores say next to nothing, and there may be more such slices than examples."""


SOURCES = {"language": "language=en"}
"""Dimension → the slice with which its others are compared: what is learned in one language is tried in others."""


def record(metrics: Sequence[Metric], examples: Sequence[Example], scored: Scored) -> dict[str, Any]:
    """What a result tells of the slices that its examples name and that are large enough.

    returns: "slices", the scores of each, and "groups", the gap in the main score between the slices of each dimension; where one
        of them is a source, also what comes of it in the others
    """
    import numpy as np

    kept = ~np.isnan(scored.rows).any(axis=1) if scored.rows.shape[1] else np.ones(len(examples), dtype=bool)
    counts = Counter(name for e, answered in zip(examples, kept, strict=True) if answered for name in set(e.slices))
    names = sorted(name for name, count in counts.items() if count >= LEAST)
    members = {name: np.array([name in e.slices for e in examples], dtype=bool) & kept for name in names}
    slices = {name: _slice(metrics, examples, scored, inside) for name, inside in members.items()}
    value = {n: s["scores"][metrics[0].name].get(main_score(metrics[0]), {}).get("value") for n, s in slices.items()}
    groups = {}
    for what in dict.fromkeys(map(dimension, names)):
        chosen = [name for name in names if dimension(name) == what and value[name] is not None]
        if len(chosen) > 1:
            values = {name: float(value[name]) for name in chosen}
            drawn = _drawn(metrics[0], examples, scored, [members[name] for name in chosen])
            groups[what] = _gap(metrics[0], values, drawn)
            if (source := SOURCES.get(what)) in values:
                groups[what]["transfer"] = _transfer(metrics[0], source, values, drawn)
    return {"slices": slices, "groups": groups}


def brief(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Scores as a part of the examples has them: without those of single labels, and without what the whole tells of them."""
    return {
        name: {key: s[key] for key in ("value", "low", "high", "interval")}
        for name, s in scores.items()
        if "[" not in name and s["unit"] != "kind"
    }


def _slice(metrics: Sequence[Metric], examples: Sequence[Example], scored: Scored, inside: "NDArray[Any]") -> dict[str, Any]:
    import numpy as np

    chosen, scores = [examples[i] for i in np.flatnonzero(inside).tolist()], {}
    for metric in metrics:
        rows = scored.of(metric)[inside]
        summed: Container[str] = metric.reduce(rows.sum(axis=0))
        all_scores = score_rows(metric, rows, chosen, SLICE_RESAMPLES)
        if keeps_values(metric):  # of whatever else is no sum, every resample would be scored anew
            with suppress(MetricError):  # a slice may lack what the score needs, such as examples of two labels
                summed = all_scores = score_rows(
                    metric, rows, chosen, SLICE_RESAMPLES, [scored.predictions[e.id] for e in chosen]
                )
        scores[metric.name] = brief({name: s for name, s in all_scores.items() if name in summed})
    return {"examples": len(chosen), "scores": scores}


def _drawn(
    metric: Metric, examples: Sequence[Example], scored: Scored, members: Sequence["NDArray[Any]"]
) -> "NDArray[Any] | None":
    """The main score of slices on the same resamples of the whole, (resamples, slices); None if it is no function of a sum.

    members: of each slice which examples it has
    """
    import numpy as np

    rows, score = np.nan_to_num(scored.of(metric)), main_score(metric)
    if score not in metric.reduce(rows.sum(axis=0)):
        return None
    clusters = [e.cluster if e.cluster is not None else e.id for e in examples]
    drawn = resampled_parts(rows, members, metric.reduce, clusters=clusters, resamples=SLICE_RESAMPLES)[score]
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    return drawn if len(drawn) > 1 else None


def _gap(metric: Metric, values: Mapping[str, float], drawn: "NDArray[Any] | None") -> dict[str, Any]:
    """The best slice's main score less the worst's, with the interval of just this difference on the same resamples.

    values: the main score of each slice; one that is no function of a sum has no interval here

    p: how often slices that differ by chance alone have between any two of them a gap as large, in its standard error, since
        these two were picked for being the best and the worst; by the resamples' distances from what was found

    source: Westfall and Young (1993) for the largest statistic of all pairs
    """
    import numpy as np

    sign = 1.0 if metric.scores()[main_score(metric)].higher_is_better else -1.0
    found, names = np.array([*values.values()]), list(values)
    order = np.argsort(-sign * found, kind="stable")
    best, worst = int(order[0]), int(order[-1])
    gap = abs(float(found[best] - found[worst]))
    record: dict[str, Any] = {"worst": names[worst], "best": names[best], "gap": gap, "low": None, "high": None, "p": None}
    if drawn is None:
        return record
    between = sign * (drawn[:, best] - drawn[:, worst])
    low, high = np.quantile(between, (0.025, 0.975))
    error, largest = float(between.std()), _largest(drawn - found)
    reached = (largest * error >= gap - 1e-9).sum() if gap else len(drawn)
    return {**record, "low": float(low), "high": float(high), "p": float((reached + 1) / (len(drawn) + 1))}


def _transfer(metric: Metric, source: str, values: Mapping[str, float], drawn: "NDArray[Any] | None") -> dict[str, Any]:
    """What becomes of the source's main score in the other slices, each of which counts alike however many examples it has.

    returns: "from", the source; "mean", of all slices, the source too; "gap", the source's score less the mean of the others; and
        "differences", of each other slice less the source; all with intervals on the same resamples

    source: Hu et al. (2020), arXiv 2003.11080, section 5: the cross-lingual transfer gap
    """
    import numpy as np

    names = list(values)
    at, others = names.index(source), [i for i, name in enumerate(names) if name != source]

    def told(weights: "NDArray[Any]") -> dict[str, float | None]:
        low, high = (None, None) if drawn is None else map(float, np.quantile(drawn @ weights, (0.025, 0.975)))
        return {"value": float(np.array([*values.values()]) @ weights), "low": low, "high": high}

    each = np.eye(len(names))
    return {
        "from": source, "mean": told(each.mean(axis=0)), "gap": told(each[at] - each[others].mean(axis=0)),
        "differences": {names[i]: told(each[i] - each[at]) for i in others},
    }  # fmt: skip


def _largest(deviations: "NDArray[Any]") -> "NDArray[Any]":
    """The largest difference between any two columns of each row, in standard errors of that difference. (n, m) → (n,)"""
    import numpy as np

    largest = np.zeros(len(deviations))
    for i in range(deviations.shape[1] - 1):
        differences = np.abs(deviations[:, i + 1 :] - deviations[:, i : i + 1])
        errors = (deviations[:, i + 1 :] - deviations[:, i : i + 1]).std(axis=0)
        scaled = differences[:, errors > 1e-12] / errors[errors > 1e-12]
        largest = np.maximum(largest, scaled.max(axis=1, initial=0.0))
    return largest
