"""Marks, contractions and white space."""

import random
import re

from plmtasks.data import has_script
from plmtasks.task import Perturbation

from .words import like

END = re.compile(r"\s*[.!?。！？…]+(\s*)$")
WIDE = ("Han", "Hiragana", "Katakana")
"""Scripts whose full stop is a wide one."""

AUXILIARIES = (
    "is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "would", "could", "should", "must", "need", "might",
)  # fmt: skip
NOT = {**{word: f"{word}n't" for word in AUXILIARIES}, "will": "won't", "can": "can't"}
"""What "not" becomes one word with."""

OTHERS = {"'re": "are", "'ve": "have", "'ll": "will", "'m": "am"}
"""Endings that stand for one word only; 's and 'd may be one of two."""

PERSONS = "I|you|he|she|it|we|they|there"
LONG = re.compile(rf"\b({'|'.join(NOT)})(?: not|(?<=can)not)\b", re.IGNORECASE)
SHORT_NOT = re.compile(rf"\b({'|'.join(AUXILIARIES)}|wo|ca) ?n['’]t\b(?!\s+(?:{PERSONS})\b)", re.IGNORECASE)
"""Not where the person follows: "don't you" is not "do not you"."""
SHORT = re.compile(r"\b(I|you|we|they) ?(['’](?:re|ve|ll|m))\b|\b(he|she|it) ?(['’]ll)\b", re.IGNORECASE)


class Punctuation(Perturbation):
    """The marks that end a text are taken away, or a full stop is put there."""

    name = "punctuation"
    description = "without the marks at the end; with a full stop where there are none"

    def rewrite(self, text: str, draw: random.Random) -> str:
        if not text.strip():
            return text
        if END.search(text):
            return END.sub(r"\1", text)
        body = text.rstrip()
        return body + ("。" if has_script(body[-1], *WIDE) else ".") + text[len(body) :]


class Contractions(Perturbation):
    """Contractions are written in full; where there are none, "not" is drawn to the word before it.

    Those that may stand for one of two ('s, 'd) stay.
    """

    name = "contractions"
    description = "do not for don't; don't for do not where there is no contraction"
    languages = ("en",)

    def rewrite(self, text: str, draw: random.Random) -> str:
        full = SHORT.sub(_whole, SHORT_NOT.sub(_whole_not, text))
        return full if full != text else LONG.sub(lambda match: like(NOT[match[1].lower()], match[1]), text)


def _whole_not(match: re.Match[str]) -> str:
    word = {"wo": "will", "ca": "can"}.get(match[1].lower(), match[1])
    full = like(word, match[1])
    return f"{full} {'NOT' if len(full) > 1 and full.isupper() else 'not'}" if word != "can" else like("cannot", match[1])


def _whole(match: re.Match[str]) -> str:
    person, ending = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{person} {OTHERS[ending.lower().replace('’', chr(39))]}"


class WhiteSpace(Perturbation):
    """A space stands before the text and one behind it, and one of five spaces within it is doubled, at least one."""

    name = "whitespace"
    description = "more spaces between some words, before and behind"

    def rewrite(self, text: str, draw: random.Random) -> str:
        if not text.strip():
            return text
        places = [match.start() for match in re.finditer(r" +", text)]
        doubled = set(draw.sample(places, max(1, len(places) // 5) if places else 0))
        return " " + "".join(f" {c}" if i in doubled else c for i, c in enumerate(text)) + " "
