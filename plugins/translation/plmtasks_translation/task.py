"""Translation as a task: a text in one language, the same in another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plmtasks.config import Source
from plmtasks.data import SPLIT_FILES, Dataset, holds_objects, language_name, open_dataset, texts_only
from plmtasks.errors import InputError
from plmtasks.examples import Example, Prediction
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request
from plmtasks.task import Dependent, HubTask, Rewritable

from .data import COLUMN_NAMES, Form
from .files import patterns

SHORTEST, LONGEST = 64, 512
"""Tokens that a translation may have at least and at most; a power of two between them, so that most requests share a batch."""


@dataclass(frozen=True, kw_only=True)
class Translation(Rewritable, Dependent, HubTask):
    """What a text says, said in another language.

    inputs: "source"
    reference: the translations, a list
    """

    name: str
    description: str
    source: str
    """ISO 639-1 code of the language that is translated from."""
    target: str
    own: Callable[[Form], Dataset] | None = None
    """Its own data; None: it has none."""
    references: int = 0
    """How many each example has, once the data is known; 0: not the same number everywhere."""
    asks: Sequence[str] = ("Generate",)
    metrics: Sequence[str]
    fields: Sequence[str] = ("source",)
    texts: Sequence[str] = ("source",)
    hub_type: str = "translation"
    aliases: Sequence[str] = ()
    needs_data: bool = False

    @property
    def language(self) -> str:  # type: ignore[override]
        return self.target

    def load(self, source: Source) -> Dataset:
        if unknown := next((name for name in source.columns if name not in COLUMN_NAMES), None):
            raise InputError(f"{self.name} has no field {unknown!r}", f"--columns takes {', '.join(COLUMN_NAMES)}")
        form = Form(source=self.source, target=self.target)
        return open_dataset(
            source, replace(form, columns=source.columns).read, name=self.name,
            own=self.own(replace(form, flawed=True)) if self.own else None,
            patterns=lambda path: patterns(path, self.source) if path.is_dir() else SPLIT_FILES,
        )  # fmt: skip

    def bind(self, data: Dataset) -> "Translation":
        evaluated = [split for split in data.splits if split != "train"] or data.splits
        counts = {len(example.reference) for split in evaluated for example in data[split]}
        return replace(self, references=counts.pop() if len(counts) == 1 else 0)

    def ask(self, example: Example, kind: str) -> Request:
        text = example.inputs["source"]
        size = max(SHORTEST, min(LONGEST, len(text.encode("utf-8", "surrogatepass"))))
        return Generate(
            instruction=f"Translate this text from {language_name(self.source)} to {language_name(self.target)}.",
            text=text, source_language=self.source, target_language=self.target,
            max_new_tokens=1 << (size - 1).bit_length(), stop=() if "\n" in text else ("\n",),
        )  # fmt: skip

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, GenerateAnswer)
        return Prediction(value=answer.text.strip())

    def solve(self, example: Example, request: Request) -> Answer:
        """The first reference."""
        return GenerateAnswer(text=example.reference[0])

    def column_names(self, field: str) -> Sequence[str]:
        return (*COLUMN_NAMES.get(field, (field,)), *([self.source] if field == "source" else []))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """A translation a line in the order of the examples (an empty line is an empty translation), or JSON lines or a table
        with "id" and "prediction"; plain or gzip.

        raises: DataError with the line
        """
        return texts_only(path, super().read_predictions(path, examples), "a translation")

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """A translation a line, which cannot hold a line feed; JSON lines where the name says so."""
        if holds_objects(Path(name), ()):
            return super().write_predictions(name, examples, predictions)
        return {name: "".join(f"{predictions[e.id].value}\n" for e in examples)}

    def as_run(self, facts: Mapping[str, Any]) -> "Translation":
        references = facts.get("references", self.references)
        return self if references == self.references else replace(self, references=references)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "source": self.source, "references": self.references}
