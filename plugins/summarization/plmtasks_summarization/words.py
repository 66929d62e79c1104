"""The words of a text, in any language."""

import re
import unicodedata
from functools import cache
from typing import Any

from plmtasks.data import languages


def words(text: str) -> list[str]:
    """Runs of letters, digits and their marks in lower case; scripts without spaces character by character."""
    return languages.words(unicodedata.normalize("NFKC", text).lower())


@cache
def _stem() -> Any:
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

    return cache(PorterStemmer().stem)


class Stemmer:
    """Porter's, as rouge-score wants it; it remembers words, which makes scoring several times as fast."""

    def stem(self, word: str) -> str:
        stemmed: str = _stem()(word)
        return stemmed


class RougeWords:
    """The words that ROUGE counts: in English rouge-score's own with Porter's stems, in all other languages `words`.

    rouge-score's own tokenizer drops whatever is not a to z and 0 to 9, and with it most of the world's words.
    """

    def __init__(self, language: str) -> None:
        self.language = language

    def tokenize(self, text: str) -> list[str]:
        if self.language != "en":
            return words(text)
        from rouge_score.tokenize import tokenize

        found: list[str] = tokenize(text, Stemmer())
        return found

    def any_in(self, text: str) -> bool:
        """Whether there is a word at all; does not stem."""
        return bool(re.search("[a-z0-9]", text.lower()) if self.language == "en" else words(text))

    def signature(self) -> str:
        return (
            "tokenizer:rouge-score,stemmer:porter"
            if self.language == "en"
            else f"tokenizer:unicode words,language:{self.language}"
        )
