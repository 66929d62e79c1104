"""Tasks whose answer is a text, a part of one, a tag for each word, or a likelihood."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..data import Dataset, class_names, locate, read_answers
from ..errors import DataError
from ..examples import Example, Prediction
from ..reading import bio_tags, by_likelihood, spans_to_tags, sure_text, tags_to_spans
from ..requests import (
    Answer,
    ExtractSpan,
    ExtractSpanAnswer,
    GenerateAnswer,
    LogLikelihood,
    LogLikelihoodAnswer,
    Request,
    Span,
    TagAnswer,
)
from .base import DeclaredTask
from .file import Declaration

UNANSWERABLE = "unanswerable"
"""What is written where a context holds no answer."""


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
        found = list(cell) if isinstance(cell, (list, tuple)) else [cell]
        for text in found:
            if isinstance(text, (dict, list, tuple)) or text is None:
                raise DataError(where, "a text, or a list of them", f"{cell!r:.60}")
        texts = [text.strip() if isinstance(text, str) else text for text in found]
        stop = next((s for s in cast(Any, self.declared.Generate).stop if texts and s in str(texts[0])), None)
        if stop is not None:
            raise DataError(where, f"a text without {stop!r}, at which [Generate] stops", f"{texts[0]!r:.60}", 'set stop = ["…"]')
        return texts

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        assert isinstance(answer, GenerateAnswer)
        return Prediction(value=answer.text.strip())

    def solve(self, example: Example, request: Request) -> Answer:
        """The first text, up to where the request has it stop."""
        found = example.reference if isinstance(example.reference, list) else next(iter(example.reference.values()))
        return GenerateAnswer(text=str(found[0]))


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
        if isinstance(answer, GenerateAnswer):
            text = answer.text.strip()
            return Prediction(value="" if self.may_abstain and text.strip(" .").lower() == UNANSWERABLE else text)
        assert isinstance(answer, ExtractSpanAnswer)
        best = answer.spans[0] if answer.spans else Span(start=0, end=0)
        text = cast(ExtractSpan, request).context[best.start : best.end]
        if not self.may_abstain:
            return Prediction(value=text, scores={"confidence": best.score})
        both = answer.no_answer + best.score
        none = answer.no_answer / both if both > 0 else float(not answer.spans)
        return Prediction(value="" if none > 0.5 else text, scores={"confidence": max(none, 1 - none), "no_answer": none})

    def solve(self, example: Example, request: Request) -> Answer:
        texts, starts = example.reference["text"], example.reference["answer_start"]
        if not isinstance(request, ExtractSpan):
            return GenerateAnswer(text=texts[0] if texts else UNANSWERABLE)
        spans = tuple(Span(start=s, end=s + len(t), score=1.0) for t, s in zip(texts[:1], starts, strict=False))
        return ExtractSpanAnswer(spans=spans, no_answer=0.0 if spans else 1.0)

    def show(self, example: Example, prediction: Prediction) -> str:
        return prediction.value or UNANSWERABLE


class Tags(DeclaredTask):
    """Which words are what? The reference is the [label, start, end] of each span of words [start, end)."""

    hub_type = "token-classification"

    def __init__(self, name: str, *, words: str, reference: str, marked: str | None = None, **said: Any) -> None:
        """Asked by `Tag`.

        words: the column of the words, a list or a text with spaces between them
        reference: the column of the tags, O, B-… and I-…
        marked: the column of the places of words of interest, from 0
        """
        super().__init__(name, reference=reference, **{"Tag": {"words": words, "marked": marked}, **said})

    def _declare(self, declared: Declaration, labels: Sequence[str] | None = None) -> None:
        """A file may name the tags instead of the spans' labels, in the order of their numbers."""
        self.numbered = tuple(declared.labels) if "O" in declared.labels else ()
        if labels is None and self.numbered:
            labels = list(dict.fromkeys(tag[2:] for tag in self.numbered if tag != "O"))
        super()._declare(declared, labels)

    def bind(self, data: Dataset) -> DeclaredTask:
        """With the labels of the training data, else of all data at hand."""
        if self.labels:
            return self
        splits = ["train"] if "train" in data.splits else data.splits
        return self.labelled(sorted({span[0] for split in splits for e in data[split] for span in e.reference}))

    def naming(self, path: Path, column: str) -> DeclaredTask:
        """With the tags that the schema of a Parquet file names in the order of their numbers."""
        names = [] if self.numbered or not path.name.endswith(".parquet") else class_names(path, [column])
        if "O" not in names:
            return self
        task = self.labelled(self.labels)
        task.numbered = tuple(names)
        return task

    def tags(self) -> tuple[str, ...]:
        return bio_tags(self.labels)

    def input(self, where: str, name: str, value: Any) -> Any:
        said = self.declared.Tag
        if said is not None and name == said.words:
            words = value.split() if isinstance(value, str) else value
            if not isinstance(words, (list, tuple)) or not words or not all(isinstance(w, str) and w.strip() for w in words):
                raise DataError(where, "words: a list, or a text with spaces between them", f"{value!r:.60}")
            return list(words)
        return super().input(where, name, value)

    def listed(self, where: str, name: str, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, int) for v in value):
            raise DataError(where, f"a list of places of words, from 0, as {name!r}", f"{value!r:.60}")
        return list(value)

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> list[list[Any]]:
        """A tag a word, by its name or its number: O, B-label at the first word of a span and I-label at its others."""
        said = cast(Any, self.declared.Tag)
        words = inputs[said.words]
        if said.marked and not all(0 <= place < len(words) for place in inputs[said.marked]):
            raise DataError(where, f"places of {len(words)} words, from 0, as {said.marked!r}", f"{inputs[said.marked]!r:.60}")
        tags = cell.split() if isinstance(cell, str) else _list(cell)
        if len(tags) != len(words):
            raise DataError(where, f"{len(words)} tags, one for each word", f"{len(tags)}")
        return [list(span) for span in tags_to_spans(self._tag(where, tag) for tag in tags)]

    def _tag(self, where: str, tag: Any) -> str:
        name = self.numbered[tag] if isinstance(tag, int) and 0 <= tag < len(self.numbered) else str(tag)
        label = name[2:]
        if name != "O" and (name[:2] not in ("B-", "I-") or not label or (self.labels and label not in self.labels)):
            known = f" with a label of {', '.join(self.labels)}" if self.labels else ""
            raise DataError(where, f"O, B-… or I-…{known}", repr(tag))
        return name

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        return Prediction(value=[list(span) for span in tags_to_spans(cast(TagAnswer, answer).labels)])

    def solve(self, example: Example, request: Request) -> Answer:
        """Spans whose label the request does not have cannot be told."""
        known = [span for span in example.reference if span[0] in self.labels]
        return TagAnswer(labels=tuple(spans_to_tags(known, len(cast(Any, request).words))))

    def show(self, example: Example, prediction: Prediction) -> str:
        words = example.inputs[cast(Any, self.declared.Tag).words]
        return ", ".join(f"{label}: {' '.join(words[start:end])}" for label, start, end in prediction.value) or "none"


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
        """As `by_likelihood`."""
        return by_likelihood(cast(LogLikelihoodAnswer, answer))

    def solve(self, example: Example, request: Request) -> Answer:
        return sure_text(cast(LogLikelihood, request).text)


def _list(value: Any) -> list[Any]:
    """A cell as a list: nothing is none, one value is a list of it."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None or value == "" else [value]
