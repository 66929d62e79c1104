"""What can be asked of a model, and what it answers.

Text and numbers, never tensors. The set is open: a plugin registers further pairs with
`register_requests`. Everything here survives JSON, `from_json(to_json(x)) == x`, but for `Several`, whose parts do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .base import Answer, Prompted, Request
from .forms import LATER


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """Characters [start, end) of the context."""

    start: int
    end: int
    score: float = 0.0
    """A probability, 0 to 1, among all spans and the abstention."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Likelihood:
    """How likely a text is."""

    log_likelihood: float
    """Natural logarithm, summed over the tokens."""
    tokens: int
    bytes: int
    """UTF-8 bytes of the scored text."""
    greedy: bool | None = field(default=None, metadata=LATER)
    """Whether greedy decoding would write it: each of its tokens is the likeliest in its place. None: nobody knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassifyAnswer(Answer):
    """How likely each label is."""

    scores: tuple[float, ...]
    """One probability a label, in the order of the request's labels; they sum to 1 unless `multi_label`."""


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RegressAnswer(Answer):
    """A number."""

    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Regress(Request):
    """Which number?"""

    answer_type = RegressAnswer
    text: str
    text_pair: str | None = None
    low: float | None = None
    """The least that the number can be, and"""
    high: float | None = None
    """the most: what is known of the scale. An answer may lie beyond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TagAnswer(Answer):
    """The words' labels."""

    labels: tuple[str, ...]
    """One label a word, legal under the scheme (an I- follows its B- or I-)."""


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractSpanAnswer(Answer):
    """Parts of the context, and how likely it is that none answers."""

    spans: tuple[Span, ...]
    """Best first; empty only if the context has no word."""
    no_answer: float = 0.0
    """The probability that the context holds no answer; 0 where the request may not abstain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtractSpan(Request):
    """Which part of the context answers the question?"""

    answer_type = ExtractSpanAnswer
    question: str
    context: str
    may_abstain: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ChooseAnswer(Answer):
    """How likely each choice is behind the prompt."""

    choices: tuple[Likelihood, ...]
    """One for each choice, in the request's order."""
    scored: bool = field(default=False, metadata=LATER)
    """One scorer read each choice with the text: the log-likelihoods are those of the choices among one another, whatever their
    length, and there is nothing to divide by it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choose(Prompted):
    """Which continuation is likeliest?"""

    answer_type = ChooseAnswer
    learned_by = ("encoder",)
    choices: tuple[str, ...]
    pair_text: str = field(default="", metadata=LATER)
    """What a scorer of pairs reads beside each of `pair_choices`, where they are told: without a prompt's words around it."""
    pair_choices: tuple[str, ...] = field(default=(), metadata=LATER)
    """For each choice the second text of its pair: the question with the choice, or how the text goes on. Empty: a scorer reads
    `text` and each of `choices`."""

    def pairs(self) -> list[tuple[str, str]]:
        """For each choice the two texts that a scorer of pairs reads."""
        first = self.pair_text if self.pair_choices else self.text
        return [(first, second) for second in self.pair_choices or self.choices]

    def answered(self, answer: ChooseAnswer) -> str:
        return self.choices[max(range(len(self.choices)), key=lambda i: answer.choices[i].log_likelihood)]

    def likelihoods(self, answer: ChooseAnswer) -> Iterator[tuple[str, int]]:
        return ((text, found.tokens) for text, found in zip(self.choices, answer.choices, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class SeveralAnswer(Answer):
    """An answer to each of several requests."""

    answers: tuple[Answer, ...]
    """In the order of the requests."""

    def texts(self) -> Iterator[str]:
        for answer in self.answers:
            yield from answer.texts()


@dataclass(frozen=True, kw_only=True, slots=True)
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


BUILT_IN: tuple[type[Request], ...] = (Classify, Regress, Tag, ExtractSpan, Choose, LogLikelihood, Generate)
