"""Settings as text: how they are written on the command line, and what each means.

Lists are written as A,B and settings as KEY=VALUE,KEY=VALUE; both as JSON where need be.
"""

import ast
import inspect
import itertools
import json
import re
import sys
import types as kinds
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

from ..errors import InputError
from .toml import in_words

NEXT = re.compile(r",(?=\s*[\w.-]+\s*=(?!=))")
"""The comma before another KEY=; one that stands in a value, as in join(',', words), parts nothing."""

JSON = ('"', "[", "{")
"""What JSON begins with that is taken as a whole."""


def split(text: str) -> list[tuple[str, str]]:
    """(key, text of its value) of each setting; what has no = has no key."""
    found = []
    while text:
        head = re.match(r"([^=,]*)=(?!=)", text)
        rest = text[head.end() :] if head else text
        end = _json_end(rest) if head else rest.find(",")
        if end is None or end < 0:
            following = NEXT.search(rest) if head else None
            end = following.start() if following else len(rest)
        found.append((head[1].strip() if head else "", rest[:end].strip()))
        text = rest[end + 1 :]
    return found


def _json_end(text: str) -> int | None:
    """Where the JSON ends that a text begins with, if it begins with some and another setting or nothing follows."""
    if not text.startswith(JSON):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return end if text[end : end + 1] in ("", ",") else None


def several(text: str) -> tuple[str, ...]:
    """A list of texts: A,B, or JSON for such as have a comma in them.

    raises: ValueError
    """
    if text.startswith("["):
        found = json.loads(text)
        if not all(isinstance(one, str) for one in found):
            raise ValueError("a list of texts")
        return tuple(found)
    return tuple(name.strip() for name in text.split(",") if name.strip())


def read(hint: Any, text: str) -> Any:
    """A value of a setting's type.

    raises: ValueError if it is none
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, kinds.UnionType):
        return read(next(one for one in inner if one is not kinds.NoneType), text)
    if origin is tuple:
        return several(text)
    if hint is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if origin is Mapping or hint is bool:
        found = json.loads(text)
        if not isinstance(found, dict if origin is Mapping else bool):
            raise ValueError(text)
        return found
    if hint is Any:
        try:
            return json.loads(text.lower() if text in ("True", "False") else text)
        except ValueError:
            return text
    if hint in (int, float):
        return hint(text)
    return json.loads(text) if text.startswith('"') else text


def written(value: Any) -> str:
    """The text that is read as this value; a tuple is a list of texts."""
    if isinstance(value, tuple) and not any("," in one or one.startswith(JSON) for one in value):
        return ",".join(value)
    if (
        isinstance(value, str)
        and value == read(Any, value) == value.strip()
        and not (value.startswith("=") or NEXT.search(value))
    ):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def typed(hint: Any, text: str, name: str) -> Any:
    """raises: InputError if a text is no value of that type"""
    try:
        return read(hint, text)
    except ValueError as e:
        raise InputError(f"{name}: expected {in_words(hint)}, found {text!r}") from e


def meanings(form: type) -> Iterator[str]:
    """A line for each setting of a class: its name, what it means, and its default."""
    width = max(map(len, defaults(form)))
    for name, default in defaults(form).items():
        yield f"{name:{width}}  {documented(form)[name]}" + f" (default: {default})" * bool(default)


def defaults(form: type) -> dict[str, str]:
    """The settings of a class with their defaults as text; empty where there is none."""
    found = {}
    for f in fields(form):
        value = f.default if f.default is not MISSING else ()
        found[f.name] = "" if value is None or value is False or value in ((), "") else written(value)
    return found


@cache
def documented(form: type) -> dict[str, str]:
    """What stands under the fields of a class of settings."""
    tree = ast.parse(inspect.getsource(sys.modules[form.__module__]))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == form.__name__)
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return found
