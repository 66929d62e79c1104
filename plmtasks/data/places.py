"""Where values stand, of which there may be a million: in two arrays, where a dictionary takes 100 bytes of each."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOME = 4_096
"""Values that are looked up at a time."""


class Places:
    """The places of values among others, found by their hashes."""

    def __init__(self, count: int, at: Callable[[int], Hashable]) -> None:
        """at: gives the value at each of so many places"""
        self.count, self.at = count, at

    @cached_property
    def _sorted(self) -> "tuple[NDArray[Any], NDArray[Any]]":
        """The hashes in their order, and the place of each. int64, (n,) both"""
        import numpy as np

        hashes = np.fromiter(map(hash, map(self.at, range(self.count))), dtype=np.int64, count=self.count)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order

    def again(self) -> list[int]:
        """The places of values that stand in other places too, in their order."""
        hashes, order = self._sorted
        same = hashes[1:] == hashes[:-1]
        places = sorted({*order[1:][same].tolist(), *order[:-1][same].tolist()})
        times: dict[Hashable, int] = {}
        for place in places:
            times[self.at(place)] = times.get(self.at(place), 0) + 1
        return [place for place in places if times[self.at(place)] > 1]

    def of(self, values: Iterable[tuple[Hashable, Any]]) -> Iterator[tuple[int, Any]]:
        """Of each value every place, in their order, with what goes with it."""
        import numpy as np

        hashes, order = self._sorted
        values = iter(values)
        while some := list(islice(values, SOME)):
            wanted = np.fromiter((hash(value) for value, _ in some), dtype=np.int64, count=len(some))
            starts, ends = (np.searchsorted(hashes, wanted, side=side).tolist() for side in ("left", "right"))
            for (value, more), start, end in zip(some, starts, ends, strict=True):
                for place in order[start:end].tolist():
                    if self.at(place) == value:
                        yield place, more
