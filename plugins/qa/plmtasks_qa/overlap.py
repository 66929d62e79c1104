"""How much two answers have in common: normalization, units, precision and recall, as each field's scorer counts."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from plmtasks.data import base_language

ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
}
"""What does not count as a difference. English as SQuAD, German as MLQA has it."""

MLQA_ARTICLES = {
    **ARTICLES,
    "ar": "ال",  # wherever it stands, as in the script, whose pattern asks for a text's end before its beginning too
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
}
"""What MLQA's script takes for articles."""

CMRC_PUNCTUATION = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""What CMRC 2018 leaves out; neither the full stop nor the comma of Latin script is in it."""

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str, language: str = "en") -> str:
    """An answer as SQuAD compares it: its units, set apart by single spaces, in lower case, without punctuation or articles.

    Outside English, punctuation is every character of a Unicode category P, articles are the language's own, and in
    Chinese each Han character is a unit, as in MLQA.

    source: Rajpurkar et al. (2016), arXiv 1606.05250; Lewis et al. (2020), arXiv 1910.07475, for other languages
    """
    text = text.lower()
    text = text.translate(_ASCII_PUNCTUATION) if language == "en" else _unpunctuated(text)
    return _units(text, language, ARTICLES)


def normalize_mlqa(text: str, language: str) -> str:
    """An answer as MLQA's script compares it: as above, but by its rules for English too, and by more articles.

    A language that MLQA does not have has no articles, and is cut by white space.

    source: `mlqa_evaluation_v1.py` of https://github.com/facebookresearch/MLQA; Lewis et al. (2020), arXiv 1910.07475
    """
    return _units(_unpunctuated(text.lower()), language, MLQA_ARTICLES)


def _unpunctuated(text: str) -> str:
    return "".join(c for c in text if c not in string.punctuation and unicodedata.category(c)[0] != "P")


def _units(text: str, language: str, articles: Mapping[str, str]) -> str:
    """What is left without articles, its units set apart by single spaces."""
    if language in articles:
        text = re.sub(articles[language], " ", text)
    if base_language(language) == "zh":
        text = "".join(f" {c} " if is_han(c) else c for c in text)
    return " ".join(text.split())


def is_han(character: str) -> bool:
    """Whether it is one of the characters that CMRC 2018 and MLQA take one by one."""
    return "\u4e00" <= character <= "\u9fa5"


def f1(common: int, predicted: int, expected: int) -> float:
    """The harmonic mean of precision and recall, 0 to 1."""
    return 2 * common / (predicted + expected) if common else 0.0


def bag_f1(predicted: str, expected: str) -> float:
    """F1 of the units of two normalized answers, 0 to 1; 0 if both are empty."""
    a, b = predicted.split(), expected.split()
    return f1(sum((Counter(a) & Counter(b)).values()), len(a), len(b))


def cmrc_normalize(text: str) -> str:
    """An answer as CMRC 2018 compares it: lower case, no punctuation of its list."""
    return "".join(c for c in text.lower().strip() if c not in CMRC_PUNCTUATION)


def cmrc_units(text: str) -> list[str]:
    """Han characters one by one, the rest as words.

    The words are NLTK's; the cutting into sentences that comes before it in `nltk.word_tokenize` is left out, since it
    needs a download: only a full stop within an answer's Latin part can tell the difference.

    source: Cui et al. (2019), arXiv 1810.07366: "mixed segmentation"
    """
    runs = groupby(cmrc_normalize(text), is_han)
    return [unit for han, run in runs for unit in (run if han else _words("".join(run)))]


def longest_common_run(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest run of units that stands in both."""
    best, previous = 0, [0] * (len(b) + 1)
    for unit in a:
        current = [0] * (len(b) + 1)
        for j, other in enumerate(b):
            if unit == other:
                current[j + 1] = previous[j] + 1
        best, previous = max(best, *current), current
    return best


def cmrc_f1(predicted: str, expected: str) -> float:
    """F1 of the longest common run, 0 to 1."""
    a, b = cmrc_units(predicted), cmrc_units(expected)
    return f1(longest_common_run(a, b), len(a), len(b))


def _words(text: str) -> list[str]:
    if not text.strip():
        return []
    from nltk.tokenize import word_tokenize  # type: ignore[import-untyped]

    return list(word_tokenize(text, preserve_line=True))
