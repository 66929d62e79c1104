"""Tasks that ask a model about another run's predictions."""

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.data import Dataset
from plmtasks.declared import fill
from plmtasks.errors import DataError, InputError, did_you_mean
from plmtasks.examples import Example, Prediction
from plmtasks.files import as_text
from plmtasks.model import Provider
from plmtasks.reading import by_choice, named, sure_choice
from plmtasks.requests import Answer, Choose, Generate, GenerateAnswer, Request, Several, SeveralAnswer
from plmtasks.task import Judge, Judged

from .ratings import rated
from .rubric import BOTH, FIRST, PLACES, SECOND, TIE, Rubric, read_rubric

if TYPE_CHECKING:
    from plmtasks.config import Source

LED = re.compile(r"^\W*(the )?(better |best |final )?(answer|score|rating|verdict)( is)?\b[\s:=*]*", re.IGNORECASE)
"""What models say before a verdict."""

UNFINISHED = "unfinished"
"""The input that tells of each run whether its thinking did not end: there is no answer that a judge could like."""


@dataclass(frozen=True, kw_only=True)
class Judgement(Judge):
    """A task of a rubric.

    inputs: what the template names, as texts
    reference: people's own judgement, where there is one
    """

    name: str
    rubric: Rubric
    metrics: Sequence[str]
    asks: Sequence[str] = ("Choose", "Generate")
    description: str = ""
    given: Sequence[Judged] = ()
    """The runs that are judged."""

    @property
    @abstractmethod
    def agreement(self) -> str:
        """The metric of how far it agrees with people."""

    def config(self) -> dict[str, Any]:
        return {**super().config(), "rubric": self.rubric.config()}

    # ── data ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def judging(self, runs: Sequence[Judged]) -> "Judgement":
        return replace(self, given=tuple(runs))

    def load(self, source: "Source") -> Dataset:
        """What the runs predicted, with people's judgements of it in a file of `source`."""
        if not self.given:
            raise InputError(f"{self.name} asks about the predictions of another run", "--predictions-of RUN names it")
        first = self.given[0]
        people = rated(source, self.name, self.rating) if source.data is not None else {}
        known = {e.id for e in first.examples}
        if people and not known & set(people):
            said = f"{source.data} judges no example of the run: {next(iter(people))!r} is none of its ids"
            raise InputError(said, f"its ids are like {next(iter(known))!r}")
        name = f"predictions on {first.data}"
        return Dataset(name=name, readers={first.split: lambda: [self._posed(e, people) for e in first.examples]}, published=True)

    def bind(self, data: Dataset) -> "Judgement":
        """With the agreement, where people have judged any of it."""
        judged = any(e.reference is not None for split in data.splits for e in data[split])
        return replace(self, metrics=(*self.metrics, self.agreement)) if judged and self.agreement not in self.metrics else self

    def _posed(self, example: Example, people: Mapping[str, Any]) -> Example:
        predicted = [as_words(p.value) if (p := run.predictions.get(example.id)) else "" for run in self.given]
        values = {name: as_words(value) for name, value in sorted(example.inputs.items())}
        told = (f"{name}: {value}" for name, value in values.items() if value)
        values["inputs"] = "\n".join(_prompts(example.inputs) if example.prompted else told)
        values |= {"reference": as_words(example.reference), **dict(zip(self.shown, predicted, strict=True))}
        for name in self.rubric.names:
            if name not in values:
                where = self.rubric.file.where("template") if self.rubric.file else self.name
                raise DataError(where, f"one of {', '.join(values)} in braces", repr(name), *did_you_mean(name, values))
        unfinished = [(p := run.predictions.get(example.id)) is not None and p.unfinished for run in self.given]
        inputs: dict[str, Any] = {name: values[name] for name in self.rubric.names}
        inputs |= {UNFINISHED: unfinished} if any(unfinished) else {}
        return Example(
            id=example.id, inputs=inputs, reference=people.get(example.id), cluster=example.cluster, slices=example.slices
        )

    @property
    @abstractmethod
    def shown(self) -> Sequence[str]:
        """What a template calls the predictions of each run."""

    @abstractmethod
    def rating(self, where: str, cell: Any) -> Any:
        """A person's judgement; None: there is none.

        raises: DataError if it is none of this task
        """

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────

    def posed(self, values: Mapping[str, str], kind: str) -> Request:
        """The question about these texts."""
        text, told = fill(self.rubric.shown, values), self.rubric.instruction
        if kind == "Choose":
            return Choose(instruction=told, text=text, choices=self.rubric.words)
        return Generate(instruction=told, text=text, max_new_tokens=self.rubric.max_new_tokens)

    def verdict(self, answer: Answer) -> Prediction:
        """The word of the scale, or the place, that an answer gives; None if it gives none."""
        if isinstance(answer, GenerateAnswer):
            said = answer.text.rpartition("[[")[2]
            return Prediction(value=named(LED.sub("", said), self.rubric.words) or named(said, self.rubric.words))
        return by_choice(self.rubric.words, answer)  # type: ignore[arg-type]

    def said(self, request: Request, word: str) -> Answer:
        """The answer of a judge that is sure of a word."""
        return sure_choice(request.choices, [word]) if isinstance(request, Choose) else GenerateAnswer(text=word)


@dataclass(frozen=True, kw_only=True)
class OnScale(Judgement):
    """How good is this answer? The prediction is a number on the scale; None: the judge gave none."""

    shown = ("prediction",)
    agreement = "judge_agreement"
    metrics: Sequence[str] = ("judge_score",)

    def rating(self, where: str, cell: Any) -> float | None:
        """A number within the scale, which may be the mean of several people's, or one of its words."""
        words, values = self.rubric.words, self.rubric.values
        if cell is None or str(cell).strip() == "":
            return None
        if str(cell).strip() in words:
            return values[words.index(str(cell).strip())]
        try:
            number = float(cell)
        except (TypeError, ValueError):
            number = float("nan")
        if not values[0] <= number <= values[-1]:
            raise DataError(where, f"a number from {values[0]} to {values[-1]}, or one of {', '.join(words)}", repr(cell))
        return number

    def ask(self, example: Example, kind: str) -> Request:
        return self.posed(example.inputs, kind)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: "expected", the mean of the scale by the probability of each of its points, which is the point itself where the
        judge writes. What is no answer, because its thinking did not end, gets the worst point, whatever the judge says."""
        found, values = self.verdict(answer), dict(zip(self.rubric.words, self.rubric.values, strict=True))
        if UNFINISHED in example.inputs:
            return Prediction(value=self.rubric.values[0], scores={"expected": float(self.rubric.values[0])})
        if found.value is None:
            return Prediction(value=None)
        chances = {word: found.scores.get(f"probability[{word}]", float(word == found.value)) for word in values}
        expected = sum(values[word] * chance for word, chance in chances.items())
        return Prediction(value=values[found.value], scores={"expected": float(expected)})

    def solve(self, example: Example, request: Request) -> Answer:
        """The point that is nearest to people's judgement; the best, where there is none."""
        values, best = self.rubric.values, example.reference
        near = len(values) - 1 if best is None else min(range(len(values)), key=lambda i: abs(values[i] - best))
        return self.said(request, self.rubric.words[near])


@dataclass(frozen=True, kw_only=True)
class Paired(Judgement):
    """Which of two answers is better? Asked in both orders: "first" and "second" are the runs; "tie" also where the orders
    disagree; None: the judge did not say."""

    shown = BOTH
    agreement = "judge_preference"
    metrics: Sequence[str] = ("judge_wins",)
    runs: int = 2

    def rating(self, where: str, cell: Any) -> str | None:
        said = "" if cell is None else str(cell).strip().casefold()
        found = {"": None, "1": FIRST, "2": SECOND, FIRST: FIRST, SECOND: SECOND, TIE: TIE, "0": TIE}
        if said not in found:
            raise DataError(where, f"{FIRST}, {SECOND} or {TIE}", repr(cell))
        return found[said]

    def ask(self, example: Example, kind: str) -> Request:
        turned = {**example.inputs, FIRST: example.inputs[SECOND], SECOND: example.inputs[FIRST]}
        return Several(requests=(self.posed(example.inputs, kind), self.posed(turned, kind)))

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """scores: "order", 1 where in both orders the answer at the same place was said to be better

        What is no answer, because its thinking did not end, loses.
        """
        assert isinstance(answer, SeveralAnswer)
        if (unfinished := example.inputs.get(UNFINISHED)) is not None:
            value = TIE if all(unfinished) else SECOND if unfinished[0] else FIRST
            return Prediction(value=value, scores={"order": 0.0})
        one, other = (self.verdict(part).value for part in answer.answers)
        if one is None or other is None:
            return Prediction(value=None)
        places = dict(zip(PLACES, (FIRST, SECOND, TIE), strict=True))
        turned = dict(zip(PLACES, (SECOND, FIRST, TIE), strict=True))
        agreed = places[one] if places[one] == turned[other] else TIE
        return Prediction(value=agreed, scores={"order": float(one == other != TIE)})

    def solve(self, example: Example, request: Request) -> Answer:
        """Tied, where people did not judge."""
        assert isinstance(request, Several)
        orders = ((FIRST, SECOND, TIE), (SECOND, FIRST, TIE))
        said = [PLACES[order.index(example.reference or TIE)] for order in orders]
        return SeveralAnswer(answers=tuple(self.said(r, word) for r, word in zip(request.requests, said, strict=True)))


def judge(rubric: Rubric) -> Judgement:
    """The task of a rubric."""
    form = Paired if rubric.pairwise else OnScale
    return form(name=rubric.name, rubric=rubric, description=rubric.description)


class Rubrics(Provider):
    """`judge:FILE.toml`."""

    scheme, inert = "judge", True
    description = "a rubric of your own in a TOML file, by which a model judges the predictions of --predictions-of"

    def make(self, name: str) -> Judgement:
        return judge(read_rubric(Path(name)))


def _prompts(inputs: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a prompt that a task has made itself: its turns, and what stands behind them; of several, of each."""
    for one in inputs.get("requests", [inputs]):
        yield from (turn["content"] for turn in one.get("turns", ()))
        yield from filter(None, [one.get("text", "")])


def as_words(value: Any) -> str:
    """A value as a judge reads it."""
    return "" if value is None else as_text(value)
