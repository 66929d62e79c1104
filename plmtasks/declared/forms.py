"""Tasks by what their answer is: a label, a choice that the example brings, a text, a part of one, or a likelihood."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Any, ClassVar, cast

from .. import reading, requests
from ..data import (
    Cell,
    Dataset,
    is_spaced,
    labels_found,
    labels_named,
    locate,
    predicted,
    read_answers,
    settle,
    warn_flaws,
)
from ..errors import DataError, InputError
from ..examples import Example, Prediction
from ..requests import Answer, Request
from .base import DeclaredTask
from .templates import fill

UNANSWERABLE = "unanswerable"
"""What is written where a context holds no answer."""


class OneOfSome(DeclaredTask):
    """What the two have in common: the candidates and the words that stand for them."""

    version: ClassVar[int] = 2
    """2: of a generated text, a number names a candidate as a whole."""
    told_by: ClassVar[Sequence[str]] = ("reference", "reference_is")

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: as of `by_label` and `by_choice`; None where a generated text names no candidate"""
        if isinstance(answer, requests.ClassifyAnswer):
            return reading.by_label(self.labels, answer)
        candidates = self.candidates(example.inputs)
        if isinstance(answer, requests.ChooseAnswer):
            return reading.by_choice([value for value, _ in candidates], answer)
        assert isinstance(answer, requests.GenerateAnswer)
        word = reading.named(reading.first_line(answer.text), [word for _, word in candidates])
        return Prediction(value=next((value for value, of in candidates if of == word), None))

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, requests.Classify):
            return reading.sure_label(request.labels, [example.reference])
        word = next(word for value, word in self.candidates(example.inputs) if value == example.reference)
        if isinstance(request, requests.Choose):
            return reading.sure_choice(request.choices, [word])
        return requests.GenerateAnswer(text=word)

    def show(self, example: Example, prediction: Prediction) -> str:
        return prediction.value or ""

    def together(self, data: Dataset, said: str) -> Dataset:
        """raises: InputError if there is no such way to tell it"""

        def finish(example: Example, positions: Sequence[int]) -> Example:
            reference = example.reference.candidates[positions[0]]
            return example.told(reference, (*example.slices, *self.slices(reference)))

        return settle(data, "reference", said, finish)

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """By text, letter or number, as references; what is none of the candidates stays, and is counted.

        raises: DataError with the line; DataError if none is in the file
        """
        found = super().read_predictions(path, examples)
        inputs, cells = {e.id: e.inputs for e in examples}, {}
        for id_, said in ((id_, p.value) for id_, p in found.items() if id_ in inputs and p.value is not None):
            words = [word for _, word in self.candidates(inputs[id_])]
            # by the candidate's own words where a text names it in others
            own = reading.named(said, words) if isinstance(said, str) else None
            cells[id_] = self.cell(f"{path}: {id_}", own or said, inputs[id_])
        places = dict(zip(cells, predicted(path, list(cells.values())), strict=True))
        meant = {id_: str(cells[id_].value) if at is None else cells[id_].candidates[at] for id_, at in places.items()}
        read = {id_: replace(p, value=meant[id_]) if id_ in meant else p for id_, p in found.items()}
        outside = [cells[id_].value for id_, at in places.items() if at is None]
        if outside and len(outside) == len(found):
            raise DataError(str(path), f"predictions of {self.name}", f"none that is a candidate, but {outside[0]!r:.60}")
        warn_flaws(str(path), len(outside), f"of {len(found)} predictions name no candidate of {self.name}; they count as wrong")
        return read

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
        task = copy(self) if self.labels else self.labelled(labels_named(path, [column]))
        task._worded = (), {}, {}
        return task

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> str | Cell:
        """A label by its name, its word or its number."""
        if isinstance(cell, (list, dict)) or cell is None or not str(cell).strip():
            raise DataError(where, "one label", f"{cell!r:.60}")
        if not self.labels:
            return " ".join(str(cell).split())
        known = self._known()[2]
        if (type(cell), cell) not in known:
            known[type(cell), cell] = self.cell(where, cell, inputs)
        return known[type(cell), cell]

    _worded: tuple[Sequence[str], Mapping[str, int], dict[tuple[type, Any], Cell]] = (), {}, {}
    """Labels, the places of the words that stand for them, and what rows said of them, where first: a million say one of few."""

    def cell(self, where: str, value: Any, inputs: Mapping[str, Any]) -> Cell:
        return Cell(where=where, value=value, candidates=self.labels, words=self._known()[1])

    def _known(self) -> tuple[Sequence[str], Mapping[str, int], dict[tuple[type, Any], Cell]]:
        """As `_worded`, of these labels."""
        if self._worded[0] is not self.labels:
            self._worded = self.labels, {word: place for place, (_, word) in enumerate(self.candidates({}))}, {}
        return self._worded

    def candidates(self, inputs: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        said = self.declared.labels
        return [(label, said.get(label, label) if isinstance(said, Mapping) else label) for label in self.labels]

    def all_words(self) -> str:
        return (", " if is_spaced(self.language) else "、").join(word for _, word in self.candidates({}))

    def slices(self, reference: Any) -> Iterable[str]:
        return [intern(f"label={reference}")] if isinstance(reference, str) else []  # one text for a million examples

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """raises: InputError if the labels are not known"""
        if not self.labels:
            raise InputError(f"the labels of {self.name!r} are not known", "name data that has them with --data PATH")
        return super().posed(inputs, kind)


class Choices(OneOfSome):
    """Which of the example's choices? The reference is its text."""

    hub_type = "multiple-choice"

    def __init__(
        self, name: str, *, text: str, reference: str | Mapping[str, str], choices: str | Sequence[str], instruction: str = "",
        **said: Any,
    ) -> None:  # fmt: skip
        """Asked by `Choose`.

        text, instruction: templates
        reference: the column that tells the right choice, by its text, number or letter
        choices: the column with the list of them, or a template for each
        """
        table = {"text": text, "instruction": instruction, "choices": choices}
        super().__init__(name, reference=reference, **{"Choose": table, **said})

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


class Texts(DeclaredTask):
    """What comes next, or what does it say in another way? The reference is a list of texts, or several under names."""

    hub_type = "text-generation"

    def __init__(
        self, name: str, *, text: str, reference: str | Mapping[str, str], instruction: str = "", max_new_tokens: int = 64,
        **said: Any,
    ) -> None:  # fmt: skip
        """Asked by `Generate`.

        text, instruction: templates
        reference: the column of what is right, a text or a list of them; or such columns by the names that a metric wants
        """
        table = {"text": text, "instruction": instruction, "max_new_tokens": max_new_tokens}
        super().__init__(name, reference=reference, **{"Generate": table, **said})

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> Any:
        if isinstance(cell, Mapping):
            return {name: self._texts(where, value) for name, value in cell.items()}
        return self._texts(where, cell)

    def _texts(self, where: str, cell: Any) -> list[Any]:
        texts = [t.strip() if isinstance(t, str) else t for t in (cell if isinstance(cell, (list, tuple)) else [cell])]
        if any(isinstance(text, (dict, list, tuple)) or text is None for text in texts):
            raise DataError(where, "a text, or a list of them", f"{cell!r:.60}")
        stop = next((s for s in cast(Any, self.declared.Generate).stop if texts and s in str(texts[0])), None)
        if stop is not None:
            raise DataError(where, f"a text without {stop!r}, at which [Generate] stops", f"{texts[0]!r:.60}", 'set stop = ["…"]')
        return texts

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, requests.GenerateAnswer)
        return Prediction(value=answer.text.strip())

    def solve(self, example: Example, request: Request) -> Answer:
        """The first text, up to where the request has it stop."""
        found = example.reference if isinstance(example.reference, list) else next(iter(example.reference.values()))
        return requests.GenerateAnswer(text=str(found[0]))


class Spans(DeclaredTask):
    """Which part of the context answers? The reference is the answers' "text" and their "answer_start" in it."""

    hub_type = "question-answering"

    def __init__(
        self, name: str, *, question: str, context: str, reference: str | Mapping[str, str], may_abstain: bool = False,
        instruction: str = "", **said: Any,
    ) -> None:  # fmt: skip
        """Asked by `ExtractSpan`, and, where there is an instruction, by `Generate`.

        question: a template
        context: the column of the text
        reference: the column of the answers, or {"text": …, "answer_start": …} for two
        """
        span = {"question": question, "context": context, "may_abstain": may_abstain}
        written = {"text": f"{{{context}}}\n\nQuestion: {question}", "instruction": instruction} if instruction else None
        tables = {"ExtractSpan": span, "Generate": written}
        super().__init__(name, reference=reference, **{**tables, **said})

    @property
    def may_abstain(self) -> bool:
        """Whether a question may have no answer: metrics ask for it."""
        return self.declared.ExtractSpan is not None and self.declared.ExtractSpan.may_abstain

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Texts alone stand where they first occur in the context."""
        name = cast(Any, self.declared.ExtractSpan).context
        texts, said = read_answers(where, cell)
        if not texts and not self.may_abstain:
            raise DataError(where, "an answer, or may_abstain = true in [ExtractSpan]", f"{cell!r:.60}")
        starts = [locate(inputs[name], text, start) for text, start in zip(texts, said, strict=True)]
        for text, start, place in zip(texts, said, starts, strict=True):
            if place is None or start not in (None, place):
                raise DataError(where, f"answers that stand in {name!r} where they should", f"{text!r:.60} at {start!r}")
        return {"text": texts, "answer_start": starts}

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The answer's text, "" for none.

        scores: of a span its probability "confidence" and, where the task may abstain, "no_answer", against the best span's
        """
        if isinstance(answer, requests.GenerateAnswer):
            text = answer.text.strip()
            return Prediction(value="" if self.may_abstain and text.strip(" .").lower() == UNANSWERABLE else text)
        assert isinstance(answer, requests.ExtractSpanAnswer)
        best = answer.spans[0] if answer.spans else requests.Span(start=0, end=0)
        text = cast(requests.ExtractSpan, request).context[best.start : best.end]
        if not self.may_abstain:
            return Prediction(value=text, scores={"confidence": best.score})
        both = answer.no_answer + best.score
        none = answer.no_answer / both if both > 0 else float(not answer.spans)
        return Prediction(value="" if none > 0.5 else text, scores={"confidence": max(none, 1 - none), "no_answer": none})

    def solve(self, example: Example, request: Request) -> Answer:
        texts, starts = example.reference["text"], example.reference["answer_start"]
        if not isinstance(request, requests.ExtractSpan):
            return requests.GenerateAnswer(text=texts[0] if texts else UNANSWERABLE)
        spans = tuple(requests.Span(start=s, end=s + len(t), score=1.0) for t, s in zip(texts[:1], starts, strict=False))
        return requests.ExtractSpanAnswer(spans=spans, no_answer=0.0 if spans else 1.0)

    def show(self, example: Example, prediction: Prediction) -> str:
        return prediction.value or UNANSWERABLE


class Likelihoods(DeclaredTask):
    """How likely is a text? There is no reference: the text itself is what is predicted."""

    hub_type = "text-generation"

    def __init__(self, name: str, *, text: str, context: str = "", **said: Any) -> None:
        """Asked by `LogLikelihood`.

        text, context: templates; what is scored, and what stands before it
        """
        super().__init__(name, **{"LogLikelihood": {"text": text, "context": context}, **said})

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> None:
        return None

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        return reading.by_likelihood(cast(requests.LogLikelihoodAnswer, answer))

    def solve(self, example: Example, request: Request) -> Answer:
        return reading.sure_text(cast(requests.LogLikelihood, request).text)
