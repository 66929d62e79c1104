"""Other people in the same text."""

import random
from collections.abc import Sequence

from plmtasks.task import WordPerturbation

from .words import core, like

FIRST_NAMES = (
    (
        "Mary", "Linda", "Susan", "Karen", "Nancy", "Sarah", "Helen", "Laura", "Emily", "Julia", "Anna", "Alice", "Emma",
        "Olivia", "Sophia", "Maria", "Fatima", "Aisha", "Mei", "Priya",
    ),
    (
        "James", "John", "Robert", "Michael", "David", "Richard", "Thomas", "Charles", "Daniel", "Paul", "George", "Peter",
        "Henry", "Edward", "Brian", "Carlos", "Omar", "Ahmed", "Wei", "Raj",
    ),
)  # fmt: skip
"""Names of women, names of men; none is another English word."""


class Names(WordPerturbation):
    """Each first name that is known becomes another of the same gender; the same name the same, and two never one.

    A name is a word with its first letter alone a capital, perhaps with 's behind it.
    """

    name = "names"
    description = "other first names"
    exchanges_people = True
    languages = ("en",)

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        steps = [draw.randrange(1, len(names)) for names in FIRST_NAMES]
        others = {
            name: names[(i + step) % len(names)]
            for names, step in zip(FIRST_NAMES, steps, strict=True)
            for i, name in enumerate(names)
        }
        found = []
        for word in words:
            before, name, after = core(word)
            stem, ending = (name[:-2], name[-2:]) if name.endswith(("'s", "’s")) else (name, "")
            found.append(before + others.get(stem, stem) + ending + after)
        return found


SWAPPED = {
    "he": "she", "she": "he", "him": "her", "his": "her", "hers": "his", "himself": "herself", "herself": "himself",
}  # fmt: skip
"""But "her", which is "him" or "his"."""

AFTER_HIM = frozenset(
    (
        "a", "an", "the", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their", "and", "or", "but",
        "so", "yet", "if", "when", "while", "because", "as", "than", "to", "too", "in", "on", "at", "by", "for", "from", "with",
        "without", "of", "off", "into", "onto", "about", "over", "under", "after", "before", "up", "down", "out", "away", "back",
        "again", "then", "now", "here", "there", "not", "is", "are", "was", "were", "be", "been", "has", "have", "had", "will",
        "would", "can", "could", "may", "might", "should", "must", "do", "does", "did", "who", "whom", "which", "what", "where",
        "how", "why", "it", "me", "him", "us", "them", "you", "i", "he", "she", "we", "they",
    )
)  # fmt: skip
"""Words that do not begin what "his" belongs to, so that "her" before them is "him"."""


class Pronouns(WordPerturbation):
    """He becomes she and she he.

    "Her" becomes "his" before a word, unless that is one of those few that nothing can belong to, and else "him"; "his" always
    becomes "her". Names stay as they are.
    """

    name = "pronouns"
    description = "she for he, he for she"
    exchanges_people = True
    languages = ("en",)

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        found = []
        for i, word in enumerate(words):
            before, inner, after = core(word)
            stem, quote, ending = inner.partition("'") if "'" in inner else inner.partition("’")
            other = SWAPPED.get(stem.lower())
            if stem.lower() == "her":
                ahead = core(words[i + 1]) if i + 1 < len(words) and not after and not quote else ("", "", "")
                other = "his" if ahead[1] and not ahead[0] and ahead[1].lower() not in AFTER_HIM else "him"
            found.append(word if other is None else before + like(other, stem) + quote + ending + after)
        return found
