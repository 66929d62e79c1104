"""What is wrong with a call from Python is said as it is on the command line, and editors see every parameter by name."""

import inspect
import json
import logging
import numbers
import os
import re
import threading
import types
import typing
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar

from .config import GROUPS, PARTS, Generation, TrainSettings, known
from .errors import InputError, PlmtasksError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose parameters are those that it names and those of its settings, each of its type.

    Its values come plain: a path as text, a sequence as a tuple, a number of numpy as a number.

    raises, when it is called: InputError for a parameter that it has not, or that is missing, or of another type
    """
    signature = _signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = _bound(function, signature, args, kwargs)
            with CALLS, libraries_silent():
                return function(*bound.args, **bound.kwargs)
        except PlmtasksError as e:
            raise plain(e, signature.parameters) from None
        except KeyboardInterrupt:
            kept = ["interrupted: the same call goes on from here"] * ("output" in signature.parameters)
            raise KeyboardInterrupt(*kept) from None

    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def _bound(
    function: Callable[..., Any], signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """What a function is given, each of its type.

    raises: InputError
    """
    name = function.__name__
    try:
        known(kwargs, signature.parameters, f"parameter of {name}")
        bound = signature.bind(*args, **kwargs)
    except InputError as e:
        few = [f"it takes {', '.join(signature.parameters)}"] * (len(signature.parameters) <= FEW)
        raise InputError(e.message, *(e.hints or few)) from None
    except TypeError as e:
        needed = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY and p.default is p.empty]
        example = ", ".join(f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in needed)
        raise InputError(f"{name}: {e}", f"plmtasks.{name}({example}, …)") from None
    for parameter in map(signature.parameters.__getitem__, bound.arguments):
        given, rest = bound.arguments[parameter.name], parameter.kind is parameter.VAR_POSITIONAL
        told = [taken(parameter.name, parameter.annotation, one) for one in (given if rest else [given])]
        bound.arguments[parameter.name] = tuple(told) if rest else told[0]
    return bound


FEW = 12
"""Parameters that an error lists."""

LOG = logging.getLogger("plmtasks")

CALLS = threading.RLock()
"""Of threads that call, one goes on and the others wait: libraries are loaded, seeded and silenced for a whole process."""


def plain(error: PlmtasksError, parameters: Collection[str]) -> PlmtasksError:
    """An error as Python says it, without the way that led to it, which is logged at the level DEBUG."""
    LOG.debug("%s", error.message, exc_info=error)
    error.message, *hints = (as_python(text, parameters) for text in (error.message, *error.hints))
    error.args, error.hints = (error.message,), tuple(hints)
    return error.with_traceback(None)


OPTION = re.compile(r"--([a-z][a-z-]*[a-z])(?:[ =](\w+=[^\s,;]+|[\w.]*\w))?")
"""An option of the command line, and perhaps what it is given."""


def as_python(text: str, parameters: Collection[str]) -> str:
    """A message with parameters in the place of options: `--holdout 0.2` is holdout=0.2; a command stays one."""

    def told(found: re.Match[str]) -> str:
        name, value = found[1].replace("-", "_"), found[2] or ""
        if name not in parameters:
            return found[0]
        key, is_pair, one = value.partition("=")
        if is_pair:
            return f'{name}={{"{key}": "{one}"}}'
        if value in typing.get_args(Settings.__annotations__.get(name)):
            return f'{name}="{value}"'
        if value[:1].isdigit() or (value.isupper() and len(value) > 1):
            return f"{name}={value}"
        return (f"{name}=True" if DEFAULTS.get(name) is False else name) + f" {value}" * bool(value)

    return text if text.startswith("plmtasks ") else OPTION.sub(told, text)


@contextmanager
def libraries_silent() -> Iterator[None]:
    """Of warnings, ours alone are shown, at the caller's own line; those of libraries go to the log at the level DEBUG."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def mine(message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any, **more: Any) -> None:
            if not category.__module__.startswith("plmtasks"):
                LOG.debug("%s:%s: %s: %s", filename, lineno, category.__name__, message)
                return
            frame = inspect.currentframe()
            while frame is not None and (frame.f_globals.get("__name__") or "").startswith(OURS):
                frame = frame.f_back
            place = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else (filename, lineno)
            show(category(as_python(str(message), DEFAULTS)), category, *place, *rest, **more)

        warnings.showwarning = mine
        yield


OURS = ("plmtasks", "warnings", "contextlib")
"""Modules whose lines no caller wrote."""


def one_by_one(iterator: Iterator[T]) -> Iterator[T]:
    """The same, each computed as within a call."""
    while True:
        try:
            with CALLS, libraries_silent():
                found = next(iterator)
        except StopIteration:
            return
        except PlmtasksError as e:
            raise plain(e, DEFAULTS) from None
        yield found


def is_frame(given: Any) -> bool:
    """Whether it is a frame of pandas, which is not imported for that."""
    return hasattr(given, "columns") and hasattr(given, "to_json")


def rows(given: Any) -> Any:
    """A frame as its rows, in which None stands for what is missing; whatever else as it is.

    raises: InputError for a frame that cannot be written as JSON
    """
    if not is_frame(given):
        return given
    try:
        return json.loads(given.to_json(orient="records", date_format="iso", double_precision=15))
    except (TypeError, ValueError, OverflowError) as e:
        raise InputError(f"the frame cannot be read: {e}", "choose columns by frame[[name, …]]") from e


def questions(inputs: Any) -> Any:
    """The inputs of `predict`; of several, each is looked at when it is asked for.

    raises: InputError for one that is no question
    """
    inputs = rows(inputs)
    if isinstance(inputs, str) and "." in inputs and "\n" not in inputs and Path(inputs).is_file():
        raise InputError(f"{inputs!r} is a file", f"its lines are asked as Path({inputs!r}), the text itself as [{inputs!r}]")
    if isinstance(inputs, (str, Mapping, os.PathLike)):
        return inputs
    taken("inputs", str | Mapping[str, Any] | Iterable[Any] | os.PathLike[str], inputs)
    return (_question(number, one) for number, one in enumerate(inputs))


def _question(number: int, given: Any) -> Any:
    question = taken(f"inputs[{number}]", str | Mapping[str, Any], given)
    try:
        json.dumps(question)
    except (TypeError, ValueError) as e:
        raise InputError(f"inputs[{number}] cannot be written as JSON: {e}", "texts, numbers and lists of them can") from e
    return question


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """The function's, with its settings one by one in the place of `**settings`."""
    found, parameters = inspect.signature(function), []
    for parameter in found.parameters.values():
        unpacked = typing.get_args(parameter.annotation)
        if parameter.kind is parameter.VAR_KEYWORD and unpacked:
            parameters += [
                inspect.Parameter(name, parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=hint)
                for name, hint in unpacked[0].__annotations__.items()
                if name not in found.parameters
            ]
        else:
            parameters.append(parameter)
    return found.replace(parameters=parameters)


def _defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for form in (*GROUPS.values(), *reversed(list(PARTS.values()))):
        for f in fields(form):
            made = f.default if f.default_factory is MISSING else f.default_factory()
            found[f.name] = {} if f.name in GROUPS else made
    return found


DEFAULTS = _defaults()
"""Setting → what it is where it is not named."""


def taken(name: str, hint: Any, value: Any) -> Any:
    """A parameter's value, plain.

    raises: InputError if it is not of the type
    """
    found = _plain(hint, value)
    if found is MISSING:
        said = f"{name} is {_words(hint)}, not {type(value).__name__}: {' '.join(repr(value).split())[:60]}"
        hints = ['a file of it is made by .to_csv("data.csv", index=False)'] * is_frame(value)
        raise InputError(said, *hints, *["the model that learned for a result is its .checkpoint"] * hasattr(value, "checkpoint"))
    return found


def _plain(hint: Any, value: Any) -> Any:
    """MISSING: it is not of the type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or hint is inspect.Parameter.empty or isinstance(hint, str):  # what its annotation only names, it checks
        return value
    if origin in (typing.Union, types.UnionType):
        return next((found for found in (_plain(one, value) for one in inner) if found is not MISSING), MISSING)
    if origin is Literal:
        return value  # what it may be is said by `run_config`
    if origin is Mapping:
        return value if isinstance(value, Mapping) else MISSING
    if origin is Iterable:  # it may be read once alone
        return value if isinstance(value, Iterable) else MISSING
    if origin is Sequence:
        return _listed(inner[0], value)
    return _single(origin or hint, value)


def _listed(hint: Any, value: Any) -> Any:
    """One text stands for itself."""
    if isinstance(value, str):
        return value if hint is str else MISSING
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        return MISSING
    made = tuple(_plain(hint, one) for one in value)
    return MISSING if any(one is MISSING for one in made) else made


def _single(form: Any, value: Any) -> Any:
    if form is int or form is float:
        kind = numbers.Integral if form is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return MISSING
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    if not isinstance(value, form):
        return MISSING
    return os.fspath(value) if form is os.PathLike else value


WORDS = {
    str: "a text", int: "a whole number", float: "a number", bool: "True or False", types.NoneType: "None", os.PathLike: "a path",
}  # fmt: skip


def _words(hint: Any) -> str:
    """A type as a person says it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_words, inner)))
    if origin is Mapping:
        return "a dict"
    if origin in (Sequence, Iterable):
        return f"a list of {_words(inner[0]).removeprefix('a ')}s" if inner[0] in WORDS else "a list"
    form = origin or hint
    return WORDS.get(form, f"a {getattr(form, '__name__', form)}")


# Written by `python tests/settings.py` from the classes of `config`, where each has its meaning and its default.


class Settings(TypedDict, total=False):
    """The settings of a run: all but `seed` and `output`, which are parameters of their own."""

    # Source
    data: str | os.PathLike[str] | None
    train_data: str | os.PathLike[str] | None
    columns: Mapping[str, str]
    rows: str
    separator: str
    skip_bad_rows: bool
    holdout: float | None

    # ModelSettings
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    batch_tokens: int
    threads: int
    kernels: Literal["auto", "plain", "torch", "onednn", "compiled"]
    truncation: Literal["auto", "error", "left", "right", "window", "skip"]
    prompt: Literal["plain", "raw", "chat"]
    system: str
    reasoning: str
    generation: Generation | Mapping[str, Any]
    stride: int
    model_args: Mapping[str, Any]
    trust_remote_code: bool

    # RunConfig
    split: str | None
    limit: int | None
    folds: int | None
    shots: int | None
    shots_from: Literal["fixed", "per-example"]
    repeats: int
    metrics: Sequence[str]
    perturb: Sequence[str]
    overlap: bool
    groups: str | os.PathLike[str] | None
    predictions_of: str | os.PathLike[str] | None
    ask: str | None
    train: Literal["auto", "never", "always"]
    allow_untrained: bool
    training: TrainSettings | Mapping[str, Any]
    processes: int
    on: str
    checkpoints: str | os.PathLike[str]
    retry_oom: bool
    yes: bool
    quiet: bool

    # Generation
    num_beams: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    length_penalty: float | None
    max_new_tokens: int | None

    # TrainSettings
    num_train_epochs: float | None
    learning_rate: float | None
    warmup_steps: float
    weight_decay: float
    train_batch_size: int | None
    gradient_accumulation_steps: int
    max_grad_norm: float
    optim: str
    optim_args: Mapping[str, Any]
    lr_scheduler_type: str
    lr_scheduler_kwargs: Mapping[str, Any]
    label_smoothing_factor: float
    class_weights: str
    freeze: Sequence[str]
    gradient_checkpointing: bool
    peft: str
    peft_args: Mapping[str, Any]
    mlm_probability: float
    whole_word_mask: bool
    mean_noise_span_length: float
    mixing: str
    early_stopping_patience: int | None
    report_to: Sequence[str]
    select_split: str | None
    max_train_samples: int | None
    save_minutes: float


class ScoreSettings(TypedDict, total=False):
    """Those of them that `plmtasks.score` takes."""

    data: str | os.PathLike[str] | None
    columns: Mapping[str, str]
    rows: str
    separator: str
    skip_bad_rows: bool
    trust_remote_code: bool
    split: str | None
    metrics: Sequence[str]
