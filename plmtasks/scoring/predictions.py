"""Predictions by their examples, each of which takes few bytes: there may be a million."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..examples import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray


FLOATS = frozenset({float})


class Predictions(Mapping[str, Prediction]):
    """Predictions by the example's id: columns of values and scores, of which each is made anew when it is looked at.

    The columns are those of the first prediction's scores. One that has others, or that says more, is held as it is.
    """

    def __init__(self, predictions: Iterable[tuple[str, Prediction]] = ()) -> None:
        self._places: dict[str, int] = {}
        self._values: list[Any] = []
        self._names: tuple[str, ...] | None = None
        self._scores = array("d")
        for id_, prediction in predictions:
            self.put(id_, prediction)

    def put(self, id: str, prediction: Prediction) -> None:
        """Adds a prediction of an example that has none yet."""
        self._places[id] = len(self._values)
        if self._names is None:
            self._names = tuple(prediction.scores)
        more = prediction.repeats or prediction.reasoning or prediction.unfinished
        if not more and tuple(prediction.scores) == self._names:
            scores = prediction.scores.values()
            if FLOATS.issuperset(map(type, scores)):
                self._values.append(prediction.value)
                self._scores.extend(scores)
                return
        self._values.append(prediction)
        self._scores.extend([0.0] * len(self._names))

    def __getitem__(self, id: str) -> Prediction:
        place = self._places[id]
        value, names = self._values[place], self._names or ()
        if isinstance(value, Prediction):
            return value
        scores = self._scores[place * len(names) : (place + 1) * len(names)]
        made = object.__new__(Prediction)  # what is not set is the class's default: a third of the time that all fields take
        object.__setattr__(made, "value", value)
        object.__setattr__(made, "scores", dict(zip(names, scores, strict=True)))
        return made

    def scores(self, ids: Iterable[str], names: Sequence[str]) -> "NDArray[Any] | None":
        """The scores of these names of each of some predictions, (n, names); None where one has not all of them."""
        import numpy as np

        own = self._names or ()
        if any(isinstance(value, Prediction) for value in self._values) or not set(names) <= set(own):
            try:
                return np.array([[self[id_].scores[name] for name in names] for id_ in ids], dtype=np.float64)
            except KeyError:
                return None
        rows = np.frombuffer(self._scores).reshape(-1, len(own)) if own else np.zeros((len(self), 0))
        places = np.fromiter((self._places[id_] for id_ in ids), dtype=np.int64)
        return np.stack([rows[places, own.index(name)] for name in names], axis=1)

    def __contains__(self, id: object) -> bool:
        return id in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
