"""lm-eval's instances as requests, and the answers to these as what its tasks read."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from plmtasks.errors import InputError
from plmtasks.requests import (
    Answer,
    Choose,
    ChooseAnswer,
    Generate,
    GenerateAnswer,
    LogLikelihood,
    LogLikelihoodAnswer,
    Request,
)

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

SAMPLING = ("temperature", "top_p", "top_k", "num_beams")
"""Of an instance's `generation_kwargs`, what a request carries by the same name."""

MAX_GEN_TOKS = 256
"""Tokens of a text where nothing else is said, as in lm-eval's HFLM."""

KINDS = {"loglikelihood": "Choose", "loglikelihood_rolling": "LogLikelihood", "generate_until": "Generate"}
"""lm-eval's type of request → ours"""


def requests_of(instances: Sequence["Instance"]) -> list[Request]:
    """What is asked by the instances of one document, in their order.

    Log-likelihoods of neighbours after the same context are the choices of one `Choose`; a text that is drawn several times is as
    many `Generate`.

    raises: InputError for a way to generate that no request can carry
    """
    made: list[Request] = []
    for (kind, context), group in groupby(instances, lambda i: (i.request_type, i.args[0])):
        if kind == "loglikelihood":
            made.append(Choose(exact=True, text=context, choices=tuple(i.args[1] for i in group)))
        elif kind == "loglikelihood_rolling":
            made += [LogLikelihood(text=context, disjoint=True) for _ in group]
        else:
            made += [one for i in group for one in _generate(context, i.args[1], i.repeats or 1)]
    return made


def _generate(context: str, settings: Mapping[str, Any], repeats: int) -> Iterator[Generate]:
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
        yield Generate(exact=True, text=context, stop=stop, max_new_tokens=new, repeat=repeat if draws else 0, **sampling)


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
