"""Where the sentences of a text end, in any language, tokenized or not, capitalized or not."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

MARKUP = re.compile(r"[ \t]*(?:</?(?:t|s|q|n|p|br|sep|bos|eos|sos|s_sep|sent)[ ]?/?>|\[(?:SEP|CLS|X_SEP)\])[ \t]*", re.IGNORECASE)
"""What data sets and systems put around or between sentences (<t> </t>, <s> </s>, <q>, <n>); it stands for a line feed."""

TAG = re.compile(r"</?[A-Za-z][\w-]{0,11} ?/?>|\[(?:UNK|PAD|MASK|unused\d+)\]")
"""Any other markup: it may be a word."""

EAST = r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}"
"""Characters of Chinese and Japanese, punctuation included, by Unicode's property Script_Extensions."""

STOP = rf"""(?P<apart>\s)?
    (?P<stop> (?:\.\s?){{2,}}(?<!\s) | …+ | [.!?]+ )
    (?P<quote> (?: \s?'' | \s?-rrb-(?!\S) | ["'”’»)\]] | \s["”’»)\]](?!\S) )* )
    (?: \s+ | (?<=[{EAST}][.!?])(?=[{EAST}]) )
    | [。！？｡]+(?![。！？｡”’」』）》])\s*
    | [。！？｡]+(?P<closed>[”’」』）]+)\s*
    | (?<![0-9０-９])．+(?![．”’」』）])\s*
    | [।॥؟۔።။។։]+\s*"""
"""Where a sentence may end: a stop with its quotes before white space, or a mark that is nothing but a sentence's end."""

OPENING = {"”": "“", "’": "‘", "」": "「", "』": "『", "）": "（"}

GOES_ON = re.compile(r"[^\w\s“‘「『（《]|と|って")
"""What goes on with a sentence after a quotation of Chinese or Japanese."""

SAID = re.compile("[^，。！？：；、“”‘’「」『』（）]{0,8}?[说說道问問答喊叫笑想写寫称稱骂罵叹嘆]")
"""Who said a quotation, after it."""

BEFORE_NAMES = frozenset(
    re.findall(
        r"\S+",
        """
    mr mrs ms messrs mme mlle dr prof st gen col lt sgt capt cpl cmdr maj adm rev hon gov sen rep pres supt
    insp e.g i.e cf vs viz approx ca dept univ mt jan feb mar apr jun jul aug sept sep oct nov dec hr fr bzw
    usw z.b d.h
    """,
    )
)
"""Abbreviations that end no sentence."""

BEFORE_NUMBERS = frozenset(
    re.findall(
        r"\S+",
        """
    no nos nr fig figs vol ch art sec sect p pp op par ext tel ver max min est núm рис стр
    """,
    )
)
"""Words that are abbreviations where a number follows."""

AFTER_NAMES = frozenset(
    re.findall(
        r"\S+",
        """
    inc ltd co corp bros jr sr etc al
    """,
    )
)
"""Abbreviations that may end a sentence, as those with inner dots and initials may."""

STARTERS = frozenset(
    re.findall(
        r"\S+",
        """
    the a an he she it they we i you this that these those there his her its their our my but however so then
    what when where why how who yes meanwhile
    """,
    )
)
"""Words that begin a sentence where one may or may not have ended."""


def unmarked(text: str) -> str:
    """The text with a line feed for each piece of sentence markup, and no empty lines by it."""
    if not MARKUP.search(text):
        return text
    return "\n".join(part for piece in MARKUP.split(text) for part in piece.split("\n") if part.strip())


def sentences(text: str) -> list[str]:
    """The lines of a text; of a single line its sentences. Markup of sentences is no part of them."""
    lines = [line for line in unmarked(text).strip().split("\n") if line.strip()]
    return lines if len(lines) > 1 else _cut(lines[0].strip()) if lines else []


@cache
def _stop() -> Any:
    import regex

    return regex.compile(STOP, regex.VERBOSE)


def _cut(line: str) -> list[str]:
    found = list(_stop().finditer(line))
    small = _small(line, found)
    tokenized = re.search(r"\s[.!?](?!\S)", line) is not None
    cuts = [m.end() for m in found if _ends(line, m, small=small, tokenized=tokenized)]
    pieces: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(line)], strict=True):
        piece = line[start:end]
        # quotes that close, dots that go on; the number of a list's item
        if pieces and (not re.search(r"\w", piece) or re.fullmatch(r"\d+\.\s*", pieces[-1])):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return [piece.strip() for piece in pieces if piece.strip()]


def _small(line: str, stops: Sequence[re.Match[str]]) -> bool:
    """Whether its sentences begin with small letters, so that these do not tell that a sentence goes on."""
    first = next((c for c in line if c.isalpha()), "A")
    return first.islower() and not any(_next(line, m)[:1].isupper() for m in stops if not _abbreviated(_word(line, m)))


def _ends(line: str, m: re.Match[str], *, small: bool, tokenized: bool) -> bool:
    """Whether a sentence ends there."""
    if m["stop"] is None:  # a mark of its own
        return m["closed"] is None or _quoted(line, m)
    word, following = _word(line, m), _next(line, m)
    if following[:1].isdigit() and re.search(r"[$€£¥]\s?\d+\Z", line[: m.start()]):  # $ 5 . 48
        return False
    ellipsis = m["stop"].startswith("…") or m["stop"].count(".") > 1
    if ellipsis or (m["apart"] and m["stop"] != "."):
        return not ellipsis or not (following[:1].islower() or following[:1].isdigit())
    if m["apart"]:
        return not _spelled(line, m)
    if m["stop"] == "." and not m["quote"]:
        if word in BEFORE_NAMES or (word in BEFORE_NUMBERS and following[:1].isdigit()):
            return False
        if _abbreviated(word):
            return not tokenized and following.lower() in STARTERS and (small or following[0].isupper())
    return small or not following[:1].islower()


def _quoted(line: str, m: re.Match[str]) -> bool:
    """Whether a sentence ends with a quotation of Chinese or Japanese.

    It does if that stands for itself, after a colon, or at the beginning where nothing tells who said it: 他说：“好。”她走了。

    source: GB/T 15834-2011: a stop before the closing quotation mark ends what stands for itself
    """
    opening = line.rfind(OPENING[m["closed"][-1]], 0, m.start())
    before = line[: max(0, opening)].rstrip()[-1:]
    if GOES_ON.match(line, m.end()):
        return False
    return before in ("：", ":") or (before in "。！？｡”’」』）" and SAID.match(line, m.end()) is None)


def _word(line: str, m: re.Match[str]) -> str:
    """The word before a stop, in small letters."""
    start = line.rfind(" ", 0, m.start()) + 1
    return line[start : m.start()].lstrip("\"'“‘«([").lower()


def _next(line: str, m: re.Match[str]) -> str:
    """The word after a stop, or a mark if there is none; empty at the end."""
    found = re.compile(r"[\s\"'“‘«(\[`]*(\w+(?:['’]\w+)?|\S)?").match(line, m.end())
    return (found and found[1]) or ""


def _abbreviated(word: str) -> bool:
    return word in AFTER_NAMES or word in BEFORE_NAMES or re.fullmatch(r"(?:[^\W\d_]\.)*[^\W\d_]", word) is not None


def _spelled(line: str, m: re.Match[str]) -> bool:
    """Whether a stop that stands apart is one of an abbreviation cut to pieces: u . s ."""
    letter = r"(?<!\S)[^\W\d_]"
    before = re.search(rf"{letter}\Z", line[: m.start()]) is not None
    chain = re.search(rf"{letter} \. [^\W\d_]\Z", line[: m.start()]) or re.compile(rf"{letter} \.").match(line, m.end())
    return before and chain is not None
