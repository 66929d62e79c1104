"""What can be asked of a model, and what it answers.

Text and numbers, never tensors. The set is open: a plugin registers further pairs with
`register_requests`. Everything here survives JSON: `from_json(to_json(x)) == x`.
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Self


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
        text = json.dumps([self.kind(), to_json(self)], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

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


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A solved example placed before the question."""

    text: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Prompted(Request):
    """A question in words, before which solved examples can stand. How all of it becomes a prompt is the model's business."""

    zero_shot = True
    instruction: str = ""
    shots: tuple[Shot, ...] = ()
    text: str

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

    def likelihoods(self, answer: LogLikelihoodAnswer) -> Iterator[tuple[str, int]]:
        return iter([(self.text, answer.tokens)])


@dataclass(frozen=True, kw_only=True)
class GenerateAnswer(Answer):
    """What was written."""

    text: str

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

    def most_tokens(self) -> int:
        return self.max_new_tokens

    def aim(self) -> str:
        return self.purpose


BUILT_IN: tuple[type[Request], ...] = (Classify, Tag, ExtractSpan, Choose, LogLikelihood, Generate)


def to_json(value: Any) -> Any:
    """Requests, answers and their parts as plain JSON values: dataclasses to objects, tuples to lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(v) for v in value]
    if isinstance(value, Mapping):
        return {k: to_json(v) for k, v in value.items()}
    return value


def from_json(form: Any, value: Any, at: str = "") -> Any:
    """The inverse of `to_json`, for a value of the type `form`.

    at: where it stands within a whole, for the error

    raises: TypeError, KeyError or ValueError if the value has not that form
    """
    origin, inner = typing.get_origin(form), typing.get_args(form)
    is_object = isinstance(form, type) and dataclasses.is_dataclass(form)
    if (is_object or origin is Mapping) and not isinstance(value, Mapping):
        raise TypeError(_unlike(at, "an object", value))
    if is_object:
        places = {name: f"{at}.{name}".strip(".") for name in _fields(form)}
        lacking = [place for name, place in places.items() if name not in value]
        if lacking:
            raise KeyError(lacking[0])
        return form(**{name: from_json(hint, value[name], places[name]) for name, hint in _fields(form).items()})
    if origin is Mapping:
        return dict(value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError(_unlike(at, "a list", value))
        return tuple(from_json(inner[0], v, f"{at}[{i}]") for i, v in enumerate(value))
    if origin in (typing.Union, types.UnionType):
        one = next(a for a in inner if a is not types.NoneType)
        return None if value is None else from_json(one, value, at)
    if origin is typing.Literal:
        if value not in inner:
            raise ValueError(_unlike(at, f"one of {', '.join(map(str, inner))}", value))
        return value
    if form is not Any and not isinstance(value, (int, float) if form is float else form):
        raise TypeError(_unlike(at, form.__name__, value))
    return value


def _unlike(at: str, expected: str, value: Any) -> str:
    return f"{at + ': ' * bool(at)}expected {expected}, found {value!r:.80}"


@cache
def _fields(form: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(form)
    return {f.name: hints[f.name] for f in dataclasses.fields(form)}


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)


# ── in words: tables compare models that are asked in the same ───────────────────────────────────────────────

CUE = "\nAnswer:"
"""Put after a text under an instruction, unless the text ends with a colon."""

CUES = {"summarize": "\nTL;DR:"}
"""Purpose → what people write between a text and such an answer."""


def plain_prompt(request: Prompted, shots: Sequence[Shot], text: str) -> str:
    """Instruction, shots and text, a blank line between; the answer follows after a space.

    shots, text: those of the request, or what is left of them where a model takes no more
    """
    cue = CUES.get(request.aim(), CUE)
    cued = [
        f"{t}{cue}" if request.instruction and not t.rstrip().endswith((":", "：")) else t
        for t in (*(s.text for s in shots), text)
    ]
    answered = [f"{t} {s.answer}" for t, s in zip(cued, shots, strict=False)]
    return "\n\n".join(part for part in (request.instruction, *answered, cued[-1]) if part)


def raw_prompt(shots: Sequence[Shot], text: str) -> str:
    """Shots and text as they are, a blank line between; the answer follows after a space."""
    return "\n\n".join([*(f"{s.text} {s.answer}" for s in shots), text])


def turns(request: Prompted, shots: Sequence[Shot], text: str) -> list[dict[str, str]]:
    """The turns of a chat, each with "role" and "content": one for each side of a shot, the instruction in the first."""
    made = []
    for shot in shots:
        made += [{"role": "user", "content": shot.text}, {"role": "assistant", "content": shot.answer}]
    made.append({"role": "user", "content": text})
    made[0]["content"] = "\n\n".join(part for part in (request.instruction, made[0]["content"]) if part)
    return made


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of the stop texts in it."""
    for s in stop:
        text = text.partition(s)[0]
    return text
