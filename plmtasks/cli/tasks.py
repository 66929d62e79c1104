"""Tasks as `plmtasks list tasks` shows them: in groups, and of many languages one line."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..data import base_language
from ..errors import InputError, did_you_mean
from ..files import terminal

if TYPE_CHECKING:
    from ..hooks import Registry

FIELDS = ("name", "asks", "metrics", "language", "collection", "description", "aliases")
"""What JSON and TSV tell of each."""

LISTS = ("asks", "metrics", "aliases")
"""Those that are lists."""

HEADER = ("task", "asked by", "description")

LANGUAGE = "LANGUAGE"
"""Stands in a name for the codes of several."""

Row = Mapping[str, Any]
"""A task by its fields."""


def chosen(registry: "Registry", word: str | None, language: str | None, asks: str | None) -> Sequence[Row]:
    """All tasks; or those of a collection, or that have a word; in a language; that a kind of request asks.

    raises: InputError if there is none of those
    """
    found = _rows(registry)
    for option, wanted, field in (("--language", language, "language"), ("--asks", asks, "asks")):
        if wanted is not None:
            there = dict.fromkeys(one for row in found for one in _parts(row[field]) if one)
            found = [row for row in found if wanted.casefold() in map(_bare, _parts(row[field]))]
            if not found:
                raise InputError(f"no task has {option} {wanted}", *did_you_mean(wanted, there), f"there are: {', '.join(there)}")
    return found if word is None else _having(word, found)


def values(registry: "Registry", field: str) -> list[str]:
    """What the tasks have in a field, each once."""
    return list(dict.fromkeys(part for row in _rows(registry) for part in _parts(row[field]) if part))


def _rows(registry: "Registry") -> list[Row]:
    """Every task, and what makes a task of any name."""
    told = [{field: getattr(task, field, "") for field in FIELDS} for task in registry.items["task"].values()]
    for provider in registry.providers["task"]:
        told.append({"name": f"{provider.beginning}NAME", "description": provider.description or "any task of that name"})
    return [{field: list(one.get(field, ())) if field in LISTS else one.get(field, "") for field in FIELDS} for one in told]


def _bare(word: str) -> str:
    """A kind of request, or the code of a language without its script, in small letters."""
    return base_language(word).casefold()


def _having(word: str, found: Sequence[Row]) -> list[Row]:
    """Those of the collection of that name; else those that have the word anywhere, first those in whose name it is."""
    if together := [row for row in found if _is_of(row, word)]:
        return together
    wanted = word.casefold()
    having = [row for row in found if any(wanted in text.casefold() for field in FIELDS for text in _parts(row[field]))]
    if not having:
        known = {text: None for row in found for text in (row["name"].split("/")[-1], row["collection"]) if text}
        raise InputError(f"nothing of {len(found)} has {word!r}", *did_you_mean(word, known))
    return sorted(having, key=lambda row: wanted not in row["name"].casefold())


def _parts(value: str | list[str]) -> list[str]:
    """The words of a field; of a kind that asks for two, as "Tag+Generate", both."""
    return [value] if isinstance(value, str) else [part for one in value for part in one.split("+")]


def table(found: Sequence[Row], word: str | None, registry: "Registry") -> str:
    """Tasks under their groups, applications before benchmarks; those that have a word alone in a list without them.

    Tasks that a language's code tells apart have one line together, unless a word was looked for.
    """
    if word is not None and not all(_is_of(row, word) for row in found):
        return terminal.table(HEADER, [_line(row) for row in found], firm=HEADER[:1])
    groups: dict[str, list[Row]] = {}
    for row in sorted(found, key=lambda row: bool(row["collection"])):
        groups.setdefault(row["collection"] or re.split("[/:]", row["name"])[0], []).append(row)
    lines: list[tuple[str, ...]] = []
    for group, inside in groups.items():
        lines += [*([("", "", "")] * bool(lines)), (group, "", ""), *((f"  {name}", *rest) for name, *rest in _folded(inside))]
    text = terminal.table(HEADER, lines, firm=HEADER[:1])
    words = _said(registry) if len(found) == len(_rows(registry)) else ()
    return f"{text}\n{terminal.table(('people say', 'and mean', 'with --data'), words)}" if words else text


def _is_of(row: Row, collection: str) -> bool:
    return str(row["collection"]).casefold() == collection.casefold()


def _line(row: Row) -> tuple[str, str, str]:
    return row["name"], ", ".join(row["asks"]), row["description"]


def _folded(found: Sequence[Row]) -> list[tuple[str, str, str]]:
    """The lines, those that a language's code tells apart as one."""
    families: dict[str, list[Row]] = {}
    for row in found:
        stem, dot, last = row["name"].rpartition(".")
        families.setdefault(stem if dot and last == row["language"] else row["name"], []).append(row)
    return [_line(many[0]) if len(many) == 1 else _together(stem, many) for stem, many in families.items()]


def _together(stem: str, many: Sequence[Row]) -> tuple[str, str, str]:
    """One line for tasks of several languages, and perhaps one of all: of their descriptions the words that all have."""
    words = [row["description"].split() for row in many]
    common = " ".join(word for word in words[0] if all(word in other for other in words)).rstrip(" :,")
    codes = [row["language"] for row in many if row["name"] != stem]
    name = f"{stem}.{LANGUAGE}" if len(codes) == len(many) else f"{stem}[.{LANGUAGE}]"
    return name, ", ".join(many[0]["asks"]), f"{common}; {', '.join(codes)}"


def _said(registry: "Registry") -> list[tuple[str, ...]]:
    """What people say instead of names, and which task they mean without data of their own, and with them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for word in dict.fromkeys(alias for task in registry.items["task"].values() for alias in task.aliases):
        with suppress(InputError):  # it may mean several
            found.setdefault(tuple(registry.task_called(word, own_data=own) for own in (False, True)), []).append(word)
    return [(", ".join(words), meant, "" if own == meant else own) for (meant, own), words in found.items()]
