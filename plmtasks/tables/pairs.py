"""Which runs of a table the data can tell apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.errors import DataError, InputError
from plmtasks.results import CLUSTER, Result
from plmtasks.statistics import Ranking, by_cluster, compare_pairs, rank
from plmtasks.store import columns, rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plmtasks.hooks import Registry
    from plmtasks.metric import Metric

TOLERANCE = 1e-6
"""By which a score may differ from what its rows give: sums in another order."""


def ranking(groups: Sequence[Sequence[Result]], main: tuple[str, str], registry: "Registry") -> Ranking:
    """The tests of all pairs, by the main score.

    groups: the runs of each row, all on the same examples

    raises: InputError if the metric is not installed in the version that counted; DataError if a run's files are not there, or
        do not give its score
    """
    import numpy as np

    name, score = main
    results = [result for group in groups for result in group]
    stacked, metric = _stacked(results, main, registry)
    ends = np.cumsum([len(group) for group in groups])
    members = [range(end - len(group), end) for end, group in zip(ends.tolist(), groups, strict=True)]
    return rank(
        stacked, metric.reduce, score, groups=members,
        higher_is_better=bool(results[0].record["scores"][name][score]["higher_is_better"]),
    )  # fmt: skip


def differences(
    results: Sequence[Result], pairs: Sequence[tuple[int, int]], main: tuple[str, str], registry: "Registry"
) -> list[tuple[float, float, float, float]]:
    """The main score of the first of each pair less the second's, the interval's ends, and p of the paired bootstrap.

    results: on the same examples; pairs: positions in them
    raises: as `ranking`
    """
    stacked, metric = _stacked(results, main, registry)
    return compare_pairs(stacked, metric.reduce, main[1], pairs)


def _stacked(results: Sequence[Result], main: tuple[str, str], registry: "Registry") -> "tuple[NDArray[Any], Metric]":
    """The rows of all runs, one a cluster, (n, m, k); and the metric that they are of."""
    import numpy as np

    name, score = main
    first = rows(results[0], name, registry)
    metric, k = first.metric, first.values.shape[1]
    stacked = np.empty((len(first.values), len(results), k))
    for i, result in enumerate(results):
        array = result.statistics()
        if len(array) != len(stacked) or (first.clusters is not None and (array[CLUSTER] != first.clusters).any()):
            raise DataError(str(result.folder / "statistics.npy"), "rows of the same examples", f"{len(array)} rows")
        stacked[:, i] = columns(array, name, metric.columns(), result)
    reduced = metric.reduce(stacked.sum(axis=0))
    if score not in reduced:
        why = f"{name}/{score} is no function of sums over the examples, by which pairs are tested"
        raise InputError(why, "plmtasks compare tests two of them")
    found = np.asarray(reduced[score])
    said = np.array([result.record["scores"][name][score]["value"] for result in results])
    wrong = np.flatnonzero(~(np.abs(found - said) <= TOLERANCE * np.maximum(1, np.abs(said))))
    if len(wrong):
        i = int(wrong[0])
        raise DataError(
            str(results[i].folder), f"rows that give the score {said[i]:g}", f"{found[i]:g}", "plmtasks results verify"
        )
    return by_cluster(stacked, first.clusters), metric
