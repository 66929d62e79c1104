"""Question answering as tasks: which part of a text answers, and which of some choices is right."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from plmtasks.config import Source
from plmtasks.data import (
    LETTERS,
    SPLIT_FILES,
    SPLIT_SIZES,
    Dataset,
    HubData,
    locate,
    open_dataset,
    settle,
    texts_only,
)
from plmtasks.errors import InputError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import sure_label
from plmtasks.requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Classify,
    ClassifyAnswer,
    ExtractSpan,
    ExtractSpanAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    Request,
    Span,
)
from plmtasks.task import Abstaining, HubTask, Rewritable, Task

from .data.choices import choices, lettered, pairs, read_choices
from .data.extractive import extractive, read_extractive
from .data.predictions import read_answers, read_letters, read_probabilities, write_object, write_turns
from .data.rows import Form, Rows
from .data.samples import sample
from .data.transfer import Transfer, own_dataset

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "instruction": "Answer the question with a few words of the text.",
        "abstain": 'If the text does not hold the answer, say "unanswerable".',
        "text": "Text: {}", "turn": "Question: {}\nAnswer: {}",
    },
    "de": {
        "instruction": "Beantworte die Frage mit wenigen Worten aus dem Text.",
        "abstain": 'Steht die Antwort nicht im Text, sage "unanswerable".',
        "text": "Text: {}", "turn": "Frage: {}\nAntwort: {}",
    },
    "zh_Hant": {
        "instruction": "請用文中的詞句簡短地回答問題。",
        "abstain": "如果文中沒有答案，請回答“unanswerable”。",
        "text": "文章：{}", "turn": "問題：{}\n答案：{}",
    },
    "zh": {
        "instruction": "请用文中的词句简短地回答问题。",
        "abstain": "如果文中没有答案，请回答“unanswerable”。",
        "text": "文章：{}", "turn": "问题：{}\n答案：{}",
    },
}  # fmt: skip
"""language → how a question about a text is put to a model that writes."""

UNANSWERABLE = "unanswerable"
"""What a model writes where the text holds no answer."""

TURNS = 2
"""So many of the turns before, the last first, follow the question that `ExtractSpan` asks; `Generate` shows all of them."""

IMPOSSIBLE = -1e4
"""The log-likelihood of a choice that a perfect model does not make."""


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Rewritable, Abstaining, HubTask):
    """A question about a text that holds the answer, or, where `may_abstain`, does not.

    inputs: "question", "context", and in a conversation "history", the [question, answer] pairs before
    reference: "text", the answers' texts, none if there is no answer, and "answer_start", their offsets
    """

    name: str
    description: str
    language: str = "en"
    metrics: Sequence[str] = ("squad",)
    main: str = ""
    asks: Sequence[str] = ("ExtractSpan", "Generate")
    hub_type: str = "question-answering"
    may_abstain: bool = False
    flawed: bool = False
    """Its files are a published data set with known flaws: they are counted, not refused."""
    hub: HubData | Transfer | None = None
    """Its own data; None: the built-in samples."""
    file_reader: Callable[[Path, Form], list[Example]] = read_extractive
    row_reader: Callable[[Rows, Form, str], list[Example]] = extractive
    instructed: bool = True
    """`Generate` says what to do before the text."""
    minimum_agreement: float = 0.0
    """Questions whose annotators agree less than this F1 do not count in the metric "conversation"."""
    fields: Sequence[str] = ("question", "context")
    texts: Sequence[str] = ("question",)
    """Not the context: its characters are counted."""
    more_fields: Sequence[str] = ()
    """"history" in a conversation"""
    collection: str = ""
    aliases: Sequence[str] = ()
    needs_data: bool = False

    def load(self, source: Source) -> Dataset:
        known_fields(self, source, ("id", "question", "context", "answers"))
        form = Form(language=self.language, may_abstain=self.may_abstain, flawed=self.flawed, columns=source.columns)
        own = own_dataset(self.hub, self.row_reader, form)
        if own is None:
            own = Dataset(name=self.name, readers={split: partial(sample, split) for split in SPLIT_SIZES}, published=True)
        patterns = {**SPLIT_FILES, "test": (*SPLIT_FILES["test"], f"{self.name.removeprefix('qa/')}.json")}
        return open_dataset(source, lambda path: self.file_reader(path, form), name=self.name, own=own, patterns=patterns)

    def ask(self, example: Example, kind: str) -> Request:
        history = example.inputs.get("history", [])
        question, context = example.inputs["question"], example.inputs["context"]
        if kind == "ExtractSpan":
            # its own question first: what is too long loses its end
            before = (text for turn in reversed(history[-TURNS:]) for text in turn if text)
            return ExtractSpan(
                question=" ".join([question, *before]), context=self.searched(context), may_abstain=self.may_abstain
            )
        words = WORDS.get(self.language, WORDS["en"])
        told = [words["instruction"]] * self.instructed + [words["abstain"]] * self.may_abstain
        turns = [words["turn"].format(q, a or UNANSWERABLE) for q, a in history]
        text = "\n".join([words["text"].format(context), *turns, words["turn"].format(question, "").rstrip()])
        return Generate(instruction=" ".join(told), text=text, max_new_tokens=32, stop=("\n",))

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """raises: InputError if the row is no question of this task"""
        turns = row.get("history", [])
        if not (isinstance(turns, list) and all(_is_texts(turn) and len(turn) == 2 for turn in turns)):
            raise InputError(f"{self.name}: history is a list of [question, answer] pairs, not {turns!r}")
        return super().pose(row, id)

    def show(self, example: Example, prediction: Prediction) -> str:
        return UNANSWERABLE if self.may_abstain and prediction.value == "" else str(prediction.value)

    def searched(self, context: str) -> str:
        """The text in which a span is looked for."""
        return context

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The answer's text, "" for none.

        scores: of a span its probability "confidence", and, where the task may abstain, "no_answer": the probability of
        no answer against that of the best span, so that above 0.5 the task abstains.
        """
        if isinstance(answer, GenerateAnswer):
            text = answer.text.strip()
            abstains = self.may_abstain and text.strip(" .\"'“”。").lower() == UNANSWERABLE
            return Prediction(value="" if abstains else text)
        assert isinstance(request, ExtractSpan)
        assert isinstance(answer, ExtractSpanAnswer)
        best = answer.spans[0] if answer.spans else Span(start=0, end=0)
        text = request.context[best.start : best.end]
        if not self.may_abstain:
            return Prediction(value=text, scores={"confidence": best.score})
        either = answer.no_answer + best.score
        no_answer = answer.no_answer / either if either > 0 else float(not answer.spans)
        confidence = max(best.score, answer.no_answer)
        return Prediction(value="" if no_answer > 0.5 else text, scores={"confidence": confidence, "no_answer": no_answer})

    def solve(self, example: Example, request: Request) -> Answer:
        """The first reference answer that stands in the context; where its offset is wrong, the nearest occurrence."""
        if isinstance(request, ExtractSpan):
            span = self.span(example, request.context)
            return ExtractSpanAnswer(spans=(span,) if span else (), no_answer=0.0 if span else 1.0)
        texts = example.reference["text"]
        return GenerateAnswer(text=texts[0] if texts else UNANSWERABLE)

    def span(self, example: Example, context: str) -> Span | None:
        """The span that answers; None if there is no answer."""
        reference = example.reference
        for text, start in zip(reference["text"], reference["answer_start"], strict=True):
            place = locate(context, text, start)
            if place is not None:
                return Span(start=place, end=place + len(text), score=1.0)
        return None

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """SQuAD's `{id: answer}` JSON, CoQA's and QuAC's forms, or what every task reads: JSON lines or a table with "id"
        and "prediction", or an answer a line.

        raises: DataError
        """
        return texts_only(path, read_answers(path) or super().read_predictions(path, examples), "an answer")

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """SQuAD's `{id: answer}`; beside it, in `….na_prob.json`, the probabilities of no answer, if the model tells them."""
        if name.endswith(".jsonl"):
            return super().write_predictions(name, examples, predictions)
        answers = {e.id: predictions[e.id].value for e in examples}
        unsure = {e.id: predictions[e.id].scores.get("no_answer") for e in examples}
        files = {name: write_object(answers)}
        if self.may_abstain and None not in unsure.values():
            files[f"{Path(name).stem}.na_prob.json"] = write_object(unsure)
        return files

    def read_no_answer_probabilities(self, path: Path) -> dict[str, float]:
        """SQuAD 2.0's `{id: probability of no answer}` JSON, for the score "no_answer" of the predictions.

        raises: DataError
        """
        return read_probabilities(path)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "may_abstain": self.may_abstain}


@dataclass(frozen=True, kw_only=True)
class FreeAnswers(QuestionAnswering):
    """Questions whose answers mostly, not always, stand in the text: "yes", "no" and "unknown" are put behind it.

    reference: "text", the answers' texts, and "rationale", the characters [start, end) that support the first
    """

    SEARCHED = "\nyes no unknown"

    def searched(self, context: str) -> str:
        return context + self.SEARCHED

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """CoQA's list of {"id", "turn_id", "answer"}, where the name ends in .json."""
        if not name.endswith(".json"):
            return super().write_predictions(name, examples, predictions)
        return {name: write_turns({e.id: predictions[e.id].value for e in examples})}

    def span(self, example: Example, context: str) -> Span:
        """The first answer where it stands nearest to what supports it, in any case of its letters, else all of that.

        The second reads back as a reference only by some of its words.
        """
        start, end = example.reference["rationale"]
        answer = example.reference["text"][0].strip().rstrip(".")
        lowered = context.lower()
        if answer.lower() in self.SEARCHED.split():
            start = lowered.rindex(answer.lower())
        elif answer and len(lowered) == len(context) and (place := locate(lowered, answer.lower(), start)) is not None:
            start = place
        else:
            text = context[start:end]
            return Span(start=start + len(text) - len(text.lstrip()), end=start + len(text.rstrip()), score=1.0)
        return Span(start=start, end=start + len(answer), score=1.0)


@dataclass(frozen=True, kw_only=True)
class MultipleChoice(Rewritable, HubTask):
    """A question, mostly about a text, and choices of which one is right.

    inputs: "context" or None, "question" (None: the choices continue the context), "choices", sometimes "subject", and "begun",
    the end of the context that the choices continue
    reference: the letter of the right choice
    """

    name: str
    description: str
    language: str = "en"
    metrics: Sequence[str] = ("choice_accuracy",)
    asks: Sequence[str] = ("Choose", "Classify")
    hub_type: str = "multiple-choice"
    labels: tuple[str, ...] = ()
    """The letters of the choices; none: as many as the data needs."""
    listed: bool = False
    """`Choose` shows all choices in the text and asks for the letter, where it else asks for the choice itself."""
    hub: HubData | None = None
    texts: Sequence[str] = ("question", "context")
    more_fields: Sequence[str] = ("question", "context", "choices", "subject", "begun")
    aliases: Sequence[str] = ()
    needs_data: bool = False

    def load(self, source: Source) -> Dataset:
        known_fields(self, source, ("id", "context", "question", "choices", "answer", "answer_is", "subject"))
        columns = {name: column for name, column in source.columns.items() if name != "answer_is"}
        form = Form(language=self.language, options=len(self.labels), columns=columns)
        own = own_dataset(self.hub, choices, form)
        data = open_dataset(source, lambda path: read_choices(path, form), name=self.name, own=own)
        return settle(data, "answer", source.columns.get("answer_is", ""), lettered)

    def bind(self, data: Dataset) -> "MultipleChoice":
        if self.labels:
            return self
        most = max(len(example.inputs["choices"]) for split in data.splits for example in data[split])
        return replace(self, labels=tuple(LETTERS[:most]))

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """raises: InputError if the row is no question of this task"""
        texts = {name: row.get(name) for name in ("question", "context")}
        found, most = row.get("choices"), len(self.labels or LETTERS)
        if found is None or not _is_texts(found) or not 2 <= len(found) <= most:
            raise InputError(f"{self.name} is asked with choices, a list of 2 to {most} texts, not {found!r}")
        if not any(texts.values()) or not _is_texts([v for v in (*texts.values(), row.get("subject")) if v is not None]):
            raise InputError(f"{self.name} is asked with a question, a context or both, as texts")
        return super().pose({**row, **texts}, id)

    def show(self, example: Example, prediction: Prediction) -> str:
        """The letter and what it stands for."""
        return f"{prediction.value}. {example.inputs['choices'][LETTERS.index(prediction.value)]}"

    def ask(self, example: Example, kind: str) -> Request:
        context, question, its_choices = (example.inputs[key] for key in ("context", "question", "choices"))
        options = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, its_choices, strict=False)]
        if kind == "Classify":
            posed = "\n".join([*([question] if question else []), *options])
            return Classify(text=context or posed, text_pair=posed if context else None, labels=self.labels)
        pair_text, pair_choices = pairs(example.inputs, self.language)
        if question is None:
            return Choose(text=context, choices=tuple(its_choices), pair_text=pair_text, pair_choices=pair_choices)
        subject = example.inputs.get("subject", "").replace("_", " ")
        instruction = f"The following are multiple choice questions (with answers) about {subject}." if subject else ""
        parts = [f"Article: {context}"] if context else []
        text = "\n".join([*parts, f"Question: {question}", *(options if self.listed else []), "Answer:"])
        shown = LETTERS[: len(its_choices)] if self.listed else its_choices
        return Choose(
            instruction=instruction, text=text, choices=tuple(shown), pair_text=pair_text, pair_choices=pair_choices
        )  # fmt: skip

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The letter of the likeliest choice.

        scores: "confidence", its probability among the choices; of likelihoods also "pick_bytes" and "pick_tokens", the
        positions of the choices that are likeliest by byte and by token.
        """
        count = len(example.inputs["choices"])
        if isinstance(answer, ClassifyAnswer):
            chances = answer.scores[:count]
            best = _position_of_best(chances)
            return Prediction(value=LETTERS[best], scores={"confidence": chances[best]})
        assert isinstance(request, Choose)
        assert isinstance(answer, ChooseAnswer)
        likelihoods = [choice.log_likelihood for choice in answer.choices]
        best = _position_of_best(likelihoods)
        scores: dict[str, float] = {"confidence": 1 / sum(math.exp(ll - likelihoods[best]) for ll in likelihoods)}
        if not answer.scored:
            by_byte = [ll / _bytes(choice) for ll, choice in zip(likelihoods, request.choices, strict=True)]
            by_token = [c.log_likelihood / max(c.tokens, 1) for c in answer.choices]
            scores |= {"pick_bytes": _position_of_best(by_byte), "pick_tokens": _position_of_best(by_token)}
        return Prediction(value=LETTERS[best], scores=scores)

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, Classify):
            return sure_label(request.labels, [example.reference])
        assert isinstance(request, Choose)
        right = LETTERS.index(example.reference)
        likelihoods = (
            Likelihood(log_likelihood=0.0 if i == right else IMPOSSIBLE, tokens=1, bytes=_bytes(choice))
            for i, choice in enumerate(request.choices)
        )
        return ChooseAnswer(choices=tuple(likelihoods))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """`{id: letter}` JSON, JSON lines or a letter a line; a position from 0 or a choice's text will do too.

        raises: DataError
        """
        found = read_answers(path) or super().read_predictions(path, examples)
        return read_letters(path, found, {e.id: e.inputs["choices"] for e in examples})


def known_fields(task: Task, source: Source, fields: Sequence[str]) -> None:
    """raises: InputError if --columns names a field that the task has not"""
    if unknown := next((f for f in source.columns if f not in fields), None):
        raise InputError(f"{task.name} has no field {unknown!r}", f"--columns takes {', '.join(fields)}")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _position_of_best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)
