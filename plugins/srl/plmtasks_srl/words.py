"""The words of a text that somebody types."""

import re

from plmtasks.data import has_script
from plmtasks.errors import InputError

WORD = re.compile(
    r"""
    \w+?(?=n['’]t\b) | n['’]t\b        # did n't
    | ['’](?:s|m|d|re|ve|ll)\b         # she 's
    | \w+(?:[-.,:/@&]\w+)*             # well-known, 3.5, a@b.org
    | [^\w\s]
    """,
    re.VERBOSE | re.IGNORECASE,
)


def split_words(text: str) -> list[str]:
    """Words and punctuation marks one by one, English contractions in two as in the Penn Treebank; Chinese by jieba.

    raises: InputError if the text is Chinese without spaces and jieba is not installed
    """
    found: list[str] = []
    for part in text.split():
        found += _split_chinese(part) if has_script(part, "Han") else WORD.findall(part)
    return found


def _split_chinese(text: str) -> list[str]:
    try:
        import jieba
    except ImportError as e:
        raise InputError("Chinese is cut into words by jieba, which is not installed", "pip install 'plmtasks-srl[zh]'") from e
    jieba.setLogLevel("ERROR")
    return list(jieba.cut(text))
