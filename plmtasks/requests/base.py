"""What all requests and answers have in common, and a question in words."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from .forms import LATER, as_line, strings, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model gives back for one request."""

    def texts(self) -> Iterator[str]:
        """What was written in it, for learning a tokenizer; labels and numbers are not."""
        return iter(())


class _Keyed:
    """What has a place for its key: no field, for it is no part of what is asked, and no dictionary for each of a million."""

    __slots__ = ("_key",)
    _key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request(_Keyed):
    """One question to a model.

    A kind of request tells here what the core goes by: nothing looks for fields of certain names.
    """

    answer_type: ClassVar[type[Answer]]
    zero_shot: ClassVar[bool] = False
    """Whether a model that learned nothing but language can answer it: a run without training is zero-shot then."""
    learned_by: ClassVar[tuple[str, ...]] = ()
    """The families that answer it with a head of its own nevertheless, which learns from solved answers alone."""
    strided: ClassVar[bool] = False
    """Whether a text over the model's limit is read in windows that move on by the setting `stride`."""

    @classmethod
    def kind(cls) -> str:
        """The name by which tasks and models list this request."""
        return cls.__name__

    @classmethod
    def zero_shot_for(cls, family: str) -> bool:
        """Whether a model of that family that learned nothing but language can answer it."""
        return cls.zero_shot and family not in cls.learned_by

    def key(self) -> str:
        """A hash of all that is asked: equal requests have equal keys. 32 hexadecimal digits."""
        try:
            return self._key
        except AttributeError:
            object.__setattr__(self, "_key", self._hashed())
            return self._key

    def _hashed(self) -> str:
        each = self.each()
        asked = as_line(self) if each == (self,) else as_line([request.key() for request in each])
        return hashlib.sha256(f"[{as_line(self.kind())}, {asked}]".encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def seed(self, of: int) -> int:
        """What draws the answer to it, whatever else is asked: 63 bits that follow from what it asks, and from the run's seed.

        of: the run's seed
        """
        return int.from_bytes(hashlib.sha256(json.dumps([of, self.key()]).encode()).digest()[:8], "big") >> 1

    def texts(self) -> Iterator[str]:
        """Every text in the request, for learning a tokenizer."""
        yield from strings(to_json(self))

    def label_set(self) -> tuple[str, ...] | None:
        """The labels of which the answer gives some, as a head has them; empty if nobody knows them yet; None: it needs none."""
        return None

    def labels_in(self, answer: Any) -> Sequence[str]:
        """Those of its labels that a solved answer gives, each as often as it does: a rare one may weigh more in training."""
        return ()

    def most_tokens(self) -> int | None:
        """The most tokens that a model may write in answer to it; None: it writes none, and no setting of generation matters."""
        return None

    def likelihoods(self, answer: Any) -> Iterator[tuple[str, int]]:
        """Each text of which the answer holds a likelihood, and of how many tokens: one of none would be a fault of the model."""
        return iter(())

    def each(self) -> "tuple[Request, ...]":
        """What a model is asked: the request itself, or those of `Several`."""
        return (self,)

    def joined(self, answers: Sequence[Answer]) -> Answer:
        """Its answer, from those to each of these."""
        [answer] = answers
        return answer

    def apart(self, answer: Any) -> tuple[Answer, ...]:
        """The inverse of `joined`."""
        return (answer,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A solved example placed before the question."""

    text: str
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What one side of a chat says."""

    role: str
    """system, user or assistant"""
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted(Request):
    """A question in words, before which solved examples can stand. How all of it becomes a prompt is the model's business."""

    zero_shot = True
    instruction: str = ""
    shots: tuple[Shot, ...] = ()
    text: str
    exact: bool = field(default=False, metadata=LATER)
    """The text is the whole prompt, letter for letter, and what follows it is joined to it with nothing between, whatever the
    setting `prompt` says; it becomes tokens as lm-eval's HFLM makes them, and what is over the limit is cut at its left."""
    turns: tuple[Turn, ...] = field(default=(), metadata=LATER)
    """Of an exact prompt: the turns of a chat, in place of the text, for the model's template; an assistant's last one is gone on
    with."""
    taught: str = field(default="", metadata=LATER)
    """The whole prompt as the multi-task mixture of T5's pretraining has it, which a model that learned from it is asked by."""

    def with_shots(self, shots: tuple[Shot, ...]) -> Self:
        """The same question behind these solved examples, and no others."""
        return dataclasses.replace(self, shots=shots)

    def as_shot(self, answer: Answer) -> Shot:
        """The question with its solved answer, as it stands before another."""
        return Shot(text=self.text, answer=self.answered(answer))

    def answered(self, answer: Any) -> str:
        """A solved answer as the text that would follow the question; by default what was written in it."""
        return "".join(answer.texts())

    def aim(self) -> str:
        """One word for what is wanted, where models were taught one: "summarize"."""
        return ""
