"""Which requests are computed together."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..model import Cost

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOME = 65_536
"""Requests that are looked at at a time."""


def cut_batches(keys: Sequence[str], costs: Sequence[Cost], batch_tokens: int) -> "list[NDArray[Any]]":
    """Positions of the requests that share a batch, costliest batch first. uint32, (n,) each

    keys: mostly sorted

    A function of keys, costs and the token budget alone, whatever the order in which the requests come and whatever
    the number of processes. A batch holds at most `batch_tokens` tokens, padding and all; a request over the budget has
    a batch of its own.
    """
    import numpy as np

    order = _order(keys, costs)
    starts: list[int] = []
    sizes: list[int] = []
    rows = width = bare = 0
    shared: tuple[int, str] | None = None
    for begin in range(0, len(order), SOME):
        for at, i in enumerate(order[begin : begin + SOME].tolist(), begin):
            cost = costs[i]
            grown = _grown(rows, width, bare, cost)
            tokens = grown[0] * grown[1] + grown[2]
            if shared == (cost.turn, cost.group) and tokens <= batch_tokens:
                sizes[-1] = tokens
            else:
                grown, shared = _grown(0, 0, 0, cost), (cost.turn, cost.group)
                starts.append(at)
                sizes.append(cost.tokens)
            rows, width, bare = grown
    batches = np.split(order, starts[1:]) if starts else []
    ranked = sorted(range(len(batches)), key=lambda b: (costs[batches[b][0]].turn, -sizes[b], keys[batches[b][0]]))
    return [batches[b] for b in ranked]


def _order(keys: Sequence[str], costs: Sequence[Cost]) -> "NDArray[Any]":
    """Positions by turn, group, nearness, width, the widest first, and key. uint32, (n,)

    In arrays: a million numbers of Python's take 36 MB, and as many tuples to sort them by 90.
    """
    import numpy as np

    count = len(keys)
    order = np.arange(count, dtype=np.uint32)
    if not all(one <= other for one, other in pairwise(keys)):
        order = np.array(sorted(range(count), key=keys.__getitem__), dtype=np.uint32)

    def by(numbers: "NDArray[Any]") -> "NDArray[Any]":
        return order[np.argsort(numbers[order], kind="stable")]

    # by one after the other, the last of which comes first
    order = by(-np.fromiter((cost.width for cost in costs), dtype=np.int64, count=count))
    for of in (attrgetter("near"), attrgetter("group")):
        texts = list(map(of, costs))
        if any(text != texts[0] for text in texts):
            order = np.array(sorted(order.tolist(), key=texts.__getitem__), dtype=np.uint32)
    return by(np.fromiter((cost.turn for cost in costs), dtype=np.int64, count=count))


def _grown(rows: int, width: int, bare: int, cost: Cost) -> tuple[int, int, int]:
    """What a batch holds with one request more: its sequences, the tokens of the longest, and those that are not padded."""
    if cost.bare is not None:
        return rows, width, bare + cost.bare
    return rows + cost.rows, max(width, cost.width), bare


def padded_tokens(costs: Iterable[Cost]) -> int:
    """Tokens that a batch of these computes, padding and all."""
    rows = width = bare = 0
    for cost in costs:
        rows, width, bare = _grown(rows, width, bare, cost)
    return rows * width + bare
