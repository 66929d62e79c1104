"""A folder of tasks' files, of which the heads alone are read until a task is used."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..data import language_name
from ..errors import DataError
from ..files import TomlFile, parsed_toml, read_toml
from ..task import Listed, Task
from .templates import KINDS

TABLE = re.compile(r"^\[+ *([A-Za-z]+)", re.MULTILINE)
"""The header of a table, which is not indented."""
HINT = "a catalogue is a folder of tasks' files"
TOGETHER = "mul"
"""ISO 639-2's code for several languages at once: among `languages`, the task that has all the others as parts."""


def tasks(folder: Path) -> list[Listed]:
    """What the files `*.toml` in a folder and those below it declare, in the order of their paths; or what one file does.

    The name of the folder below it in which a file lies is that of the task's collection.

    A file whose head says `languages` declares a task for each: a list of codes, or a table of them and what the data calls
    them. In all of its text `<language>` stands for the code, `<Language>` for its English name, `<code>` for the data's word.
    With `mul` among them there is one task more, whose name has no `.<language>`: a split whose paths have `<code>` in them has
    a part for each language.

    raises: DataError for a head that is none
    """
    found = sorted(folder.rglob("*.toml")) if folder.is_dir() else [folder]
    return [listed for path in found for listed in _listed(path, "" if path.parent == folder else path.parent.name)]


def _listed(path: Path, collection: str) -> Iterator[Listed]:
    text = path.read_text(encoding="utf-8")
    tables = [*TABLE.finditer(text)]
    names = [found[1] for found in tables]
    asks = tuple(name for name in dict.fromkeys(names) if name in KINDS)
    whole = text[: tables[0].start()] if tables else text
    head = _head(path, whole)
    told = partial(_one, asks=asks, collection=collection, needs_data="data" not in (*head, *names))
    languages = head.get("languages", ())
    if not languages:
        yield told(head, partial(_made, path, {}))
        return
    called = dict(languages) if isinstance(languages, Mapping) else {code: code for code in languages}
    together = called.pop(TOGETHER, None) is not None
    parts = {code: {"<language>": code, "<Language>": language_name(code), "<code>": word} for code, word in called.items()}
    if together:
        words = {".<language>": "", "<language>": TOGETHER, "<Language> ": ""}
        yield told(_filled(head, words), partial(_together, path, words, parts))
    for words in parts.values():
        yield told(_filled(head, words), partial(_made, path, words))


def _head(path: Path, text: str) -> dict[str, Any]:
    file = TomlFile(path, text, parsed_toml(text))
    if not isinstance(file.content.get("name"), str):
        raise DataError(str(path), 'name = "group/variant" before the first table', "none", HINT)
    return dict(file.content)


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, other in words.items():
            value = value.replace(word, other)
    elif isinstance(value, list):
        return [_filled(one, words) for one in value]
    elif isinstance(value, dict):
        return {key: _filled(one, words) for key, one in value.items()}
    return value


def _one(head: Mapping[str, Any], make: Callable[[], Task], **more: Any) -> Listed:
    return Listed(
        name=head["name"], make=make, metrics=head.get("metrics", ()), language=head.get("language", "en"),
        description=head.get("description", ""), aliases=head.get("aliases", ()), **more,
    )  # fmt: skip


def _made(path: Path, words: Mapping[str, str]) -> Task:
    from .making import made

    return made(read_toml(path, HINT, words))


def _together(path: Path, words: Mapping[str, str], parts: Mapping[str, Mapping[str, str]]) -> Task:
    """The task of all languages, in parts.

    parts: language → what stands for it in the file
    """
    from .making import made

    file = read_toml(path, HINT, words)
    data = {key: _parted(value, parts) for key, value in file.content.get("data", {}).items()}
    return made(replace(file, content={**file.content, "data": {"parts": "language", **data}}))


def _parted(value: Any, parts: Mapping[str, Mapping[str, str]]) -> Any:
    filled = {code: _filled(value, words) for code, words in parts.items()}
    return value if all(one == value for one in filled.values()) else filled
