"""Answers that are parts of a text: in the shapes that files have, and where they stand."""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import DataError

Answers = tuple[list[str], list[int | None]]
"""Texts and the offsets of their first characters, None where the file has none."""


def read_answers(at: str, value: Any) -> Answers:
    """Answers as the hub has them, {"text": […], "answer_start": […]}, SQuAD's list of such pairs, a list of texts, or one.

    at: "file:line: column"

    raises: DataError
    """
    if isinstance(value, Mapping):
        texts, starts = (_listed(f"{at}.{key}", value.get(key)) for key in ("text", "answer_start"))
        if starts and len(starts) != len(texts):
            raise DataError(f"{at}.answer_start", f"{len(texts)} offsets, one for each text", f"{len(starts)}")
        pairs: list[Any] = [{"text": t, "answer_start": s} for t, s in zip(texts, starts or [None] * len(texts), strict=True)]
    elif isinstance(value, (list, tuple)):
        pairs = list(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        pairs = [str(value)]  # JSON and pandas write a year so
    else:
        pairs = [] if value is None or value == "" else [value]
    read = [_pair(f"{at}[{i}]", pair) for i, pair in enumerate(pairs)]
    return [text for text, _ in read], [start for _, start in read]


def locate(context: str, text: str, start: int | None) -> int | None:
    """Where an answer stands: at `start` if it does, else its occurrence nearest to that, or its first; None: nowhere."""
    if start is not None and start >= 0 and context.startswith(text, start):
        return start
    places = [m.start() for m in re.finditer(f"(?={re.escape(text)})", context)]
    return min(places, key=lambda p: abs(p - (start or 0)), default=None)


def _pair(at: str, pair: Any) -> tuple[str, int | None]:
    if isinstance(pair, str):
        pair, key = {"text": pair}, at
    elif isinstance(pair, Mapping):
        key = f"{at}.text"
    else:
        raise DataError(at, "an object", f"{pair!r:.60}")
    text, start = pair.get("text"), pair.get("answer_start")
    if not isinstance(text, str):
        raise DataError(key, "a text", f"{text!r:.60}" if "text" in pair else "nothing")
    if not text.strip():
        raise DataError(key, "a text that is not empty", f"{text!r:.60}")
    if start is not None and (not isinstance(start, int) or isinstance(start, bool)):
        raise DataError(f"{at}.answer_start", "a whole number", f"{start!r:.60}")
    return text, start


def _listed(at: str, value: Any) -> list[Any]:
    if value is None or isinstance(value, (list, tuple)):
        return list(value or ())
    if isinstance(value, Mapping):
        raise DataError(at, "a list", f"{value!r:.60}")
    return [value]
