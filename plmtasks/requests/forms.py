"""Requests, answers and their parts as JSON values, and back."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from json.encoder import encode_basestring
from typing import Any

LATER = {"later": True}
"""Metadata of a field that is left out of the JSON where it holds its default: it came when results had been written without."""


ALWAYS = object()
"""The default of a field that is never left out."""

CONSTANTS = {None: "null", True: "true", False: "false"}

_line = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode

PLAIN = frozenset({str, int, float, bool, types.NoneType})
"""Types of values that are what they are in JSON."""


def to_json(value: Any, whole: bool = False) -> Any:
    """Requests, answers and their parts as plain JSON values: dataclasses to objects, tuples to lists.

    whole: with those fields too that are left out at their defaults
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is tuple or isinstance(value, (tuple, list)):
        return [v if type(v) in PLAIN else to_json(v, whole) for v in value]
    if dataclasses.is_dataclass(kind):
        held = ((name, getattr(value, name), default) for name, default in _defaults(kind))
        return {name: to_json(v, whole) for name, v, default in held if whole or default is ALWAYS or v != default}
    if isinstance(value, Mapping):
        return {k: to_json(v, whole) for k, v in value.items()}
    return value


def as_line(value: Any) -> str:
    """What `to_json` gives, as JSON on one line with sorted keys.

    Fields that are texts, as most are, are written one by one: it is called a million times.
    """
    if not dataclasses.is_dataclass(kind := type(value)):
        return _written(value)
    parts = []
    for name, quoted, default in _in_order(kind):
        held = getattr(value, name)
        if default is ALWAYS or held != default:
            parts.append(f"{quoted}: {_written(held)}")
    return f"{{{', '.join(parts)}}}"


def _written(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if value is None or kind is bool:
        return CONSTANTS[value]
    if kind is tuple and set(map(type, value)) == {str}:
        return _listed(value)
    return _line(to_json(value))


@lru_cache(256)
def _listed(texts: tuple[str, ...]) -> str:
    """The labels of a million requests are the same."""
    return _line(texts)


def from_json(form: Any, value: Any, at: str = "") -> Any:
    """The inverse of `to_json`, for a value of the type `form`.

    at: where it stands within a whole, for the error

    raises: TypeError, KeyError or ValueError if the value has not that form
    """
    try:
        return _reader(form)(value)
    except (TypeError, KeyError, ValueError):
        return _told(form, value, at)


@cache
def _reader(form: Any) -> Callable[[Any], Any]:
    """What reads a value of that type as `_told` does, without telling where it is another: it is called a million times.

    raises: TypeError, KeyError or ValueError if the value has not that form
    """
    origin, inner = typing.get_origin(form), typing.get_args(form)
    if isinstance(form, type) and dataclasses.is_dataclass(form):
        fields = [(name, _reader(hint), name not in _later(form)) for name, hint in _fields(form).items()]

        def made(value: Any) -> Any:
            if type(value) is not dict:
                raise TypeError(form)
            return form(**{name: read(value[name]) for name, read, always in fields if always or name in value})

        return made
    if origin is tuple:
        read = _reader(inner[0])

        def several(value: Any) -> Any:
            if type(value) is not list:
                raise TypeError(form)
            return tuple([read(v) for v in value])

        return several
    if form in PLAIN:
        kinds = (int, float) if form is float else (form,)

        def plain(value: Any) -> Any:
            if type(value) not in kinds:
                raise TypeError(form)
            return value

        return plain
    return lambda value: _told(form, value, "")


def _told(form: Any, value: Any, at: str) -> Any:
    """`from_json`, which tells of a value that has not that form where it stands."""
    origin, inner = typing.get_origin(form), typing.get_args(form)
    is_object = isinstance(form, type) and dataclasses.is_dataclass(form)
    if (is_object or origin is Mapping) and not isinstance(value, Mapping):
        raise TypeError(_unlike(at, "an object", value))
    if is_object:
        places = {name: f"{at}.{name}".strip(".") for name in _fields(form)}
        lacking = [place for name, place in places.items() if name not in value and name not in _later(form)]
        if lacking:
            raise KeyError(lacking[0])
        return form(**{n: _told(hint, value[n], places[n]) for n, hint in _fields(form).items() if n in value})
    if origin is Mapping:
        return dict(value)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise TypeError(_unlike(at, "a list", value))
        return tuple(_told(inner[0], v, f"{at}[{i}]") for i, v in enumerate(value))
    if origin in (typing.Union, types.UnionType):
        one = next(a for a in inner if a is not types.NoneType)
        return None if value is None else _told(one, value, at)
    if origin is typing.Literal:
        if value not in inner:
            raise ValueError(_unlike(at, f"one of {', '.join(map(str, inner))}", value))
        return value
    if form is not Any and not isinstance(value, (int, float) if form is float else form):
        raise TypeError(_unlike(at, form.__name__, value))
    return value


@cache
def _in_order(form: Any) -> tuple[tuple[str, str, Any], ...]:
    """As `_defaults`, sorted by the names, each of which stands there as JSON too."""
    return tuple((name, encode_basestring(name), default) for name, default in sorted(_defaults(form), key=lambda one: one[0]))


def _unlike(at: str, expected: str, value: Any) -> str:
    return f"{at + ': ' * bool(at)}expected {expected}, found {value!r:.80}"


@cache
def _fields(form: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(form)
    return {f.name: hints[f.name] for f in dataclasses.fields(form)}


@cache
def _defaults(form: Any) -> tuple[tuple[str, Any], ...]:
    """Of each field its name, and the default at which it is left out."""
    return tuple((f.name, f.default if f.metadata.get("later") else ALWAYS) for f in dataclasses.fields(form))


@cache
def _later(form: Any) -> frozenset[str]:
    return frozenset(f.name for f in dataclasses.fields(form) if f.metadata.get("later"))


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)
