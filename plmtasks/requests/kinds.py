"""What can be asked of a model, and what it answers.

Text and numbers, never tensors. The set is open: a plugin registers further pairs with
`register_requests`. Everything here survives JSON, `from_json(to_json(x)) == x`, but for `Several`, whose parts do.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

from .forms import LATER, strings, to_json


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model gives back for one request."""

    def texts(self) -> Iterator[str]:
        """What was written in it, for learning a tokenizer; labels and numbers are not."""
        return iter(())


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to a model.

    A kind of request tells here what the core goes by: nothing looks for fields of certain names.
    """

    answer_type: ClassVar[type[Answer]]
    zero_shot: ClassVar[bool] = False
    """Whether a model that learned nothing but language can answer it: a run without training is zero-shot then."""
    strided: ClassVar[bool] = False
    """Whether a text over the model's limit is read in windows that move on by the setting `stride`."""

    @classmethod
    def kind(cls) -> str:
        """The name by which tasks and models list this request."""
        return cls.__name__

    def key(self) -> str:
        """A hash of all that is asked: equal requests have equal keys. 32 hexadecimal digits."""
        return self._key

    @cached_property
    def _key(self) -> str:
        asked = to_json(self) if self.each() == (self,) else [request.key() for request in self.each()]
        text = json.dumps([self.kind(), asked], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def seed(self, of: int) -> int:
        """What draws the answer to it, whatever else is asked: 63 bits that follow from what it asks, and from the run's seed.

        of: the run's seed
        """
        return int.from_bytes(hashlib.sha256(json.dumps([of, self.key()]).encode()).digest()[:8], "big") >> 1

    def texts(self) -> Iterator[str]:
        """Every text in the request, for learning a tokenizer."""
        yield from strings(to_json(self))

    def label_set(self) -> tuple[str, ...] | None:
        """The labels of which the answer gives some, as a head has them; empty if nobody knows them yet; None: it needs none."""
        return None

    def labels_in(self, answer: Any) -> Sequence[str]:
        """Those of its labels that a solved answer gives, each as often as it does: a rare one may weigh more in training."""
        return ()

    def most_tokens(self) -> int | None:
        """The most tokens that a model may write in answer to it; None: it writes none, and no setting of generation matters."""
        return None

    def likelihoods(self, answer: Any) -> Iterator[tuple[str, int]]:
        """Each text of which the answer holds a likelihood, and of how many tokens: one of none would be a fault of the model."""
        return iter(())

    def each(self) -> "tuple[Request, ...]":
        """What a model is asked: the request itself, or those of `Several`."""
        return (self,)

    def joined(self, answers: Sequence[Answer]) -> Answer:
        """Its answer, from those to each of these."""
        [answer] = answers
        return answer

    def apart(self, answer: Any) -> tuple[Answer, ...]:
        """The inverse of `joined`."""
        return (answer,)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A solved example placed before the question."""

    text: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one side of a chat says."""

    role: str
    """system, user or assistant"""
    content: str


@dataclass(frozen=True, kw_only=True)
class Prompted(Request):
    """A question in words, before which solved examples can stand. How all of it becomes a prompt is the model's business."""

    zero_shot = True
    instruction: str = ""
    shots: tuple[Shot, ...] = ()
    text: str
    exact: bool = field(default=False, metadata=LATER)
    """The text is the whole prompt, letter for letter, and what follows it is joined to it with nothing between, whatever the
    setting `prompt` says; it becomes tokens as lm-eval's HFLM makes them, and what is over the limit is cut at its left."""
    turns: tuple[Turn, ...] = field(default=(), metadata=LATER)
    """Of an exact prompt: the turns of a chat, in place of the text, for the model's template; an assistant's last one is gone on
    with."""

    def with_shots(self, shots: tuple[Shot, ...]) -> Self:
        """The same question behind these solved examples, and no others."""
        return dataclasses.replace(self, shots=shots)

    def as_shot(self, answer: Answer) -> Shot:
        """The question with its solved answer, as it stands before another."""
        return Shot(text=self.text, answer=self.answered(answer))

    def answered(self, answer: Any) -> str:
        """A solved answer as the text that would follow the question; by default what was written in it."""
        return "".join(answer.texts())

    def aim(self) -> str:
        """One word for what is wanted, where models were taught one: "summarize"."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Characters [start, end) of the context."""

    start: int
    end: int
    score: float = 0.0
    """A probability, 0 to 1, among all spans and the abstention."""


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """How likely a text is."""

    log_likelihood: float
    """Natural logarithm, summed over the tokens."""
    tokens: int
    bytes: int
    """UTF-8 bytes of the scored text."""
    greedy: bool | None = field(default=None, metadata=LATER)
    """Whether greedy decoding would write it: each of its tokens is the likeliest in its place. None: nobody knows."""


@dataclass(frozen=True, kw_only=True)
class ClassifyAnswer(Answer):
    """How likely each label is."""

    scores: tuple[float, ...]
    """One probability a label, in the order of the request's labels; they sum to 1 unless `multi_label`."""


@dataclass(frozen=True, kw_only=True)
class Classify(Request):
    """Which of these labels?"""

    answer_type = ClassifyAnswer
    text: str
    text_pair: str | None = None
    labels: tuple[str, ...]
    multi_label: bool = False
    """Any number of labels may hold; each has a probability of its own."""

    def label_set(self) -> tuple[str, ...]:
        return self.labels

    def labels_in(self, answer: ClassifyAnswer) -> Sequence[str]:
        return [label for label, score in zip(self.labels, answer.scores, strict=True) if score > 0.5]


@dataclass(frozen=True, kw_only=True)
class TagAnswer(Answer):
    """The words' labels."""

    labels: tuple[str, ...]
    """One label a word, legal under the scheme (an I- follows its B- or I-)."""


@dataclass(frozen=True, kw_only=True)
class Tag(Request):
    """A label for each word."""

    answer_type = TagAnswer
    words: tuple[str, ...]
    labels: tuple[str, ...]
    """All labels that may be given, "O", "B-…" and "I-…" (or plain labels, if none has such a prefix)."""
    marked: tuple[int, ...] = ()
    """Positions of the words of interest (the predicate)."""

    def label_set(self) -> tuple[str, ...]:
        return self.labels

    def labels_in(self, answer: TagAnswer) -> Sequence[str]:
        return answer.labels


@dataclass(frozen=True, kw_only=True)
class ExtractSpanAnswer(Answer):
    """Parts of the context, and how likely it is that none answers."""

    spans: tuple[Span, ...]
    """Best first; empty only if the context has no word."""
    no_answer: float = 0.0
    """The probability that the context holds no answer; 0 where the request may not abstain."""


@dataclass(frozen=True, kw_only=True)
class ExtractSpan(Request):
    """Which part of the context answers the question?"""

    answer_type = ExtractSpanAnswer
    question: str
    context: str
    may_abstain: bool = False


@dataclass(frozen=True, kw_only=True)
class ChooseAnswer(Answer):
    """How likely each choice is behind the prompt."""

    choices: tuple[Likelihood, ...]
    """One for each choice, in the request's order."""


@dataclass(frozen=True, kw_only=True)
class Choose(Prompted):
    """Which continuation is likeliest?"""

    answer_type = ChooseAnswer
    choices: tuple[str, ...]

    def answered(self, answer: ChooseAnswer) -> str:
        return self.choices[max(range(len(self.choices)), key=lambda i: answer.choices[i].log_likelihood)]

    def likelihoods(self, answer: ChooseAnswer) -> Iterator[tuple[str, int]]:
        return ((text, found.tokens) for text, found in zip(self.choices, answer.choices, strict=True))


@dataclass(frozen=True, kw_only=True)
class LogLikelihoodAnswer(Answer):
    """How likely the text is, and what that is a likelihood of."""

    log_likelihood: float
    """Natural logarithm, summed over the tokens of `text`."""
    tokens: int
    words: int
    bytes: int
    likeliest: int = 0
    """Tokens that the model finds likelier in their places than any other."""
    pseudo: bool = False
    """Each token was predicted from those before and after it: no probability of the text, and not to be compared with one."""


@dataclass(frozen=True, kw_only=True)
class LogLikelihood(Request):
    """How likely is this text, after its context?"""

    answer_type = LogLikelihoodAnswer
    zero_shot = strided = True
    text: str
    context: str = ""
    disjoint: bool = field(default=False, metadata=LATER)
    """A text over the model's limit is read in windows that know one token before them, whatever the setting `stride` says.
    It becomes tokens as in lm-eval's rolling log-likelihood. There is no context then."""

    def likelihoods(self, answer: LogLikelihoodAnswer) -> Iterator[tuple[str, int]]:
        return iter([(self.text, answer.tokens)])


@dataclass(frozen=True, kw_only=True)
class GenerateAnswer(Answer):
    """What was written."""

    text: str
    """Without the thinking before it; empty if that did not end."""
    reasoning: str = field(default="", metadata=LATER)
    """What a model thought before it wrote."""
    reasoning_tokens: int = field(default=0, metadata=LATER)
    unfinished: bool = field(default=False, metadata=LATER)
    """The thinking did not end, so that there is no answer."""

    def texts(self) -> Iterator[str]:
        return iter([self.text])


@dataclass(frozen=True, kw_only=True)
class Generate(Prompted):
    """Continue, answer, translate, summarize."""

    answer_type = GenerateAnswer
    source_language: str | None = None
    """ISO 639-1, where the request is to translate."""
    target_language: str | None = None
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()
    """The text ends before the first of these."""
    purpose: str = ""
    """One word for what is wanted, where models were taught one: "summarize"."""
    temperature: float = field(default=0.0, metadata=LATER)
    """0 takes the likeliest token; above it, tokens are drawn. The user's `Generation` goes before what stands here."""
    top_p: float | None = field(default=None, metadata=LATER)
    top_k: int | None = field(default=None, metadata=LATER)
    num_beams: int = field(default=1, metadata=LATER)
    repeat: int = field(default=0, metadata=LATER)
    """Which of several texts drawn for the same question it is: each has a seed of its own."""

    def most_tokens(self) -> int:
        return self.max_new_tokens

    def aim(self) -> str:
        return self.purpose


@dataclass(frozen=True, kw_only=True)
class SeveralAnswer(Answer):
    """An answer to each of several requests."""

    answers: tuple[Answer, ...]
    """In the order of the requests."""

    def texts(self) -> Iterator[str]:
        for answer in self.answers:
            yield from answer.texts()


@dataclass(frozen=True, kw_only=True)
class Several(Request):
    """Several requests about one example: two orders of the same question, texts that are drawn again and again, two kinds.

    A model is asked each of them by itself, and whatever is asked twice once. Where they are of several kinds, a task lists these
    together, as "Choose+Generate", and `Model.load` is shown one of each.
    """

    answer_type = SeveralAnswer
    requests: tuple[Request, ...]

    @property
    def zero_shot(self) -> bool:  # type: ignore[override]
        return all(r.zero_shot for r in self.requests)

    @property
    def strided(self) -> bool:  # type: ignore[override]
        return any(r.strided for r in self.requests)

    def texts(self) -> Iterator[str]:
        for request in self.requests:
            yield from request.texts()

    def most_tokens(self) -> int | None:
        return max((n for r in self.requests if (n := r.most_tokens()) is not None), default=None)

    def each(self) -> tuple[Request, ...]:
        return self.requests

    def joined(self, answers: Sequence[Answer]) -> SeveralAnswer:
        return SeveralAnswer(answers=tuple(answers))

    def apart(self, answer: SeveralAnswer) -> tuple[Answer, ...]:
        return answer.answers


def one_of_each_kind(request: Request) -> Request:
    """What shows a model all kinds that are asked: the request, or of several the first of each kind; alone if there is one."""
    first: dict[str, Request] = {}
    for one in request.each():
        first.setdefault(one.kind(), one)
    kinds = tuple(first.values())
    return kinds[0] if len(kinds) == 1 else Several(requests=kinds)


BUILT_IN: tuple[type[Request], ...] = (Classify, Tag, ExtractSpan, Choose, LogLikelihood, Generate)
