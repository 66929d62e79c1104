"""Tasks whose answer is one of some: a label, or one of the choices that each example brings."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast

from ..data import Dataset
from ..errors import DataError, InputError
from ..examples import Example, Prediction
from ..languages import is_spaced
from ..reading import by_choice, by_label, first_line, named, sure_choice, sure_label
from ..requests import Answer, ChooseAnswer, Classify, ClassifyAnswer, GenerateAnswer, Request
from .base import DeclaredTask
from .templates import fill


class OneOfSome(DeclaredTask):
    """What the two have in common: the candidates and the words that stand for them."""

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: as of `by_label` and `by_choice`; None where a generated text names no candidate"""
        candidates = self.candidates(example.inputs)
        if isinstance(answer, ClassifyAnswer):
            return by_label(self.labels, answer)
        if isinstance(answer, ChooseAnswer):
            return by_choice(list(candidates), answer)
        assert isinstance(answer, GenerateAnswer)
        word = named(first_line(answer.text), candidates.values())
        return Prediction(value=next((value for value, of in candidates.items() if of == word), None))

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, Classify):
            return sure_label(request.labels, [example.reference])
        word = self.candidates(example.inputs)[example.reference]
        return GenerateAnswer(text=word) if request.kind() == "Generate" else sure_choice(getattr(request, "choices", ()), [word])

    def told(self, example: Example, request: Request) -> str:
        return self.candidates(example.inputs)[example.reference]

    def show(self, example: Example, prediction: Prediction) -> str:
        return prediction.value or ""


class Labelled(OneOfSome):
    """Which label? The reference is its name."""

    form_type: ClassVar[str] = "text-classification"

    def bind(self, data: Dataset) -> DeclaredTask:
        """raises: DataError if the file tells no labels and the data has fewer than two"""
        if self.labels:
            return self
        found = {example.reference for split in data.splits for example in data[split]}
        if len(found) < 2:
            raise DataError(data.name, "at least two labels", ", ".join(map(repr, found)))
        return self.labelled(sorted(found))

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> str:
        """A label by its name, its word or its number."""
        text = str(cell).strip()
        words = {word: label for label, word in self.candidates({}).items()}
        if not text or isinstance(cell, (list, dict)) or cell is None:
            raise DataError(where, "one label", f"{cell!r:.60}")
        if text in self.labels or not self.labels:
            return text
        if text in words:
            return words[text]
        if text.isascii() and text.isdigit() and int(text) < len(self.labels):
            return self.labels[int(text)]
        raise DataError(where, f"one of the labels {', '.join(self.labels)}", repr(cell))

    def candidates(self, inputs: Mapping[str, Any]) -> Mapping[str, str]:
        said = self.declared.labels
        return {label: said.get(label, label) if isinstance(said, Mapping) else label for label in self.labels}

    def all_words(self) -> str:
        return (", " if is_spaced(self.language) else "、").join(self.candidates({}).values())

    def slices(self, reference: Any) -> Iterable[str]:
        return [f"label={reference}"]

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """raises: InputError if the labels are not known"""
        if not self.labels:
            raise InputError(f"the labels of {self.name!r} are not known", "name data that has them with --data PATH")
        return super().posed(inputs, kind)


class Choices(OneOfSome):
    """Which of the example's choices? The reference is its text."""

    form_type: ClassVar[str] = "multiple-choice"

    def candidates(self, inputs: Mapping[str, Any]) -> Mapping[str, str]:
        return {choice: choice for choice in self._choices(inputs)}

    def _choices(self, inputs: Mapping[str, Any]) -> list[str]:
        said = cast(Any, self.declared.Choose).choices
        return list(inputs[said]) if isinstance(said, str) else [fill(one, inputs) for one in said]

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> str:
        """A choice by its text, its number from 0, or its letter."""
        choices, text = self._choices(inputs), str(cell).strip()
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise DataError(where, "at least two choices, all different", f"{choices!r:.80}")
        if text in choices:
            return text
        place = int(text) if text.isascii() and text.isdigit() else ord(text) - ord("A") if len(text) == 1 else -1
        if 0 <= place < len(choices):
            return choices[place]
        raise DataError(where, f"one of {len(choices)} choices, by its text, its number from 0 or its letter", f"{cell!r:.60}")
