"""Predictions by their examples, each of which takes few bytes: there may be a million."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..examples import Example, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOATS = frozenset({float})

_set = object.__setattr__

NONE = object()
"""In the place of an example that has no prediction."""


class Predictions(Mapping[str, Prediction]):
    """Predictions of some examples, by id: columns of values and scores, of which each is made anew when it is looked at.

    The columns are those of the first prediction's scores. One that has others, or that says more, is held as it is. Examples are
    mostly gone through in their order, so that an id is looked for where the last one was, and behind it, first.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples
        self._values: list[Any] = [NONE] * len(examples)
        self._names: tuple[str, ...] | None = None
        self._scores = array("d")
        self._there, self._last, self._all_columns = 0, 0, True

    @classmethod
    def of(cls, examples: Sequence[Example], predictions: Mapping[str, Prediction]) -> "Predictions":
        """Those of the examples that have one."""
        if isinstance(predictions, cls) and predictions.examples is examples:
            return predictions
        held = cls(examples)
        for place, e in enumerate(examples):
            if e.id in predictions:
                held.put(place, predictions[e.id])
        return held

    def put(self, place: int, prediction: Prediction) -> None:
        """The prediction of the example at this place, which has none yet."""
        scores = prediction.scores
        if self._names is None:
            self._names = tuple(scores)
            self._scores = array("d", bytes(8 * len(scores) * len(self.examples)))
        self._there += 1
        more = prediction.repeats or prediction.reasoning or prediction.unfinished or type(prediction) is not Prediction
        if more or tuple(scores) != self._names or not FLOATS.issuperset(map(type, scores.values())):
            self._values[place], self._all_columns = prediction, False
            return
        self._values[place] = prediction.value
        self._scores[place * len(scores) : (place + 1) * len(scores)] = array("d", scores.values())

    def __getitem__(self, id: str) -> Prediction:
        value = self._values[place := self._place(id)]
        if value is NONE:
            raise KeyError(id)
        if isinstance(value, Prediction):
            return value
        width = len(names := self._names or ())
        made = object.__new__(Prediction)  # what is not set is the class's default: a third of the time that all fields take
        _set(made, "value", value)
        _set(made, "scores", dict(zip(names, self._scores[place * width : (place + 1) * width], strict=True)))
        return made

    def there(self) -> "NDArray[Any]":
        """Whether each example has one. bool, (n,)"""
        import numpy as np

        return np.fromiter((value is not NONE for value in self._values), dtype=bool, count=len(self._values))

    def scores(self, places: "NDArray[Any]", names: Sequence[str]) -> "NDArray[Any] | None":
        """The scores of these names of the predictions of some examples, (n, names); None where one has not all of them.

        places: of the examples, int64, (n,)
        """
        import numpy as np

        own = self._names or ()
        if not self._all_columns or not set(names) <= set(own):
            each = [self[self.examples[place].id].scores for place in places.tolist()]
            if not all(set(names) <= scores.keys() for scores in each):
                return None
            return np.array([[scores[name] for name in names] for scores in each], dtype=np.float64)
        rows = np.frombuffer(self._scores).reshape(-1, len(own))
        found: NDArray[Any] = rows[places[:, None], np.array([own.index(name) for name in names])]
        return found

    def _place(self, id: str) -> int:
        """raises: KeyError"""
        for place in (self._last, self._last + 1, 0):  # or they are gone through again
            if place < len(self.examples) and self.examples[place].id == id:
                self._last = place
                return place
        self._last = self._places[id]
        return self._last

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {e.id: place for place, e in enumerate(self.examples)}

    def __contains__(self, id: object) -> bool:
        try:
            return isinstance(id, str) and self._values[self._place(id)] is not NONE
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return (e.id for e, value in zip(self.examples, self._values, strict=True) if value is not NONE)

    def __len__(self) -> int:
        return self._there
