"""Tasks whose answer is one of some: a label, or one of the choices that each example brings."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

from ..data import Cell, Dataset, is_spaced, labels_found, labels_named, predicted, settle, warn_flaws
from ..errors import DataError, InputError
from ..examples import Example, Prediction
from ..reading import by_choice, by_label, first_line, named, sure_choice, sure_label
from ..requests import Answer, Choose, ChooseAnswer, Classify, ClassifyAnswer, GenerateAnswer, Request
from .base import DeclaredTask
from .file import fill


class OneOfSome(DeclaredTask):
    """What the two have in common: the candidates and the words that stand for them."""

    version: ClassVar[int] = 2
    """2: of a generated text, a number names a candidate as a whole."""
    told_by: ClassVar[Sequence[str]] = ("reference", "reference_is")

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: as of `by_label` and `by_choice`; None where a generated text names no candidate"""
        candidates = self.candidates(example.inputs)
        if isinstance(answer, ClassifyAnswer):
            return by_label(self.labels, answer)
        if isinstance(answer, ChooseAnswer):
            return by_choice([value for value, _ in candidates], answer)
        assert isinstance(answer, GenerateAnswer)
        word = named(first_line(answer.text), [word for _, word in candidates])
        return Prediction(value=next((value for value, of in candidates if of == word), None))

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, Classify):
            return sure_label(request.labels, [example.reference])
        word = next(word for value, word in self.candidates(example.inputs) if value == example.reference)
        return sure_choice(request.choices, [word]) if isinstance(request, Choose) else GenerateAnswer(text=word)

    def show(self, example: Example, prediction: Prediction) -> str:
        return prediction.value or ""

    def together(self, data: Dataset, said: str) -> Dataset:
        """raises: InputError if there is no such way to tell it"""
        return settle(data, "reference", said, self._settled)

    def _settled(self, example: Example, positions: Sequence[int]) -> Example:
        reference = example.reference.candidates[positions[0]]
        return replace(example, reference=reference, slices=(*example.slices, *self.slices(reference)))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """By text, letter or number, as references; what is none of the candidates stays, and is counted.

        raises: DataError with the line; DataError if none is in the file
        """
        found = super().read_predictions(path, examples)
        inputs = {e.id: e.inputs for e in examples}
        asked = {id_: p for id_, p in found.items() if id_ in inputs and p.value is not None}
        cells = {id_: self._told(f"{path}: {id_}", p.value, inputs[id_]) for id_, p in asked.items()}
        places = dict(zip(cells, predicted(path, list(cells.values())), strict=True))
        meant = {id_: str(cells[id_].value) if at is None else cells[id_].candidates[at] for id_, at in places.items()}
        read = {id_: replace(p, value=meant[id_]) if id_ in meant else p for id_, p in found.items()}
        outside = [cells[id_].value for id_, at in places.items() if at is None]
        if outside and len(outside) == len(found):
            raise DataError(str(path), f"predictions of {self.name}", f"none that is a candidate, but {outside[0]!r:.60}")
        warn_flaws(str(path), len(outside), f"of {len(found)} predictions name no candidate of {self.name}; they count as wrong")
        return read

    def _told(self, where: str, value: Any, inputs: Mapping[str, Any]) -> Cell:
        """What a prediction says, by the candidate's own words where it names it in others."""
        if isinstance(value, str):
            value = named(value, [word for _, word in self.candidates(inputs)]) or value
        return self.cell(where, value, inputs)

    @abstractmethod
    def cell(self, where: str, value: Any, inputs: Mapping[str, Any]) -> Cell:
        """A value that means one of the candidates."""


class Labels(OneOfSome):
    """Which label? The reference is its name."""

    hub_type = "text-classification"

    def __init__(
        self, name: str, *, text: str, reference: str, text_pair: str | None = None, instruction: str = "", **said: Any
    ) -> None:
        """Asked by `Classify`, and, where there is an instruction, by `Choose` and `Generate`.

        text, text_pair, instruction: templates, in which {labels} are the words of all labels
        reference: the column of the right label
        """
        shown = text if text_pair is None else f"{text}\n{text_pair}"
        prompted = {"text": shown, "instruction": instruction} if instruction else None
        written = {**prompted, "max_new_tokens": 16} if prompted else None
        tables = {"Classify": {"text": text, "text_pair": text_pair}, "Choose": prompted, "Generate": written}
        super().__init__(name, reference=reference, **{**tables, **said})

    def bind(self, data: Dataset) -> DeclaredTask:
        """raises: DataError if the file tells no labels and the data has fewer than two"""
        return self if self.labels else self.labelled(labels_found(data))

    def naming(self, path: Path, column: str) -> "DeclaredTask":
        """With the labels that a file `labels.txt` beside the data, or its schema, names."""
        return self if self.labels else self.labelled(labels_named(path, [column]))

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> str | Cell:
        """A label by its name, its word or its number."""
        if isinstance(cell, (list, dict)) or cell is None or not str(cell).strip():
            raise DataError(where, "one label", f"{cell!r:.60}")
        return self.cell(where, cell, inputs) if self.labels else " ".join(str(cell).split())

    def cell(self, where: str, value: Any, inputs: Mapping[str, Any]) -> Cell:
        words = {word: place for place, (_, word) in enumerate(self.candidates({}))}
        return Cell(where=where, value=value, candidates=self.labels, words=words)

    def candidates(self, inputs: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        said = self.declared.labels
        return [(label, said.get(label, label) if isinstance(said, Mapping) else label) for label in self.labels]

    def all_words(self) -> str:
        return (", " if is_spaced(self.language) else "、").join(word for _, word in self.candidates({}))

    def slices(self, reference: Any) -> Iterable[str]:
        return [f"label={reference}"] if isinstance(reference, str) else []

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """raises: InputError if the labels are not known"""
        if not self.labels:
            raise InputError(f"the labels of {self.name!r} are not known", "name data that has them with --data PATH")
        return super().posed(inputs, kind)


class Choices(OneOfSome):
    """Which of the example's choices? The reference is its text."""

    hub_type = "multiple-choice"

    def __init__(
        self, name: str, *, text: str, reference: str, choices: str | Sequence[str], instruction: str = "", **said: Any
    ) -> None:
        """Asked by `Choose`.

        text, instruction: templates
        reference: the column that tells the right choice, by its text, number or letter
        choices: the column with the list of them, or a template for each
        """
        tables = {"Choose": {"text": text, "instruction": instruction, "choices": choices}}
        super().__init__(name, reference=reference, **{**tables, **said})

    def candidates(self, inputs: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        said = cast(Any, self.declared.Choose).choices
        return [(c, c) for c in (inputs[said] if isinstance(said, str) else [fill(one, inputs) for one in said])]

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> Cell:
        """A choice by its text, its number or its letter."""
        found = self.cell(where, cell, inputs)
        if len(found.candidates) < 2 or not all(choice.strip() for choice in found.candidates):
            raise DataError(where, "at least two choices, none of them empty", f"{list(found.candidates)!r:.80}")
        return found

    def cell(self, where: str, value: Any, inputs: Mapping[str, Any]) -> Cell:
        return Cell(where=where, value=value, candidates=[choice for choice, _ in self.candidates(inputs)], choices=True)
