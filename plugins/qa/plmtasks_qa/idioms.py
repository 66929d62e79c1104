"""Chinese idioms that are left out of texts, which no file can declare: a row may have several blanks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from plmtasks.declared import Choices

from .data.idioms import blanks


class Idioms(Choices):
    """Which of some idioms stands in a blank? Every blank is an example, and what a row has is a cluster.

    Each is read by itself: CLUE's own programs also see to it that no idiom of a row is taken twice.

    source: Zheng et al. (2019), arXiv 1906.01265, who count the blanks that are filled right; for the columns see `blanks`
    """

    collection = "clue"

    def unfolded(self, path: Path, where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return blanks(path, where, row)
