"""Words exchanged for others of the same meaning, which a file names."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from plmtasks.errors import DataError
from plmtasks.files import read_lines
from plmtasks.model import Provider
from plmtasks.task import WordPerturbation

from .words import core, like


class Synonyms(WordPerturbation):
    """Each word that the file has becomes one of its synonyms."""

    def __init__(self, name: str, known: Mapping[str, Sequence[str]]) -> None:
        self.name, self.known = name, known

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        found = []
        for word in words:
            before, inner, after = core(word)
            choices = self.known.get(inner.lower())
            found.append(before + like(draw.choice(choices), inner) + after if choices else word)
        return found

    def signature(self) -> str:
        digest = hashlib.sha256(repr(sorted((w, tuple(s)) for w, s in self.known.items())).encode()).hexdigest()
        return f"{super().signature()} {digest[:16]}"


class SynonymFiles(Provider):
    """`synonyms:FILE`."""

    scheme, inert = "synonyms", True
    description = "synonyms of a file: a word, a tab, words that mean the same with commas between"

    def make(self, name: str) -> Synonyms:
        """raises: DataError with the line"""
        path, known = Path(name), {}
        for number, line in enumerate(read_lines(path), 1):
            if not line.strip():
                continue
            word, tab, others = line.partition("\t")
            synonyms = [other.strip() for other in others.split(",") if other.strip()]
            if not (tab and word.strip() and synonyms) or any(" " in part for part in (word.strip(), *synonyms)):
                raise DataError(f"{path}:{number}", "a word, a tab, and words with commas between", repr(line)[:80])
            known[word.strip().lower()] = synonyms
        if not known:
            raise DataError(str(path), "lines of synonyms", "none")
        return Synonyms(f"synonyms:{path.name}", known)
