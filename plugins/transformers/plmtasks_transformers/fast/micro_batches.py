"""What of a batch is computed at once."""

from collections.abc import Sequence
from itertools import pairwise


def micro_batches(lengths: Sequence[int], tokens: int) -> list[slice]:
    """Neighbours that are at most so many tokens when they are padded to the longest of them; 0: all."""
    bounds, widest = [0], 0
    for i, length in enumerate(lengths):
        widest = max(widest, length)
        if tokens and i > bounds[-1] and (i + 1 - bounds[-1]) * widest > tokens:
            bounds.append(i)
            widest = length
    return [slice(*ends) for ends in pairwise([*bounds, len(lengths)])]
