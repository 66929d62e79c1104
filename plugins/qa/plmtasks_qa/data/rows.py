"""What the readers share: rows of a file, checked as they are taken apart."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plmtasks.data import base_language
from plmtasks.errors import DataError
from plmtasks.files import column

Rows = Iterable[tuple[str, Mapping[str, Any]]]
"""(where, row) pairs; where is "file:line" or "file: path.in[0].the.document"."""

TYPES: Mapping[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}

QUESTION_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "who": r"\b(who|whom|whose)\b", "when": r"\bwhen\b", "where": r"\bwhere\b", "why": r"\bwhy\b",
        "which": r"\bwhich\b", "how": r"\bhow\b", "what": r"\bwhat\b",
    },
    "de": {
        "who": r"\b(wer|wen|wem|wessen)\b", "when": r"\bwann\b", "where": r"\b(wo|wohin|woher)\b",
        "why": r"\b(warum|weshalb|wieso)\b", "which": r"\bwelche[mnrs]?\b", "how": r"\b(wie|wieviele?)\b", "what": r"\bwas\b",
    },
    "zh": {
        "why": "为什么|为何|為什麼|為何", "who": "谁|誰|何人",
        "when": "什么时候|何时|哪年|哪一年|几年|几月|什麼時候|何時|幾年|幾月",
        "where": "哪里|哪儿|何处|什么地方|在哪|哪裡|何處|什麼地方",
        "how": "如何|怎么|怎样|怎麼|怎樣|多少|多[大长長高久]|几|幾", "which": "哪", "what": "什么|什麼|何",
    },
}  # fmt: skip
"""language → slice → the words that put a question into it; the first in the question decides, then the first here."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a task expects of its rows."""

    language: str = "en"
    may_abstain: bool = False
    """Whether a question may have no answer."""
    flawed: bool = False
    """A published data set: answers that do not stand where they should are counted, not refused."""
    options: int = 0
    """The most choices that a question may have; 0: any number up to 26."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's field → the file's column."""


def get(where: str, row: Mapping[str, Any], key: str, kind: type) -> Any:
    """A value of a JSON object.

    where: "file", "file:line" or "file: path.of[0].the.object"
    raises: DataError that names the path of the value, and what is there
    """
    path = under(where, key)
    if key not in row:
        raise DataError(path, TYPES[kind], f"nothing; the keys there: {', '.join(map(str, row)) or 'none'}")
    value = row[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(path, TYPES[kind], shown(value))
    return value


def get_object(where: str, value: Any) -> dict[str, Any]:
    """raises: DataError if the value is no JSON object"""
    if not isinstance(value, dict):
        raise DataError(where, TYPES[dict], shown(value))
    return value


def get_text(where: str, row: Mapping[str, Any], key: str) -> str:
    """A text of a JSON object.

    raises: DataError if there is none, or it is empty
    """
    value: str = get(where, row, key, str)
    if not value.strip():
        raise DataError(under(where, key), "a text that is not empty", shown(value))
    return value


def get_field(where: str, row: Mapping[str, Any], form: Form, name: str) -> str:
    """The text of a task's field in the row's column for it.

    raises: DataError if there is no such column, or it is empty
    """
    key = form.columns.get(name, name)
    return get_text(where, {key: column(where, row, key)}, key)


def get_id(where: str, row: Mapping[str, Any], form: Form, number: int) -> str:
    """A row's "id", or its number where the file has none.

    raises: DataError if --columns names a column that is not there
    """
    return str(column(where, row, form.columns["id"]) if "id" in form.columns else row.get("id", number))


def get_lists(where: str, row: Mapping[str, Any], *keys: str) -> list[list[Any]]:
    """Lists of one length.

    raises: DataError
    """
    lists = [get(where, row, key, list) for key in keys]
    if len({len(values) for values in lists}) > 1:
        lengths = ", ".join(str(len(values)) for values in lists)
        raise DataError(where, f"lists of one length: {', '.join(keys)}", f"lengths {lengths}")
    return lists


def under(where: str, key: str) -> str:
    """The place of a key in the object at `where`."""
    return f"{where}.{key}" if ": " in where else f"{where}: {key}"


def shown(value: Any) -> str:
    """A value of a file as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def question_word(question: str, language: str) -> str:
    """The slice of a question: its first question word, other if it has none."""
    found = {}
    for name, pattern in QUESTION_WORDS.get(base_language(language), {}).items():
        if match := re.search(pattern, question.lower()):
            found[name] = match.start()
    return f"question={min(found, key=found.__getitem__, default='other')}"


def paragraph(context: str) -> str:
    """The cluster of all questions about one text."""
    return hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()[:16]
