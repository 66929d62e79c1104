"""The scores of resamples, and of the data with one example left out: sums of weighted rows."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reduce = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]
    """(..., k) sums → scores of shape (...), nan where a score is not defined."""

RESAMPLES = 10_000
"""Of the whole of the examples."""

SLICE_RESAMPLES = 2_000
"""Of one slice among many."""

CHUNK = 4_000_000
"""Counts, or sums, that are held at once."""

POISSON_FROM = 500
"""Rows from which counts are drawn as such; fewer are drawn one by one."""


def resampled(rows: "NDArray[Any]", reduce: "Reduce", *, resamples: int, seed: int = 0) -> "dict[str, NDArray[Any]]":
    """The scores of several runs on the same resamples of their common examples.

    Drawing rows with replacement is weighting them by how often each is drawn, so this is a matrix product.

    rows: float64, (n, m, k): n examples (or clusters), m runs, k statistics
    returns: each score, (resamples, m)
    """
    import numpy as np

    n, m, k = rows.shape
    # Sums of integers under 2^24 are exact in float32, in any order, and take half the time.
    whole = bool((rows == np.rint(rows)).all()) and float(np.abs(rows).max(initial=0)) * n < 2**24
    weighted, found = rows.reshape(n, m * k).astype(np.float32 if whole else np.float64), []
    for counts in _counts(n, resamples, seed, max(1, CHUNK // max(n, m * k))):
        with one_thread():
            totals = counts.astype(weighted.dtype, copy=False) @ weighted
        found.append(reduce(totals.astype(np.float64, copy=False).reshape(-1, m, k)))
    return {score: np.concatenate([chunk[score] for chunk in found]) for score in found[0]}


def resampled_parts(
    rows: "NDArray[Any]", parts: "Sequence[NDArray[Any]]", reduce: "Reduce", *, clusters: Sequence[Any], resamples: int,
    seed: int = 0,
) -> "dict[str, NDArray[Any]]":  # fmt: skip
    """The scores of parts of the examples on the same resamples of the whole.

    rows: float64, (n, k)
    parts: bool, (n,) each: the examples of each; they may overlap
    clusters: of each example what it shares with others, or what it has alone; whole clusters are drawn
    returns: each score, (resamples, parts); nan where a resample has nothing of a part
    """
    import numpy as np

    _, number = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    sums = []
    for part in parts:
        # a part's product goes over the clusters that it has a share in alone
        positions, places = np.unique(number[part], return_inverse=True)
        own = np.zeros((len(positions), rows.shape[1]))
        np.add.at(own, places, rows[part])
        sums.append((positions, own))
    n, found = int(number.max(initial=-1)) + 1, []
    size = max(1, CHUNK // max(n, len(parts) * rows.shape[1]))
    for counts in _counts(n, resamples, seed, size):
        with one_thread():
            totals = np.stack([counts[:, positions].astype(np.float64) @ own for positions, own in sums], axis=1)
        found.append(reduce(totals))
    return {score: np.concatenate([chunk[score] for chunk in found]) for score in found[0]}


def _counts(n: int, resamples: int, seed: int, size: int) -> "Iterator[NDArray[Any]]":
    """How often each of n rows is drawn: float32 arrays of shape (some resamples, n), whose rows sum to n.

    Of many rows most counts are drawn as independent Poisson variables of a mean a little below 1, and the rest of the n one by
    one: given their sum, such counts are those of so many draws. This takes half the time of drawing all one by one.
    """
    import numpy as np

    random = np.random.Generator(np.random.SFC64(seed))
    table = _poisson_table(1 - 3 / math.sqrt(n)) if n >= POISSON_FROM else None
    for start in range(0, resamples, size):
        shape = (min(size, resamples - start), n)
        if table is None:
            counts = np.zeros(shape, dtype=np.float32)
        else:
            # in range as they are: "wrap" spares the check, and whole words of bits the assembling of halves
            bits = random.integers(0, 2**64 - 1, -(-math.prod(shape) // 4), dtype=np.uint64, endpoint=True).view(np.uint16)
            counts = np.take(table, bits[: math.prod(shape)], mode="wrap").astype(np.float32).reshape(shape)
        missing = n - counts.sum(axis=1)
        # what was drawn too often begins anew: a choice by the sum alone changes nothing in what follows from it
        counts[missing < 0] = 0
        missing = np.where(missing < 0, n, missing).astype(np.int64)
        beginnings = np.repeat(np.arange(len(counts)) * n, missing)
        places = beginnings + random.integers(0, n, len(beginnings), dtype=np.uint32)
        np.add.at(counts.reshape(-1), places, np.float32(1))  # of its own type, a number takes the fast way
        yield counts


def _poisson_table(mean: float) -> "NDArray[Any]":
    """16 random bits → a Poisson variable, its probabilities right to 2^-16. uint8, (65536,)."""
    import numpy as np

    terms = [math.exp(-mean)]
    while len(terms) < 20:
        terms.append(terms[-1] * mean / len(terms))
    return np.searchsorted(np.cumsum(terms), (np.arange(2**16) + 0.5) / 2**16).astype(np.uint8)


def leave_one_out(rows: "NDArray[Any]", reduce: "Reduce", score: str) -> "NDArray[Any]":
    """One score of each run without each example in turn.

    rows: float64, (n, m, k)
    returns: (n, m)
    """
    import numpy as np

    n, m, k = rows.shape
    total, size = rows.sum(axis=0), max(1, CHUNK // (m * k))
    return np.concatenate([reduce(total - rows[start : start + size])[score] for start in range(0, n, size)])


def by_cluster(rows: "NDArray[Any]", clusters: "Sequence[Any] | NDArray[Any] | None") -> "NDArray[Any]":
    """One row a cluster, the sum of its examples'; in the order of the clusters' first examples.

    rows: (n, …)
    clusters: of each example what it shares with others; None: all are independent

    raises: ValueError if there are more or fewer clusters than rows
    """
    import numpy as np

    if clusters is None:
        return rows
    if len(clusters) != len(rows):
        raise ValueError(f"{len(rows)} rows, but {len(clusters)} clusters")
    number = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(number), *rows.shape[1:]))
    np.add.at(sums, [number[cluster] for cluster in clusters], rows)
    return sums


def one_thread() -> AbstractContextManager[Any]:
    """Several threads add up a product of non-integers in another order, and are no faster at a small one."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def coins(rows: "NDArray[Any]", trials: int, seed: int = 0) -> "NDArray[Any]":
    """Sums of the rows for which a fair coin shows heads.

    rows: float64, (n, k)
    returns: float64, (trials, k)
    """
    import numpy as np

    random = np.random.Generator(np.random.SFC64(seed))
    n, found = len(rows), []
    size = max(1, CHUNK // n)
    for start in range(0, trials, size):
        count = min(size, trials - start)
        bits = np.unpackbits(np.frombuffer(random.bytes(count * -(-n // 8)), dtype=np.uint8).reshape(count, -1), axis=1, count=n)
        with one_thread():
            found.append(bits.astype(np.float64) @ rows)
    return np.concatenate(found)
