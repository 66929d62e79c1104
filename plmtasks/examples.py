"""What a split of a data set holds, and what is predicted of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from .requests import LATER

_text = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@lru_cache(1024)
def same_slices(slices: tuple[str, ...]) -> tuple[str, ...]:
    """The same tuple for all examples of these slices, of which there may be a million."""
    return slices


def same_names(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as a dictionary that has its names in common with all others of the same names: 90 bytes less of each example.

    CPython keeps such names once for the instances of a class, and for what is left of an instance.
    """
    made: dict[str, Any] = vars(_holder(tuple(inputs))())
    for name, value in inputs.items():
        made[name] = value
    return made


@lru_cache(1024)
def _holder(names: tuple[str, ...]) -> type:
    return type("Inputs", (), {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One item of a split. All values are plain JSON values."""

    id: str
    inputs: Mapping[str, Any]
    reference: Any = None
    """The right answer as the data set gives it; None once it is hidden."""
    cluster: str | None = None
    """What it shares with others (a paragraph, a sentence), so that they are not independent."""
    slices: tuple[str, ...] = ()
    """The named subsets it belongs to."""
    prompted: bool = field(default=False, metadata=LATER)
    """Its inputs are a prompt that the task itself makes of the document in its reference, with shots or as a chat: how it is
    asked, and no part of the data."""
    undisclosed: bool = field(default=False, metadata=LATER)
    """It has a reference, which whoever published the data keeps: it can be asked, and neither scored nor learned."""

    def hidden(self) -> "Example":
        """The same example without its reference, and without slices, which may tell it: all that `ask` and `read` may see."""
        if type(self) is not Example:
            return replace(self, reference=None, slices=())
        # three times as fast, and asked for three times of each example
        return Example(id=self.id, inputs=self.inputs, cluster=self.cluster, prompted=self.prompted, undisclosed=self.undisclosed)

    def told(self, reference: Any, slices: tuple[str, ...]) -> "Example":
        """The same example with this reference and in these slices."""
        slices = same_slices(slices)
        if type(self) is not Example:
            return replace(self, reference=reference, slices=slices)
        return Example(  # three times as fast
            id=self.id, inputs=self.inputs, reference=reference, cluster=self.cluster, slices=slices, prompted=self.prompted,
            undisclosed=self.undisclosed,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """An answer in the reference's terms."""

    value: Any
    scores: Mapping[str, float] = field(default_factory=dict)
    """Named numbers that go with it: a confidence, a no-answer probability."""
    repeats: tuple["Prediction", ...] = ()
    """What each of several texts that were drawn for the question says; the value is that of most of them."""
    reasoning: str = ""
    """What the model thought before it wrote what was read."""
    unfinished: bool = False
    """The thinking did not end, so that there is no answer: whatever the value is, it counts as wrong."""

    def to_line(self) -> dict[str, Any]:
        """As JSON values: "prediction" and "scores", and what else there is of it."""
        line = {"prediction": self.value, "scores": dict(self.scores)}
        if self.reasoning:
            line["reasoning"] = self.reasoning
        if self.unfinished:
            line["unfinished"] = True
        if self.repeats:
            line["repeats"] = [one.to_line() for one in self.repeats]
        return line

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> "Prediction":
        """The inverse of `to_line`; whatever else stands in the line is no part of it."""
        return cls(
            value=line["prediction"], scores=line["scores"], repeats=tuple(map(cls.from_line, line.get("repeats", ()))),
            reasoning=line.get("reasoning", ""), unfinished=line.get("unfinished", False),
        )  # fmt: skip


def fingerprint(examples: Iterable[Example]) -> str:
    """A hash of ids, inputs that are no prompts, references and clusters in their order. 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for e in examples:
        line = _text([e.id, None if e.prompted else e.inputs, e.reference, e.cluster])
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
