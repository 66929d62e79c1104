"""Words spelled differently."""

import random
from collections.abc import Sequence

from plmtasks.task import WordPerturbation

from .words import core

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Of a keyboard."""

NEIGHBOURS = {key: row[max(i - 1, 0) : i] + row[i + 1 : i + 2] for row in ROWS for i, key in enumerate(row)}
"""Key → the keys to its left and right."""

SHARE = 0.1
"""Of the words that are mistyped."""

SHORTEST = 4
"""Letters of a word that is mistyped: of a shorter one too little would be left."""


class Typos(WordPerturbation):
    """One of ten words of four or more letters is mistyped, at least one: two letters changed places, or one is gone, doubled or
    its neighbour on the keyboard. Its first letter stays. Letters are those of English."""

    name = "typos"
    description = "a slip of the keyboard in one of ten words"

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        found = list(words)
        places = [
            i
            for i, word in enumerate(words)
            if len(core(word)[1]) >= SHORTEST and core(word)[1].isascii() and core(word)[1].isalpha()
        ]
        for i in draw.sample(places, max(1, round(SHARE * len(places))) if places else 0):
            before, word, after = core(words[i])
            found[i] = before + mistyped(word, draw) + after
        return found


def mistyped(word: str, draw: random.Random) -> str:
    """A word of English letters, at least two, with one slip; it is another word than before."""
    i = draw.randrange(1, len(word))
    letter, before = word[i], word[i - 1]
    slips = [word[:i] + word[i + 1 :], word[:i] + letter + word[i:]]
    neighbour = draw.choice(NEIGHBOURS[letter.lower()])
    slips.append(word[:i] + (neighbour.upper() if letter.isupper() else neighbour) + word[i + 1 :])
    if i > 1 and before != letter:
        slips.append(word[: i - 1] + letter + before + word[i + 1 :])
    return draw.choice(slips)


class Case(WordPerturbation):
    """A text with a capital letter loses all capitals; one without gets all."""

    name = "case"
    description = "no capital letters; all capitals where there were none"

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        capital = any(word != word.lower() for word in words)
        return [word.lower() if capital else word.upper() for word in words]
