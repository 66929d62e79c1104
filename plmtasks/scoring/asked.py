"""What is asked about each example, and the answers read as predictions."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..data import Places
from ..errors import PlmtasksError
from ..examples import Example, Prediction
from ..requests import Answer, GenerateAnswer, Request
from ..task import Task
from .predictions import Predictions
from .repeats import apart, majority, repeated


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Examples, and what a model is asked about each of them."""

    examples: Sequence[Example]
    requests: Sequence[Request]
    """One for each example."""
    once: Sequence[Request] = ()
    """Where each request is several repeats of a question, each of which is read by itself: what is asked each time."""

    def drawn(self, repeats: int) -> "Asked":
        """The same questions, each of which is asked so many times.

        raises: InputError if one of them asks for no text
        """
        return Asked(examples=self.examples, requests=[repeated(r, repeats) for r in self.requests], once=self.requests)

    @property
    def keys(self) -> Sequence[str]:
        """The requests' keys, in their order."""
        return [request.key() for request in self.requests]

    @cached_property
    def each(self) -> Sequence[Request]:
        """What a model is asked: of several requests about one example each."""
        if all(request.each() == (request,) for request in self.requests):
            return self.requests
        return [one for request in self.requests for one in request.each()]

    def among(self, keys: Collection[str]) -> int:
        """Of how many examples a request is among those of these keys."""
        if not keys:
            return 0
        return sum(any(one.key() in keys for one in request.each()) for request in self.requests)

    def unfinished(self, answers: Mapping[str, Answer]) -> int:
        """Of how many examples there is a text before which the thinking did not end."""
        if not writes(self.each):
            return 0
        return self.among({key for key, a in answers.items() if isinstance(a, GenerateAnswer) and a.unfinished})

    def read_each(self, task: Task, answers: Mapping[str, Answer]) -> list[Prediction | None]:
        """A prediction for each example; None where there is no answer.

        answers: by request key
        """
        found: list[Prediction | None] = [None] * len(self.requests)
        for place, prediction in self._as_answered(task, answers):
            found[place] = prediction
        return found

    def _as_answered(self, task: Task, answers: Mapping[str, Answer]) -> Iterator[tuple[int, Prediction]]:
        """The places of examples with their predictions, in the order of the answers, none of which is held for long."""
        several = [place for place, request in enumerate(self.requests) if request.each() != (request,)]
        if len(several) < len(self.requests):
            for place, answer in Places(len(self.requests), lambda place: self.requests[place].key()).of(answers.items()):
                yield place, self._read(task, place, answer)
        parts = {one.key() for place in several for one in self.requests[place].each()}
        held = {key: answer for key, answer in answers.items() if key in parts} if parts else {}
        for place in several:
            request = self.requests[place]
            there = [held[key] for one in request.each() if (key := one.key()) in held]
            if len(there) == len(request.each()):
                yield place, self._read(task, place, request.joined(there))

    def _read(self, task: Task, place: int, answer: Answer) -> Prediction:
        hidden, request = self.examples[place].hidden(), self.requests[place]
        if not self.once:
            return _with_thinking(task.read(hidden, request, answer), request.apart(answer))
        each = apart(self.once[place], request.each(), request.apart(answer))
        return majority([_with_thinking(task.read(hidden, one, of), one.apart(of)) for one, of in each])

    def read(self, task: Task, answers: Mapping[str, Answer], skipped: frozenset[str]) -> Predictions:
        """The predictions for all examples that were not skipped, by the example's id.

        skipped: keys of requests that were left out by policy

        raises: PlmtasksError if an example has no answer
        """
        predictions = Predictions(self.examples)
        for place, prediction in self._as_answered(task, answers):
            predictions.put(place, prediction)
        if len(predictions) < len(self.examples):
            for example, request in zip(self.examples, self.requests, strict=True):
                if example.id not in predictions and not any(one.key() in skipped for one in request.each()):
                    raise PlmtasksError(f"example {example.id!r} was not answered")
        return predictions


def writes(requests: Iterable[Request]) -> bool:
    """Whether a model writes texts in answer to some of them: before these alone it may think."""
    kinds: set[type[Request]] = set(map(type, requests))
    return any(issubclass(kind.answer_type, GenerateAnswer) for kind in kinds)


def _with_thinking(prediction: Prediction, answers: Sequence[Answer]) -> Prediction:
    """The prediction with what the model thought before, and whether that did not end: before no text, where it wrote several."""
    texts = [answer for answer in answers if isinstance(answer, GenerateAnswer)]
    if not texts:
        return prediction
    thoughts = [answer.reasoning for answer in texts if answer.reasoning]
    unfinished = all(answer.unfinished for answer in texts)
    if not thoughts and not unfinished:
        return prediction
    return replace(prediction, reasoning="\n\n".join(thoughts), unfinished=unfinished)
