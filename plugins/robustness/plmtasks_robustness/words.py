"""Words and the marks around them."""

import re

PARTS = re.compile(r"([\W_]*)(.*?)([\W_]*)", re.DOTALL)


def core(word: str) -> tuple[str, str, str]:
    """The marks before a word, the word, the marks behind it."""
    match = PARTS.fullmatch(word)
    assert match is not None  # any text fits
    return match[1], match[2], match[3]


def like(word: str, model: str) -> str:
    """A word with the capitals of another: none, the first, or all."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
