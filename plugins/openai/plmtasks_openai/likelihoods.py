"""How likely a text is, from the log-probabilities that a server gives of a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from plmtasks.requests import Likelihood, LogLikelihood, LogLikelihoodAnswer

from .connection import PREFIX_TOKEN

ECHO = {"max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
"""What asks /completions for the prompt's own tokens. Some servers take 0 new tokens for any number, so one is written."""
LISTED = {"max_tokens": 1, "temperature": 0}
LISTED_MORE = {"prompt_logprobs": 0}
"""What asks vLLM's /chat/completions for them: of each place the token that stands there, and its rank."""


BEFORE = f"--model-args {PREFIX_TOKEN}='<|endoftext|>', or what the model has for it, puts a token before it"


class NoLikelihood(ValueError):
    """What came back tells no log-probabilities of the prompt, or others."""

    def __init__(self, what: str, *hints: str) -> None:
        """hints: what helps; none: another server"""
        super().__init__(what)
        self.hints = hints


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a server tells of a token of the prompt."""

    text: str
    log_likelihood: float | None
    """None: it says nothing, as of the first."""
    likeliest: bool | None


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Of the tokens of a text together."""

    log_likelihood: float
    tokens: int
    likeliest: int
    ranked: bool
    """Whether the server tells which tokens are the likeliest."""

    def likelihood(self, text: str) -> Likelihood:
        greedy = self.likeliest == self.tokens if self.ranked else None
        return Likelihood(log_likelihood=self.log_likelihood, tokens=self.tokens, bytes=len(text.encode()), greedy=greedy)

    def answer(self, request: LogLikelihood) -> LogLikelihoodAnswer:
        return LogLikelihoodAnswer(
            log_likelihood=self.log_likelihood, tokens=self.tokens, words=len(request.text.split()),
            bytes=len(request.text.encode()), likeliest=self.likeliest,
        )  # fmt: skip


def echoed(completion: Any, prompt: str) -> list[Told]:
    """The tokens of the prompt that /completions repeats; what it wrote behind them is left out.

    raises: NoLikelihood; TypeError and its kin if it is no completion
    """
    choice, usage = completion.choices[0], completion.usage
    found = choice.logprobs
    if not isinstance(choice.text, str):
        raise TypeError(f"{choice.text!r} for a text")
    if found is None or not found.token_logprobs:
        raise NoLikelihood("null for its log-probabilities")
    written = 1 if usage is None else int(usage.completion_tokens)
    tops = found.top_logprobs or [None] * len(found.tokens)
    told = [
        Told(text=token, log_likelihood=own, likeliest=None if own is None or not top else own >= max(top.values()))
        for token, own, top in zip(found.tokens, found.token_logprobs, tops, strict=True)
    ]
    if len(told) <= written:
        raise NoLikelihood(f"log-probabilities of what it wrote, {choice.text[:40]!r}, and none of the prompt")
    if written and "".join(found.tokens).endswith(prompt) and choice.text != prompt:
        raise NoLikelihood("log-probabilities moved by a token, as llama-cpp-python's are of a model without a BOS token")
    return told[: len(told) - written]


def listed(completion: Any) -> list[Told]:
    """The tokens of a chat's prompt, by vLLM's `prompt_logprobs`.

    raises: NoLikelihood; TypeError and its kin if it is no completion
    """
    if not isinstance(completion.choices[0].message.role, str):
        raise TypeError("no message")
    found = (completion.model_extra or {}).get("prompt_logprobs")
    if not found:
        raise NoLikelihood("no `prompt_logprobs` of a chat")
    told = []
    for place in found:
        one: dict[str, Any] = next(iter(place.values())) if place else {}
        ranked = None if one.get("rank") is None else one["rank"] == 1
        told.append(Told(text=one.get("decoded_token") or "", log_likelihood=one.get("logprob"), likeliest=ranked))
    return told


def boundary(told: Sequence[Told], head: str, prompt: str) -> int | None:
    """How many of the prompt's tokens are those of its head; None: their texts do not tell, or one stands across its end."""
    whole = "".join(t.text for t in told)
    if not whole.endswith(prompt):  # pieces of characters have no text of their own
        return None
    ends = list(accumulate(len(t.text) for t in told))
    end = len(whole) - len(prompt) + len(head)  # before the prompt stands what the server put there: the beginning, a space
    known = sum(e <= end for e in ends)
    return known if not head or end in ends else None


def tally(told: Sequence[Told], known: int, text: str) -> Tally:
    """Of the tokens behind the first `known`.

    raises: NoLikelihood
    """
    own = told[known:]
    if not own:
        raise NoLikelihood(f"no token of {text[:80]!r} alone", "its tokenizer joins it to what stands before it: leave it out")
    numbers = [t.log_likelihood for t in own if t.log_likelihood is not None]
    if len(numbers) < len(own):
        raise NoLikelihood(f"null for the first token of {text[:80]!r}, a text without a context", BEFORE)
    return Tally(
        log_likelihood=float(sum(numbers)), tokens=len(own), likeliest=sum(bool(t.likeliest) for t in own),
        ranked=all(t.likeliest is not None for t in own),
    )  # fmt: skip


def parted(context: str, text: str) -> tuple[str, str]:
    """The same, with the white space at the end of the context before the text.

    source: `_encode_pair` of lm-evaluation-harness
    """
    head = context.rstrip()
    return head, context[len(head) :] + text
