"""lm-eval's instances as requests, and the answers to these as what its tasks read."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from plmtasks.errors import InputError
from plmtasks.requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Generate,
    GenerateAnswer,
    Likelihood,
    LogLikelihood,
    LogLikelihoodAnswer,
    Request,
    Several,
    Turn,
    to_json,
)

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

SAMPLING = ("temperature", "top_p", "top_k", "num_beams")
"""Of an instance's `generation_kwargs`, what a request carries by the same name."""

MAX_GEN_TOKS = 256
"""Tokens of a text where nothing else is said, as in lm-eval's HFLM."""

KINDS = {"loglikelihood": "Choose", "loglikelihood_rolling": "LogLikelihood", "generate_until": "Generate"}
"""lm-eval's type of request → ours"""

FORMS: Mapping[str, type[Request]] = {"Choose": Choose, "LogLikelihood": LogLikelihood, "Generate": Generate}


@dataclass
class Chats:
    """Stands for a model's chat template where lm-eval makes prompts, and keeps the turns: the template is the model's own."""

    made: list[tuple[Turn, ...]] = field(default_factory=list)

    def __call__(self, turns: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """A text that stands for these turns; whatever a task puts behind it stays there."""
        self.made.append(tuple(Turn(role=turn["role"], content=turn["content"]) for turn in turns))
        return f"\x00{len(self.made) - 1}\x00"

    def parts(self, text: str) -> dict[str, Any]:
        """The turns that a prompt stands for, and what is behind them; or the prompt as it is."""
        found = re.match(r"\x00(\d+)\x00", text)
        return {"turns": self.made[int(found[1])], "text": text[found.end() :]} if found else {"text": text}


PLAIN = Chats()
"""Of prompts that are no chat."""


def requests_of(instances: Sequence["Instance"], chats: Chats = PLAIN, *, apart: bool = False) -> list[Request]:
    """What is asked by the instances of one document, in their order.

    Log-likelihoods of neighbours after the same context are the choices of one `Choose`; a text that is drawn several times is as
    many `Generate`.

    apart: a temperature of the user's draws texts, whatever the instances say

    raises: InputError for a way to generate that no request can carry
    """
    made: list[Request] = []
    for (kind, context), group in groupby(instances, lambda i: (i.request_type, i.args[0])):
        if kind == "loglikelihood":
            made.append(Choose(exact=True, **chats.parts(context), choices=tuple(i.args[1] for i in group)))
        elif kind == "loglikelihood_rolling":
            made += [LogLikelihood(text=context, disjoint=True) for _ in group]
        else:
            made += [one for i in group for one in _generate(chats.parts(context), i.args[1], i.repeats or 1, apart)]
    return made


def _generate(prompt: Mapping[str, Any], settings: Mapping[str, Any], repeats: int, apart: bool) -> Iterator[Generate]:
    from lm_eval.models.utils import normalize_gen_kwargs

    told: dict[str, Any] = dict(normalize_gen_kwargs(dict(settings), MAX_GEN_TOKS))
    until, new, draws = told.pop("until"), told.pop("max_gen_toks"), told.pop("do_sample")
    sampling = {name: told.pop(name) for name in SAMPLING if told.get(name) is not None}
    if told:
        raise InputError(f"generation_kwargs {', '.join(told)}: no request carries that", f"it carries: {', '.join(SAMPLING)}")
    if not draws:
        sampling = {"num_beams": sampling.get("num_beams", 1)}
    stop = tuple(text for text in until if text)
    for repeat in range(repeats):
        # without drawing, all of them are the same text
        yield Generate(exact=True, **prompt, stop=stop, max_new_tokens=new, repeat=repeat if draws or apart else 0, **sampling)


def responses(instances: Sequence["Instance"], answers: Sequence[Answer]) -> list[list[Any]]:
    """What lm-eval calls the responses to each instance, one for each of its repeats.

    A log-likelihood with whether greedy decoding would write it, a log-likelihood, or a text.

    answers: to `requests_of` the same instances
    """
    left, made = iter(answers), list[list[Any]]()
    for (kind, _), group in groupby(instances, lambda i: (i.request_type, i.args[0])):
        if kind == "loglikelihood":
            found = cast(ChooseAnswer, next(left)).choices
            pairs = zip(group, found, strict=True)
            made += [[(choice.log_likelihood, bool(choice.greedy))] * (i.repeats or 1) for i, choice in pairs]
        elif kind == "loglikelihood_rolling":
            made += [[cast(LogLikelihoodAnswer, next(left)).log_likelihood] * (i.repeats or 1) for i in group]
        else:
            made += [[cast(GenerateAnswer, next(left)).text for _ in range(i.repeats or 1)] for i in group]
    return made


def as_inputs(requests: Sequence[Request]) -> dict[str, Any]:
    """What is asked about a document, as inputs of an example: all that is not at its default. `as_request` is the inverse."""
    [*told] = map(_told, requests)
    return told[0] if len(told) == 1 else {"requests": told}


def _told(request: Request) -> dict[str, Any]:
    values = {f.name: to_json(getattr(request, f.name)) for f in dataclasses.fields(request) if _is_said(request, f)}
    return {"ask": request.kind(), **values}


def _is_said(request: Request, one: "dataclasses.Field[Any]") -> bool:
    value = getattr(request, one.name)
    return bool(value != ("" if one.default is dataclasses.MISSING else one.default))


def as_request(inputs: Mapping[str, Any]) -> Request:
    """The request that an example's inputs tell: several where they tell of several."""
    if "requests" in inputs:
        return Several(requests=tuple(map(as_request, inputs["requests"])))
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in inputs.items()}
    told |= {"turns": tuple(Turn(**turn) for turn in told["turns"])} if "turns" in told else {}
    return FORMS[inputs["ask"]](**{"text": "", **{name: value for name, value in told.items() if name != "ask"}})


def as_value(request: Request, answer: Answer) -> Any:
    """The answer as a prediction: a text; of choices, each log-likelihood and whether it is what greedy decoding writes; or one
    log-likelihood. A list of these where there are several requests. `as_answers` is the inverse.
    """
    told = [_said(one) for one in request.apart(answer)]
    return told if isinstance(request, Several) else told[0]


def _said(answer: Any) -> Any:
    if isinstance(answer, ChooseAnswer):
        # scores of choices against one another tell the same where the best is 0, and that is the best by any length too
        best = max(choice.log_likelihood for choice in answer.choices) if answer.scored else 0.0
        return [[choice.log_likelihood - best, bool(choice.greedy)] for choice in answer.choices]
    return answer.text if isinstance(answer, GenerateAnswer) else answer.log_likelihood


def as_answers(inputs: Mapping[str, Any], value: Any) -> list[Answer]:
    """What a prediction tells of the answers to what was asked.

    raises: ValueError if it is no prediction of such a document
    """
    asked = inputs.get("requests", [inputs])
    told = value if "requests" in inputs else [value]
    if not isinstance(told, list) or len(told) != len(asked):
        raise ValueError(f"a prediction of {len(asked)} answers is expected, not {value!r:.80}")
    return [_answer(one["ask"], said) for one, said in zip(asked, told, strict=True)]


def _answer(kind: str, said: Any) -> Answer:
    if kind == "Choose":
        found = [Likelihood(log_likelihood=float(ll), tokens=1, bytes=1, greedy=greedy) for ll, greedy in said]
        return ChooseAnswer(choices=tuple(found))
    if kind == "LogLikelihood":
        return LogLikelihoodAnswer(log_likelihood=float(said), tokens=1, words=1, bytes=1)
    if not isinstance(said, str):
        raise ValueError(f"a text is expected, not {said!r:.80}")
    return GenerateAnswer(text=said)
