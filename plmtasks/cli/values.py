"""How values are written on the command line: lists as A,B and settings as KEY=VALUE,KEY=VALUE; both as JSON where need be."""

import json
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

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
    if origin in (typing.Union, types.UnionType):
        return read(next(one for one in inner if one is not types.NoneType), text)
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
    if isinstance(value, str) and value == read(Any, value) and not NEXT.search(value):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
