"""A folder of tasks' files, of which the heads alone are read until a task is used."""

import re
from collections.abc import Iterator, Mapping
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


def tasks(folder: Path) -> list[Listed]:
    """What the files `*.toml` in a folder and those below it declare, in the order of their paths; or what one file does.

    The name of the folder below it in which a file lies is that of the task's collection.

    A file whose head says `languages` declares a task for each: a list of codes, or a table of them and what the data calls
    them. In all of its text `<language>` stands for the code, `<Language>` for its English name, `<code>` for the data's word.

    raises: DataError for a head that is none
    """
    found = sorted(folder.rglob("*.toml")) if folder.is_dir() else [folder]
    return [listed for path in found for listed in _listed(path, "" if path.parent == folder else path.parent.name)]


def _listed(path: Path, collection: str) -> Iterator[Listed]:
    text = path.read_text(encoding="utf-8")
    tables = [*TABLE.finditer(text)]
    asks = tuple(dict.fromkeys(found[1] for found in tables if found[1] in KINDS))
    whole = text[: tables[0].start()] if tables else text
    head = _head(path, whole)
    languages = head.get("languages", ())
    if not languages:
        yield _one(path, head, asks, {}, collection)
        return
    for code, called in languages.items() if isinstance(languages, Mapping) else zip(languages, languages, strict=True):
        words = {"<language>": code, "<Language>": language_name(code), "<code>": called}
        yield _one(path, _filled(head, words), asks, words, collection)


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


def _one(path: Path, head: Mapping[str, Any], asks: tuple[str, ...], words: Mapping[str, str], collection: str) -> Listed:
    return Listed(
        name=head["name"], make=partial(_made, path, words), asks=asks, metrics=head.get("metrics", ()),
        language=head.get("language", "en"), description=head.get("description", ""), aliases=head.get("aliases", ()),
        collection=collection,
    )  # fmt: skip


def _made(path: Path, words: Mapping[str, str]) -> Task:
    from .making import made

    return made(read_toml(path, HINT, words))
