"""Which requests are computed together."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one request costs a model."""

    group: str = ""
    """Only requests of one group share a batch."""
    rows: int = 1
    """Sequences that the request becomes (windows, choices)."""
    width: int
    """Tokens of its longest sequence."""
    near: bytes = b""
    """Among requests of one width, those that are near each other in this order share most of their work."""
    cut: int = 0
    """Tokens that truncation takes away."""

    @property
    def tokens(self) -> int:
        return self.rows * self.width


def cut_batches(keys: Sequence[str], costs: Sequence[Cost], batch_tokens: int) -> list[list[int]]:
    """Positions of the requests that share a batch, costliest batch first.

    A function of keys, costs and the token budget alone, whatever the order in which the requests come and whatever
    the number of processes. A batch holds rows × (its widest row) ≤ `batch_tokens` padded tokens; a request over the
    budget has a batch of its own.
    """
    order = sorted(range(len(keys)), key=lambda i: (costs[i].group, -costs[i].width, costs[i].near, keys[i]))
    batches: list[list[int]] = []
    rows = 0
    for i in order:
        first = costs[batches[-1][0]] if batches else None
        # sorted by width within a group: the first request of a batch is its widest
        if first is not None and first.group == costs[i].group and (rows + costs[i].rows) * first.width <= batch_tokens:
            batches[-1].append(i)
            rows += costs[i].rows
        else:
            batches.append([i])
            rows = costs[i].rows
    return sorted(batches, key=lambda b: (-padded_tokens([costs[i] for i in b]), keys[b[0]]))


def padded_tokens(costs: Sequence[Cost]) -> int:
    """Tokens that a batch of these computes, padding and all."""
    return sum(c.rows for c in costs) * max((c.width for c in costs), default=0)
