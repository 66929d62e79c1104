"""Question answering as tasks: which part of a text answers, and which of some choices is right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.config import Source
from plmtasks.data import Dataset, HubData, hub_dataset, open_dataset, read_json, read_lines
from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction
from plmtasks.requests import Answer, ExtractSpan, ExtractSpanAnswer, Generate, GenerateAnswer, Request, Span
from plmtasks.task import Task

from . import data

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "instruction": "Answer the question with a few words of the text.",
        "abstain": 'If the text does not hold the answer, say "unanswerable".',
        "form": "Text: {context}\nQuestion: {question}\nAnswer:",
    },
    "de": {
        "instruction": "Beantworte die Frage mit wenigen Worten aus dem Text.",
        "abstain": 'Steht die Antwort nicht im Text, sage "unanswerable".',
        "form": "Text: {context}\nFrage: {question}\nAntwort:",
    },
    "zh": {
        "instruction": "请用文中的词句简短地回答问题。",
        "abstain": "如果文中没有答案，请回答“unanswerable”。",
        "form": "文章：{context}\n问题：{question}\n答案：",
    },
}
"""language → how a question about a text is put to a model that writes."""

UNANSWERABLE = "unanswerable"
"""What a model writes where the text holds no answer."""


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Task):
    """A question about a text that holds the answer, or, where `may_abstain`, does not."""

    name: str
    description: str
    language: str = "en"
    metrics: Sequence[str] = ("squad",)
    asks: Sequence[str] = ("ExtractSpan", "Generate")
    may_abstain: bool = False
    flawed: bool = False
    """Its files are a published data set with known flaws: they are counted, not refused."""
    hub: HubData | None = None
    samples: bool = False
    """Its own data are the built-in samples."""

    def load(self, source: Source) -> Dataset:
        form = data.Form(language=self.language, may_abstain=self.may_abstain, flawed=self.flawed, columns=source.columns)
        return open_dataset(source, partial(data.read_extractive, form=form), name=self.name, own=self._own(form))

    def _own(self, form: data.Form) -> Dataset | None:
        if self.samples:
            readers = {split: partial(data.sample, split) for split in data.SPLIT_SIZES}
            return Dataset(name=self.name, readers=readers, published=True)
        if self.hub is None:
            return None
        published = replace(form, flawed=True, columns={})
        return hub_dataset(self.hub, lambda rows: data.extractive(rows, published, self.hub.repo))  # type: ignore[union-attr]

    def ask(self, example: Example, kind: str) -> Request:
        question, context = example.inputs["question"], example.inputs["context"]
        if kind == "ExtractSpan":
            return ExtractSpan(question=question, context=context, may_abstain=self.may_abstain)
        words = WORDS[self.language]
        instruction = f"{words['instruction']} {words['abstain']}" if self.may_abstain else words["instruction"]
        text = words["form"].format(context=context, question=question)
        return Generate(instruction=instruction, text=text, max_new_tokens=32, stop=("\n",))

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The answer's text, "" for none.

        scores: of a span its probability "confidence", and, where the task may abstain, "no_answer": the probability of
        no answer against that of the best span, so that above 0.5 the task abstains.
        """
        if isinstance(answer, GenerateAnswer):
            text = answer.text.strip()
            abstains = self.may_abstain and text.strip(" .\"'“”。").lower() == UNANSWERABLE
            return Prediction(value="" if abstains else text)
        assert isinstance(answer, ExtractSpanAnswer)
        best = answer.spans[0] if answer.spans else Span(start=0, end=0)
        if not self.may_abstain:
            return Prediction(value=example.inputs["context"][best.start : best.end], scores={"confidence": best.score})
        either = answer.no_answer + best.score
        no_answer = answer.no_answer / either if either > 0 else float(not answer.spans)
        text = "" if no_answer > 0.5 else example.inputs["context"][best.start : best.end]
        return Prediction(value=text, scores={"confidence": max(best.score, answer.no_answer), "no_answer": no_answer})

    def solve(self, example: Example, request: Request) -> Answer:
        """The first reference answer that stands in the context; where it is offset wrongly, its nearest occurrence."""
        span = self._span(example)
        if isinstance(request, ExtractSpan):
            return ExtractSpanAnswer(spans=(span,) if span else (), no_answer=0.0 if span else 1.0)
        return GenerateAnswer(text=example.inputs["context"][span.start : span.end] if span else UNANSWERABLE)

    def _span(self, example: Example) -> Span | None:
        reference, context = example.reference, example.inputs["context"]
        for text, start in zip(reference["text"], reference["answer_start"], strict=True):
            place = data.locate(context, text, start)
            if place is not None:
                return Span(start=place, end=place + len(text), score=1.0)
        return None

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """SQuAD's `{id: answer}` JSON, or what every task reads: JSON lines, or an answer a line.

        raises: DataError
        """
        if (answers := _json_object(path)) is None:
            return super().read_predictions(path, examples)
        for id_, answer in answers.items():
            if not isinstance(answer, str):
                raise DataError(f"{path}: {id_}", "an answer's text", data.shown(answer))
        return {id_: Prediction(value=answer) for id_, answer in answers.items()}

    def read_no_answer_probabilities(self, path: Path) -> dict[str, float]:
        """SQuAD 2.0's `{id: probability of no answer}` JSON, for the score "no_answer" of the predictions.

        raises: DataError
        """
        probabilities = read_json(path)
        if not isinstance(probabilities, dict):
            raise DataError(str(path), "a JSON object {id: probability}", data.shown(probabilities))
        for id_, p in probabilities.items():
            if isinstance(p, bool) or not isinstance(p, (int, float)):
                raise DataError(f"{path}: {id_}", "a number", data.shown(p))
        return {id_: float(p) for id_, p in probabilities.items()}


def _json_object(path: Path) -> dict[str, Any] | None:
    """The file's one JSON object; None if it is no such file, or holds an object a line."""
    lines = [line for line in read_lines(path) if line.strip()]
    if not lines or not lines[0].lstrip().startswith("{"):
        return None
    if all(line.startswith("{") and line.rstrip().endswith("}") and '"prediction"' in line for line in lines):
        return None
    return read_json(path)  # type: ignore[no-any-return]  # it opens with a brace


def squad() -> Iterable[QuestionAnswering]:
    """Extractive tasks; plain `qa` is the first."""
    yield QuestionAnswering(
        name="qa/squad", description="questions on Wikipedia paragraphs, SQuAD 1.1 (or any data in its format)",
        hub=HubData(
            repo="rajpurkar/squad", revision="main",
            files={s: f"plain_text/{s}-00000-of-00001.parquet" for s in ("train", "validation")},
        ),
    )  # fmt: skip
    yield QuestionAnswering(
        name="qa/squad_v2", description="the same with questions that have no answer, SQuAD 2.0", may_abstain=True,
        hub=HubData(
            repo="rajpurkar/squad_v2", revision="main",
            files={s: f"squad_v2/{s}-00000-of-00001.parquet" for s in ("train", "validation")},
        ),
    )  # fmt: skip
    yield QuestionAnswering(name="qa/sample", description="who, what, where and when in built-in sentences", samples=True)
