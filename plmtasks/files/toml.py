"""A TOML file, whose mistakes are told with file and line."""

import bisect
import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import DataError, InputError, did_you_mean
from .documents import NAMES, check_file

Key = str | int
T = TypeVar("T")


@dataclass(frozen=True)
class TomlFile:
    """What a TOML file says, and where."""

    path: Path
    text: str
    """Empty where the lines are not known."""
    content: Mapping[str, Any]

    def where(self, *keys: Key) -> str:
        """ "file:line" of what the keys lead to, as far as they lead; the file alone if they lead nowhere.

        keys: of tables, and places in lists, from 0
        """
        while keys and not _leads(self.content, keys):
            keys = keys[:-1]
        return f"{self.path}:{line_of(self.text, keys)}" if keys and self.text else str(self.path)

    def check(self, hint: Any, value: Any, *keys: Key) -> None:
        """raises: DataError if a value is not of a field's type"""
        if not fits(hint, value):
            raise DataError(self.where(*keys), f"{in_words(hint)} for {keys[-1]!r}", f"{value!r:.80}")

    def table(self, form: type[T], table: Any, *keys: Key) -> T:
        """A table as the dataclass that says its keys, their types and which of them may be left out.

        keys: those that lead to the table

        raises: DataError for a key that there is not, one that is missing, and a value of another type
        """
        header = f"[{'.'.join(map(str, keys))}]"
        place = f"in {header}" if keys else "at the top"
        if not isinstance(table, dict):
            raise DataError(self.where(*keys), f"a table {header}", f"{table!r:.80}")
        hints = typing.get_type_hints(form)
        fields = [f for f in dataclasses.fields(form) if f.init]  # type: ignore[arg-type]
        names = [f.name for f in fields]
        for key in table:
            if key not in names:
                raise DataError(
                    self.where(*keys, key), f"a key {place}: {', '.join(names)}", repr(key), *did_you_mean(key, names)
                )
        for f in fields:
            needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            if needed and f.name not in table:
                raise DataError(self.where(*keys), f"{f.name} = … {place}: {in_words(hints[f.name])}", "none")
        return form(**{key: self._value(hints[key], value, *keys, key) for key, value in table.items()})

    def _value(self, hint: Any, value: Any, *keys: Key) -> Any:
        inner = [one for one in (hint, *typing.get_args(hint)) if isinstance(one, type) and dataclasses.is_dataclass(one)]
        if inner:
            return self.table(inner[0], value, *keys)
        self.check(hint, value, *keys)
        return tuple(value) if isinstance(value, list) else value


def read_toml(path: Path, hint: str, words: Mapping[str, str] | None = None) -> TomlFile:
    """A TOML file.

    hint: what such a file is, for who named another
    words: what stands in it, and what is to stand there instead

    raises: InputError if there is no such file; DataError if it is no TOML
    """
    check_file(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror}", hint) from e
    except UnicodeDecodeError as e:
        raise DataError(str(path), "TOML", str(e)) from e
    for word, other in (words or {}).items():
        text = text.replace(word, other)
    try:
        return TomlFile(path, text, parsed_toml(text))
    except tomllib.TOMLDecodeError as e:
        line = re.search(r"at line (\d+)", str(e))
        number = f":{line[1]}" if line else f":{text.count(chr(10)) + 1}" if "at end of document" in str(e) else ""
        raise DataError(f"{path}{number}", "TOML", str(e)) from e


def parsed_toml(text: str) -> dict[str, Any]:
    """raises: tomllib.TOMLDecodeError, also for what tomllib has errors of Python's for"""
    try:
        return tomllib.loads(text)
    except RecursionError as e:
        raise tomllib.TOMLDecodeError("lists and tables lie too deep within one another") from e
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as e:  # a number of more digits than Python takes, or a date that is none
        raise tomllib.TOMLDecodeError(str(e)) from e


def line_of(text: str, keys: Sequence[Key]) -> int:
    """The line, from 1, where what the keys lead to begins: a header, a key, or an element of a list."""
    lines = text.split("\n")

    def whole(count: int) -> tuple[int, Mapping[str, Any]]:
        """The most lines up to so many that are TOML by themselves, or once their open list is closed; and what they say."""
        for n in range(count, 0, -1):
            for end in ("", "\n]"):
                try:
                    return n, parsed_toml("\n".join(lines[:n]) + end)
                except tomllib.TOMLDecodeError:
                    continue
        return 0, {}

    ends = bisect.bisect_left(range(len(lines) + 1), True, key=lambda n: _leads(whole(n)[1], keys))
    return whole(ends - 1)[0] + 1


def _leads(content: Any, keys: Sequence[Key]) -> bool:
    """Whether there is something where the keys lead to."""
    for key in keys:
        try:
            content = content[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def fits(hint: Any, value: Any) -> bool:
    """Whether a value of TOML is of a field's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(one, value) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return value in inner
    if origin is Mapping:
        return isinstance(value, dict) and (inner[1] is Any or all(fits(inner[1], v) for v in value.values()))
    if origin is tuple:
        return isinstance(value, list) and all(fits(inner[0], one) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def in_words(hint: Any) -> str:
    """A field's type as a person says it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(in_words(one) for one in inner if one is not types.NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is Mapping:
        return "a table {name = …}" if inner[1] is Any else 'a table {name = "…"}'
    if origin is tuple:
        return "a list of tables" if typing.get_origin(inner[0]) is Mapping else "a list of texts"
    return NAMES.get(hint, str(hint))
