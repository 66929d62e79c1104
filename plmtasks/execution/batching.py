"""Which requests are computed together."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from ..model import Cost


def cut_batches(keys: Sequence[str], costs: Sequence[Cost], batch_tokens: int) -> list[list[int]]:
    """Positions of the requests that share a batch, costliest batch first.

    A function of keys, costs and the token budget alone, whatever the order in which the requests come and whatever
    the number of processes. A batch holds at most `batch_tokens` tokens, padding and all; a request over the budget has
    a batch of its own.
    """
    order = sorted(range(len(keys)), key=lambda i: (costs[i].turn, costs[i].group, costs[i].near, -costs[i].width, keys[i]))
    batches: list[list[int]] = []
    held = Held()
    for i in order:
        grown, last = held.grown(costs[i]), costs[batches[-1][0]] if batches else None
        if last and (last.turn, last.group) == (costs[i].turn, costs[i].group) and grown.tokens <= batch_tokens:
            batches[-1].append(i)
            held = grown
        else:
            batches.append([i])
            held = Held().grown(costs[i])
    return sorted(batches, key=lambda b: (costs[b[0]].turn, -padded_tokens([costs[i] for i in b]), keys[b[0]]))


class Held(NamedTuple):
    """What a batch holds so far."""

    rows: int = 0
    width: int = 0
    bare: int = 0

    @property
    def tokens(self) -> int:
        return self.rows * self.width + self.bare

    def grown(self, cost: Cost) -> "Held":
        if cost.bare is not None:
            return self._replace(bare=self.bare + cost.bare)
        return Held(self.rows + cost.rows, max(self.width, cost.width), self.bare)


def padded_tokens(costs: Iterable[Cost]) -> int:
    """Tokens that a batch of these computes, padding and all."""
    return reduce(Held.grown, costs, Held()).tokens
