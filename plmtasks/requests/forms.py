"""Requests, answers and their parts as JSON values, and back."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

LATER = {"later": True}
"""Metadata of a field that is left out of the JSON where it holds its default: it came when results had been written without."""


def to_json(value: Any, whole: bool = False) -> Any:
    """Requests, answers and their parts as plain JSON values: dataclasses to objects, tuples to lists.

    whole: with those fields too that are left out at their defaults
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        held = {f: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {f.name: to_json(v, whole) for f, v in held.items() if whole or not (f.metadata.get("later") and v == f.default)}
    if isinstance(value, (tuple, list)):
        return [to_json(v, whole) for v in value]
    if isinstance(value, Mapping):
        return {k: to_json(v, whole) for k, v in value.items()}
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
        lacking = [place for name, place in places.items() if name not in value and name not in _later(form)]
        if lacking:
            raise KeyError(lacking[0])
        return form(**{n: from_json(hint, value[n], places[n]) for n, hint in _fields(form).items() if n in value})
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


@cache
def _later(form: Any) -> frozenset[str]:
    return frozenset(f.name for f in dataclasses.fields(form) if f.metadata.get("later"))


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)
