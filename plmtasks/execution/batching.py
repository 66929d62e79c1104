"""Which requests are computed together."""

from collections.abc import Iterable, Sequence

from ..model import Cost


def cut_batches(keys: Sequence[str], costs: Sequence[Cost], batch_tokens: int) -> list[list[int]]:
    """Positions of the requests that share a batch, costliest batch first.

    A function of keys, costs and the token budget alone, whatever the order in which the requests come and whatever
    the number of processes. A batch holds at most `batch_tokens` tokens, padding and all; a request over the budget has
    a batch of its own.
    """
    order = sorted(range(len(keys)), key=keys.__getitem__)
    # by one after the other, the last of which comes first: tuples of all for a million requests would take 90 MB
    order.sort(key=lambda i: -costs[i].width)
    order.sort(key=lambda i: costs[i].near)
    order.sort(key=lambda i: costs[i].group)
    order.sort(key=lambda i: costs[i].turn)
    batches: list[list[int]] = []
    sizes: list[int] = []
    rows = width = bare = 0
    shared: tuple[int, str] | None = None
    for i in order:
        cost = costs[i]
        grown = _grown(rows, width, bare, cost)
        tokens = grown[0] * grown[1] + grown[2]
        if shared == (cost.turn, cost.group) and tokens <= batch_tokens:
            batches[-1].append(i)
            sizes[-1] = tokens
        else:
            grown, shared = _grown(0, 0, 0, cost), (cost.turn, cost.group)
            batches.append([i])
            sizes.append(cost.tokens)
        rows, width, bare = grown
    ranked = sorted(range(len(batches)), key=lambda b: (costs[batches[b][0]].turn, -sizes[b], keys[batches[b][0]]))
    return [batches[b] for b in ranked]


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
