"""The last word of a text in any script."""

from functools import cache
from typing import Any

from plmtasks.data import UNSPACED_LETTER


@cache
def _last_word() -> Any:
    import regex

    return regex.compile(rf"(?V1)\s*(?:{UNSPACED_LETTER}\p{{M}}*|[\S--{UNSPACED_LETTER}]+)\s*$")


def split_last_word(text: str) -> tuple[str, str]:
    """What comes before the last word, and the word with the white space before it.

    A text of a script without spaces gives its last character. Either may be empty.
    """
    found = _last_word().search(text)
    return (text[: found.start()], found.group().rstrip()) if found else (text, "")
