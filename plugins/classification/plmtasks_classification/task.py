"""Text classification: one label or several, of one text or a pair."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from plmtasks.config import Source
from plmtasks.data import Dataset, HubData, labels_found, open_dataset
from plmtasks.declared import fill
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import by_choice, by_label, sure_choice, sure_label
from plmtasks.requests import Answer, Choose, ChooseAnswer, Classify, ClassifyAnswer, Generate, GenerateAnswer, Request
from plmtasks.task import HubTask, Rewritable

from . import predictions
from .data import COLUMN_NAMES, Format, from_hub, sample

NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
"""A label that may be a number of somebody's regression."""

MULTI_LABEL: Mapping[str, Any] = {
    "multi_label": True,
    "asks": ("Classify", "Generate"),
    "metrics": ("f1", "multi_label", "accuracy"),
}
"""What is different where any number of labels may hold."""


@dataclass(frozen=True, kw_only=True)
class Classification(Rewritable, HubTask):
    """Which label has a text, or which labels."""

    version: ClassVar[int] = 2
    """2: of a generated text, a number names a label as a whole."""
    name: str
    description: str
    form: Format
    """How files are read."""
    instruction: str
    """For models that are prompted; `{labels}` stands for the label words."""
    labels: tuple[str, ...] = ()
    language: str = "en"
    hub: HubData | None = None
    built_in: bool = False
    """Whether the examples are made here."""
    multi_label: bool = False
    fields: Sequence[str] = ("text",)
    more_fields: Sequence[str] = ()
    texts: Sequence[str] = ("text", "text_pair")
    people: Sequence[str] = ("text", "text_pair")
    asks: Sequence[str] = ("Classify", "Choose", "Generate")
    hub_type: str = "text-classification"
    metrics: Sequence[str] = ("accuracy", "f1", "matthews", "accuracy_norm")
    aliases: Sequence[str] = ()
    needs_data: bool = False
    collection: str = ""
    main: str = ""
    taught: str = ""
    """The whole prompt as T5 was taught it, with {text} and {text_pair}; its answers are the labels then."""

    def load(self, source: Source) -> Dataset:
        form = replace(self.form, language=self.language)
        own = sample() if self.built_in else from_hub(self.hub, form) if self.hub else None
        form = form.with_columns(source.columns)
        return form.settled(open_dataset(source, form.read, name=self.name, own=own))

    def bind(self, data: Dataset) -> "Classification":
        """raises: DataError if labels are to be found in the data, and it mixes one with several or has fewer than two"""
        if self.labels:
            return self
        references = [e.reference for split in data.splits for e in data[split]]
        several = [isinstance(r, list) for r in references]
        if any(several) and not all(several):
            raise DataError(data.name, "one label everywhere, or a list of labels everywhere", "both")
        labels = labels_found(data)
        if len(labels) > 100 and 2 * len(labels) > len(references):
            raise DataError(
                data.name, "labels that recur", f"{len(labels)} different ones in {len(references)} examples",
                "say which column has them with --columns label=COLUMN",
                *(["are they numbers to be predicted? --task regression/custom"] if all(map(NUMBER.fullmatch, labels)) else []),
            )  # fmt: skip
        return replace(self, labels=tuple(labels), **(MULTI_LABEL if several[0] else {}))

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """raises: InputError if the row is no question of this task"""
        pair = row.get("text_pair")
        if pair is not None and not isinstance(pair, str):
            raise InputError(f"{self.name}: text_pair is a text, not {pair!r}")
        return super().pose(row, id)

    def column_names(self, field: str) -> Sequence[str]:
        return COLUMN_NAMES.get(field, (field,))

    def show(self, example: Example, prediction: Prediction) -> str:
        """The label, or the labels; nothing where a generated text names none."""
        value = prediction.value
        return predictions.write_labels(value, self) if isinstance(value, list) else value or ""

    def ask(self, example: Example, kind: str) -> Request:
        """raises: InputError if the labels are not known"""
        if not self.labels:
            raise InputError(f"the labels of {self.name!r} are not known", "name data that has them with --data PATH")
        text, pair = example.inputs["text"], example.inputs.get("text_pair")
        if kind == "Classify":
            return Classify(text=text, text_pair=pair, labels=self.labels, multi_label=self.multi_label)
        shown = text if pair is None else f"Sentence 1: {text}\nSentence 2: {pair}"
        instruction = self.instruction.replace("{labels}", ("、" if self.language == "zh" else ", ").join(self.labels))
        taught = fill(self.taught, example.inputs)
        if kind == "Choose" and not self.multi_label:
            return Choose(instruction=instruction, text=shown, choices=self.labels, taught=taught)
        if kind == "Generate":
            most = 64 if self.multi_label else 16
            return Generate(instruction=instruction, text=shown, max_new_tokens=most, stop=("\n",), taught=taught)
        raise InputError(f"task {self.name!r} cannot be asked by {kind}", f"it can be by: {', '.join(self.asks)}")

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        if isinstance(answer, ClassifyAnswer):
            return self._several(answer) if self.multi_label else by_label(self.labels, answer)
        if isinstance(answer, ChooseAnswer):
            return by_choice(self.labels, answer)
        if isinstance(answer, GenerateAnswer):
            return Prediction(value=predictions.read_label(answer.text, self))
        raise InputError(f"task {self.name!r} cannot read a {type(answer).__name__}")

    def _several(self, answer: ClassifyAnswer) -> Prediction:
        chances = dict(zip(self.labels, answer.scores, strict=True))
        held = sorted(label for label, probability in chances.items() if probability >= 0.5)
        return Prediction(value=held, scores={f"probability[{label}]": value for label, value in chances.items()})

    def solve(self, example: Example, request: Request) -> Answer:
        right = example.reference if self.multi_label else [example.reference]
        if isinstance(request, Classify):
            return sure_label(request.labels, right)
        if isinstance(request, Choose):
            return sure_choice(request.choices, right)
        return GenerateAnswer(text=predictions.write_labels(right, self))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Also GLUE's tab-separated `index` and `prediction`; labels by word, number or code.

        raises: DataError with the line
        """
        return predictions.read_file(path, examples, self)
