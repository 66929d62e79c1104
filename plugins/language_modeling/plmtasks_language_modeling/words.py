"""Words of a text in any script: a Han character is one by itself."""

import re

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
HAN_CHARACTER = re.compile(f"[{HAN}]")
WORD = re.compile(rf"[{HAN}]|(?:(?![{HAN}_])\w)+")
LAST_WORD = re.compile(rf"\s*(?:[{HAN}]|[^\s{HAN}]+)\s*$")


def words(text: str) -> list[str]:
    """Letters and digits that stand together, in lower case; for ASCII the tokens of rouge-score without stemming."""
    return WORD.findall(text.lower())


def split_last_word(text: str) -> tuple[str, str]:
    """What comes before the last word, and the word with the white space before it.

    Unspaced Han text gives its last character. Either may be empty.
    """
    found = LAST_WORD.search(text)
    return (text[: found.start()], found.group().rstrip()) if found else (text, "")
