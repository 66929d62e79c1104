"""The kinds of request for which a task's file has tables, and the templates in them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from string import Formatter
from typing import Any

TOGETHER = (
    ("Classify", "Choose", "Generate"), ("Regress", "Generate"), ("ExtractSpan", "Generate"), ("Tag",), ("LogLikelihood",),
)  # fmt: skip
"""Kinds that can ask for the same."""

KINDS = tuple(dict.fromkeys(chain.from_iterable(TOGETHER)))

ALL_WORDS = "labels"
"""In braces, what stands for the words of all labels."""

ONE_CHOICE = "choice"
"""In braces, what stands for one of the choices in `pair_choice`."""


def columns_in(template: str) -> list[str]:
    """The names in braces, each as it stands there; two braces are one. No code comes from a file: there is nothing else in them.

    raises: ValueError if braces do not match, or there is more in them than a name
    """
    names = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError(f"a brace with more or less than a name in {template!r}")
        names.append(name)
    return names


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The text, with what the names in braces stand for."""
    # no `str.format`: it would look into the values for what a name with a dot or a bracket asks of them
    # and no copy of a text that is all of it: there may be a million
    return "".join([str(values[part]) if named else part for part, named in _parts(template)])


@lru_cache(1024)
def _parts(template: str) -> Sequence[tuple[str, bool]]:
    """Texts, and the names in braces between them: each with whether it is a name."""
    found = [((text, False), (name, True)) for text, name, _, _ in Formatter().parse(template)]
    return [(part, named) for pair in found for part, named in pair if part]
