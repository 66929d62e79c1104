"""Data as scripts: the only data that a page opened from a disk may load."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from plmtasks.errors import escaped

LIMIT = 1_000_000
"""Bytes of one script, about."""

CUTS = (100_000, 10_000, 1_000, 100)
"""Characters of a text to which an example is cut that fits into no script."""


def script(name: str, values: Any) -> str:
    """A script that hands values to the page under a name."""
    return f"plmtasks.put({literal(name)}, {literal(values)});\n"


def scripts(path: str, name: str, rows: Sequence[Any]) -> dict[str, str]:
    """Scripts of under a megabyte each that hand rows to the page in their order: path → text."""
    return {f"{path}-{i}.js": f"plmtasks.put({literal(name)}, {part});\n" for i, part in enumerate(_parts(rows))}


def literal(value: Any) -> str:
    """A value as JavaScript that is safe in a script, also one within a page.

    raises: ValueError for nan and infinity
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # no "</script>" or "<!--"; of what is escaped, line ends of old JavaScript and half characters would break a script
    return escaped(text).replace("<", "\\u003c")


def _parts(rows: Sequence[Any]) -> Iterator[str]:
    text = literal(rows)
    if len(text.encode()) <= LIMIT:
        yield text
    elif len(rows) > 1:
        half = len(rows) // 2
        yield from _parts(rows[:half])
        yield from _parts(rows[half:])
    else:
        cut = (literal(_cut(rows, most)) for most in CUTS)
        yield next((text for text in cut if len(text.encode()) <= LIMIT), "[null]")


def _cut(value: Any, most: int) -> Any:
    """The value with its long texts and lists cut, and how long they were."""
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]} … ({most} of {len(value)} characters)"
    if isinstance(value, dict):
        return {str(k): _cut(v, most) for k, v in value.items()}
    if isinstance(value, Sequence):
        kept = [_cut(v, most) for v in value[:most]]
        return kept if len(value) <= most else [*kept, f"… ({most} of {len(value)})"]
    return value
