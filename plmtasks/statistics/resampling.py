"""The scores of resamples, and of the data with one example left out: sums of weighted rows."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
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

KINDS_FROM = 20_000
"""Rows from which equal ones are drawn together, where they are of few kinds."""

ROWS_A_KIND = 20
"""So many must be equal on average: a kind's count takes as long to draw as those of about ten rows."""

CELLS = 512
"""Of numbers that are evened out."""


def drawn_by(examples: int) -> dict[str, str]:
    """What a run's identity tells of how so many examples are resampled: nothing of few, which were always drawn one by one."""
    return {"resampling": "by kinds"} if examples >= KINDS_FROM else {}


def resampled(
    rows: "NDArray[Any]", reduce: "Reduce", *, resamples: int, seed: int = 0, times: "NDArray[Any] | None" = None
) -> "dict[str, NDArray[Any]]":
    """The scores of several runs on the same resamples of their common examples.

    Drawing rows with replacement is weighting them by how often each is drawn, so this is a matrix product.

    rows: float64, (n, m, k): n examples (or clusters), m runs, k statistics
    times: how many examples each row stands for, where all rows are different. int64, (n,)
    returns: each score, (resamples, m)
    """
    import numpy as np

    n, m, k = rows.shape
    if (kinds := _kinds(list(rows.reshape(n, m * k).T), times)) is not None:
        return dict(reduce(kinds.drawn(resamples, seed, rows[kinds.first].reshape(-1, m * k)).reshape(-1, m, k)))
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

    kinds = _kinds([*rows.T, *parts]) if len(rows) >= KINDS_FROM and _all_differ(clusters) else None
    if kinds is not None:
        within = np.stack([part[kinds.first] for part in parts], axis=1)[:, :, None] * rows[kinds.first][:, None]
        totals = kinds.drawn(resamples, seed, within.reshape(len(within), -1))
        return dict(reduce(totals.reshape(resamples, len(parts), -1)))
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


@dataclass(frozen=True)
class Kinds:
    """Many rows of few kinds."""

    first: "NDArray[Any]"
    """The position of one row of each kind. int64, (g,)"""
    sizes: "NDArray[Any]"
    """How many rows there are of it. int64, (g,)"""

    def drawn(self, resamples: int, seed: int, sums: "NDArray[Any]") -> "NDArray[Any]":
        """The sums of as many rows as there are, drawn with replacement.

        sums: what a row of each kind adds, float64, (g, k)
        returns: float64, (resamples, k)
        """
        n = int(self.sizes.sum())
        return self._summed(lambda random, some: random.multinomial(n, self.sizes / n, some), resamples, seed, sums)

    def halved(self, trials: int, seed: int, sums: "NDArray[Any]") -> "NDArray[Any]":
        """The sums of the rows for which a fair coin shows heads; as `drawn`."""
        shape = len(self.sizes)
        return self._summed(lambda random, some: random.binomial(self.sizes, 0.5, (some, shape)), trials, seed, sums)

    def _summed(self, draw: Callable[[Any, int], Any], times: int, seed: int, sums: "NDArray[Any]") -> "NDArray[Any]":
        import numpy as np

        random, size, found = np.random.Generator(np.random.SFC64(seed)), max(1, CHUNK // len(self.sizes)), []
        for start in range(0, times, size):
            counts = draw(random, min(size, times - start)).astype(np.float64)
            with one_thread():
                found.append(counts @ sums)
        return np.concatenate(found)


def _kinds(columns: "Sequence[NDArray[Any]]", times: "NDArray[Any] | None" = None) -> Kinds | None:
    """The kinds of equal rows, in an order that does not follow from that of the rows.

    columns: of the rows, float64 or bool, (n,) each
    times: how often each row is there, if all are different. int64, (n,)
    returns: None where there are few rows, or of too many kinds
    """
    import numpy as np

    n = len(columns[0])
    if times is None and n < KINDS_FROM:
        return None
    # a sum of odd multiples modulo 2^64 stands for a row: to sort such takes a hundredth of the time that rows take
    odd = np.random.Generator(np.random.PCG64(0)).integers(0, 2**63, len(columns), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    marks = np.zeros(n, dtype=np.uint64)
    for column, factor in zip(columns, odd, strict=True):
        bits = np.ascontiguousarray(column, dtype=np.float64).view(np.uint64)
        marks += (bits ^ (bits >> np.uint64(32))) * factor
    if times is not None:
        order = np.argsort(marks)
        return Kinds(order, times[order])
    # np.unique would tell the same, and hold three times as much meanwhile
    order = np.argsort(marks, kind="stable")
    marks = marks[order]
    begins = np.ones(n, dtype=bool)
    np.not_equal(marks[1:], marks[:-1], out=begins[1:])
    starts = np.flatnonzero(begins)
    if len(starts) * ROWS_A_KIND > n:
        return None
    for column in columns:
        of = column[order]
        if not (begins[1:] | (of[1:] == of[:-1])).all():
            return None
    return Kinds(order[starts], np.diff(starts, append=n))


def _all_differ(values: Sequence[Any]) -> bool:
    """Whether none comes twice, by the hashes of all: a set would take 60 bytes of each more."""
    import numpy as np

    hashes = np.sort(np.fromiter(map(hash, values), dtype=np.int64, count=len(values)))
    return bool((hashes[1:] != hashes[:-1]).all()) or len(set(values)) == len(values)


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
    number = numbered(clusters)
    sums = np.zeros((int(number.max(initial=-1)) + 1, *rows.shape[1:]))
    np.add.at(sums, number, rows)
    return sums


def numbered(clusters: "Sequence[Any] | NDArray[Any]") -> "NDArray[Any]":
    """The number of each example's cluster, in the order of the clusters' first examples. int64, (n,)"""
    import numpy as np

    number = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    return np.array([number[cluster] for cluster in clusters], dtype=np.int64)


def drawing(clusters: "Sequence[Any] | NDArray[Any]") -> "tuple[int, Callable[[NDArray[Any]], NDArray[Any]]]":
    """How many clusters there are, and what gives the positions of the examples of those that were drawn, by their numbers."""
    import numpy as np

    number = numbered(clusters)
    sizes, order = np.bincount(number), np.argsort(number, kind="stable")
    starts = np.cumsum(sizes) - sizes

    def positions(drawn: "NDArray[Any]") -> "NDArray[Any]":
        lengths = sizes[drawn]
        ends = np.cumsum(lengths)
        found: NDArray[Any] = order[np.arange(lengths.sum()) + np.repeat(starts[drawn] - ends + lengths, lengths)]
        return found

    return len(sizes), positions


def evened(values: "NDArray[Any]", within: "NDArray[Any]") -> "NDArray[Any]":
    """Each of many numbers as the mean of those of about its size, so that their rows are of few kinds; few stay as they are.

    Sums stay what they are, and of the variance there goes at most a twelfth of a cell's width squared.

    within: the number of each one's group, of few, which is left by none; int64 as large as the values
    """
    import numpy as np

    if len(values) < KINDS_FROM:
        return values
    low, width = float(values.min()), float(np.ptp(values)) / CELLS or 1.0
    scaled = values - low
    scaled /= width
    cell = scaled.astype(np.int64)
    del scaled
    cell += within * (CELLS + 1)
    found: NDArray[Any] = (np.bincount(cell, values) / np.maximum(1, np.bincount(cell)))[cell]
    return found


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

    if (kinds := _kinds(list(rows.T))) is not None:
        return kinds.halved(trials, seed, rows[kinds.first])
    random = np.random.Generator(np.random.SFC64(seed))
    n, found = len(rows), []
    size = max(1, CHUNK // n)
    for start in range(0, trials, size):
        count = min(size, trials - start)
        bits = np.unpackbits(np.frombuffer(random.bytes(count * -(-n // 8)), dtype=np.uint8).reshape(count, -1), axis=1, count=n)
        with one_thread():
            found.append(bits.astype(np.float64) @ rows)
    return np.concatenate(found)
