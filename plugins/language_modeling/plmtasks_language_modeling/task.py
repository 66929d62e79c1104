"""Tasks of language modelling: how likely a text is, its last word, how a text goes on."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from plmtasks.config import Source
from plmtasks.data import SPLIT_SIZES, Dataset, HubData, hub_dataset, open_dataset, texts_only
from plmtasks.errors import DataError, InputError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import by_likelihood, sure_text
from plmtasks.requests import Answer, Generate, GenerateAnswer, LogLikelihood, LogLikelihoodAnswer, Request
from plmtasks.task import HubTask, Rewritable

from . import data
from .data import split_last_word


@dataclass(frozen=True, kw_only=True)
class TextTask(HubTask):
    """A task whose inputs are one "text"."""

    name: str
    description: str
    hub: HubData | None = None
    """Its own data; None: it has none."""
    hub_type: str = "text-generation"
    aliases: Sequence[str] = ()
    needs_data: bool = False
    fields: Sequence[str] = ("text",)

    known_columns: ClassVar[Sequence[str]] = ("id", "text")

    def load(self, source: Source) -> Dataset:
        unknown = next((name for name in source.columns if name not in self.known_columns), None)
        if unknown is not None:
            raise InputError(f"{self.name} has no field {unknown!r}", f"--columns takes {', '.join(self.known_columns)}")
        found = open_dataset(source, partial(self.read_file, columns=source.columns), name=self.name, own=self.own())
        readers = {split: partial(self.arranged, split, reader) for split, reader in found.readers.items()}
        return replace(found, readers=readers)

    def own(self) -> Dataset | None:
        """Its own data set."""
        return None if self.hub is None else hub_dataset(self.hub, self.read_rows)

    @abstractmethod
    def read_file(self, path: Path, columns: Mapping[str, str]) -> Iterable[Example]:
        """raises: DataError"""

    @abstractmethod
    def read_rows(self, rows: data.Rows) -> Iterable[Example]:
        """The examples of the task's own data set on the hub."""

    def arranged(self, split: str, reader: Callable[[], Iterable[Example]]) -> Iterable[Example]:
        """The examples of a split as they are to be asked."""
        return reader()


class TextPredictions(HubTask):
    """A task whose predictions are words or texts."""

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """A text a line, or JSON lines or a table with "id" and "prediction".

        raises: DataError
        """
        return texts_only(path, super().read_predictions(path, examples))


@dataclass(frozen=True, kw_only=True)
class LanguageModeling(TextTask):
    """How likely documents are. There is no reference: the text itself is what is predicted, token by token.

    Whole documents are scored; those of the train split are cut into blocks.
    """

    asks: Sequence[str] = ("LogLikelihood",)
    metrics: Sequence[str] = ("perplexity",)
    file_reader: Callable[[Path, Mapping[str, str]], Iterable[Example]] = data.read_documents
    row_reader: Callable[[data.Rows, Mapping[str, str]], Iterable[Example]] = data.documents

    def read_file(self, path: Path, columns: Mapping[str, str]) -> Iterable[Example]:
        return self.file_reader(path, columns)

    def read_rows(self, rows: data.Rows) -> Iterable[Example]:
        return self.row_reader(rows, {})

    def arranged(self, split: str, reader: Callable[[], Iterable[Example]]) -> Iterable[Example]:
        return [block for example in reader() for block in data.blocks(example)] if split == "train" else reader()

    def ask(self, example: Example, kind: str) -> Request:
        return LogLikelihood(text=example.inputs["text"])

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The log-likelihood; scores: "tokens", "words", "bytes", "likeliest" and "pseudo", 1 for a pseudo-likelihood."""
        assert isinstance(answer, LogLikelihoodAnswer)
        return by_likelihood(answer)

    def solve(self, example: Example, request: Request) -> Answer:
        assert isinstance(request, LogLikelihood)
        return sure_text(request.text)

    def show(self, example: Example, prediction: Prediction) -> str:
        counts = prediction.scores
        bits = -prediction.value / math.log(2) / max(counts["bytes"], 1)
        said = f"{'pseudo-' * bool(counts['pseudo'])}perplexity {_perplexity(prediction.value, counts['tokens'])} a token"
        return f"{said}, {_perplexity(prediction.value, counts['words'])} a word, {bits:.3f} bits a byte"

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """JSON lines with "id", "prediction", the log-likelihood, and "scores", which has at least "tokens".

        raises: DataError
        """
        found = dict(super().read_predictions(path, examples))
        texts = {e.id: e.inputs["text"] for e in examples}
        for id_, prediction in found.items():
            value, scores = prediction.value, prediction.scores
            if not isinstance(value, int | float) or not scores.get("tokens", 0) > 0:
                raise DataError(
                    f"{path}: {id_}", 'a log-likelihood and its tokens: {"id": …, "prediction": -12.3, "scores": {"tokens": 4}}',
                    f"{value!r} with {dict(scores)}",
                )  # fmt: skip
            text = texts.get(id_, "")
            own = {"words": len(text.split()), "bytes": len(text.encode()), "pseudo": 0.0}
            found[id_] = replace(prediction, scores={**own, **scores})
        return found


@dataclass(frozen=True, kw_only=True)
class LastWord(TextPredictions, TextTask):
    """The last word of a passage, after all that comes before.

    reference: the word. A prediction is the word where the model finds each of its tokens the likeliest, as it would write it;
    where not, it is empty, for another word comes before it.
    """

    asks: Sequence[str] = ("LogLikelihood",)
    metrics: Sequence[str] = ("last_word",)
    built_in: bool = False
    """Its own data are the built-in samples."""

    def own(self) -> Dataset | None:
        if not self.built_in:
            return super().own()
        return Dataset(name=self.name, readers={split: partial(data.sample, split) for split in SPLIT_SIZES}, published=True)

    def read_file(self, path: Path, columns: Mapping[str, str]) -> Iterable[Example]:
        return data.read_passages(path, columns)

    def read_rows(self, rows: data.Rows) -> Iterable[Example]:
        return data.passages(rows, {})

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        posed = super().pose(row, id)
        if not split_last_word(posed.inputs["text"])[0].strip():
            raise InputError(f"{self.name} is asked with a text of at least two words, not {posed.inputs['text']!r}")
        return posed

    def ask(self, example: Example, kind: str) -> Request:
        before, word = split_last_word(example.inputs["text"])
        return LogLikelihood(text=word, context=before)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: "log_likelihood" of the word, and "pseudo", 1 for a pseudo-likelihood"""
        assert isinstance(request, LogLikelihood)
        assert isinstance(answer, LogLikelihoodAnswer)
        right = answer.likeliest == answer.tokens > 0
        scores = {"log_likelihood": answer.log_likelihood, "pseudo": float(answer.pseudo)}
        return Prediction(value=request.text.strip() if right else "", scores=scores)

    def solve(self, example: Example, request: Request) -> Answer:
        assert isinstance(request, LogLikelihood)
        return sure_text(request.text)

    def show(self, example: Example, prediction: Prediction) -> str:
        word = split_last_word(example.inputs["text"])[1].strip()
        said = "the likeliest" if prediction.value else "not the likeliest"
        return f"{word}: {said}, perplexity {_perplexity(prediction.scores['log_likelihood'], 1)}"


@dataclass(frozen=True, kw_only=True)
class OpenEnded(TextPredictions, TextTask, Rewritable):
    """A text that goes on from what is given.

    reference: a list of texts that people wrote
    """

    asks: Sequence[str] = ("Generate",)
    metrics: Sequence[str] = ("open_ended",)
    texts: Sequence[str] = ("text",)
    form: data.Form
    instruction: str = ""
    template: str = "{}"
    """How the given text is put to the model."""
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()

    known_columns: ClassVar[Sequence[str]] = ("id", "text", "references")

    def read_file(self, path: Path, columns: Mapping[str, str]) -> Iterable[Example]:
        return replace(self.form, columns=columns).read(path)

    def read_rows(self, rows: data.Rows) -> Iterable[Example]:
        return self.form.examples(rows)

    def arranged(self, split: str, reader: Callable[[], Iterable[Example]]) -> Iterable[Example]:
        return reader() if split == "train" else data.together(reader())

    def ask(self, example: Example, kind: str) -> Request:
        text = self.template.format(example.inputs["text"])
        return Generate(instruction=self.instruction, text=text, max_new_tokens=self.max_new_tokens, stop=self.stop)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, GenerateAnswer)
        return Prediction(value=answer.text.strip())

    def solve(self, example: Example, request: Request) -> Answer:
        return GenerateAnswer(text=example.reference[0])


def _perplexity(log_likelihood: float, count: float) -> str:
    exponent = -log_likelihood / max(count, 1)
    return f"{math.exp(exponent):.2f}" if exponent < 20 else f"e^{exponent:.1f}"
