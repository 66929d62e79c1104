"""What a judge is told: criteria, scale and template, built in or from a TOML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plmtasks.declared import columns_in
from plmtasks.errors import DataError
from plmtasks.files import TomlFile, read_toml

HINT = "a rubric is a TOML file with name, criteria, and scale or a template with {first} and {second}"
FIRST, SECOND, TIE = "first", "second", "tie"
PLACES = ("1", "2", TIE)
"""What a judge of two answers says: the one that it is shown first, the one that it is shown second, neither."""
ONE = ("prediction",)
BOTH = (FIRST, SECOND)
SCALE_TEMPLATE = "{inputs}\n\nAnswer to be judged:\n{prediction}\n\nScore:"
PAIR_TEMPLATE = "{inputs}\n\nAnswer 1:\n{first}\n\nAnswer 2:\n{second}\n\nBetter answer:"


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """How answers are judged."""

    name: str
    """Of the task: two words with a slash between."""
    criteria: str
    """What is to be judged, in words."""
    scale: tuple[Any, ...] = ()
    """What an answer can be given, the worst first: numbers, or words that count from 0. None: two answers are compared."""
    template: str = ""
    """What is shown: {prediction}, or {first} and {second}; {inputs}, all that the judged example is about; any of its inputs by
    name; {reference}."""
    max_new_tokens: int = 16
    """Of a judge that writes; one that is to explain itself ends with its verdict in double brackets: [[4]]."""
    description: str = ""
    file: TomlFile | None = field(default=None, repr=False, compare=False)

    @property
    def pairwise(self) -> bool:
        return not self.scale

    @property
    def shown(self) -> str:
        """The template, with the default for none."""
        return self.template or (PAIR_TEMPLATE if self.pairwise else SCALE_TEMPLATE)

    @property
    def names(self) -> tuple[str, ...]:
        """What the template names."""
        return tuple(dict.fromkeys(columns_in(self.shown)))

    @property
    def words(self) -> tuple[str, ...]:
        """What a judge can say."""
        return PLACES if self.pairwise else tuple(str(point) for point in self.scale)

    @property
    def values(self) -> tuple[float, ...]:
        """What each of them counts, of a scale."""
        return values_of(self.scale)

    @property
    def instruction(self) -> str:
        if self.pairwise:
            return f"{self.criteria}\nWhich answer is better? Say 1, 2 or tie."
        return f"{self.criteria}\nSay one of: {', '.join(self.words)}. The last is the best."

    def config(self) -> dict[str, Any]:
        """All of it that can change an answer."""
        kept = {"criteria": self.criteria, "template": self.shown, "max_new_tokens": self.max_new_tokens}
        return {**kept, **({"scale": list(self.scale)} if self.scale else {})}


SCORE = Rubric(
    name="judge/score", description="how good another run's answers are, from 1 to 5", scale=(1, 2, 3, 4, 5),
    criteria="Judge how good the answer is: whether it is right, complete and to the point.",
)  # fmt: skip
PAIRWISE = Rubric(
    name="judge/pairwise", description="which of two runs' answers is better, asked in both orders",
    criteria="Judge which of two answers is better: right, complete and to the point.",
)  # fmt: skip


def read_rubric(path: Path) -> Rubric:
    """raises: InputError if there is no such file; DataError, which names file and line, for what is no rubric"""
    file = read_toml(path, HINT)
    content = dict(file.content)
    rubric = file.table(Rubric, {key: value for key, value in content.items() if key != "file"})
    for key, expected, found in _faults(rubric, content):
        raise DataError(file.where(key), expected, found)
    return Rubric(**{**{key: value for key, value in vars(rubric).items() if key != "file"}, "file": file})


def _faults(rubric: Rubric, content: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Of each the key, what is expected and what is found."""
    found = []
    if "file" in content:
        found.append(("file", "no key 'file'", "one"))
    if rubric.name.count("/") != 1 or not all(rubric.name.split("/")):
        found.append(("name", "a name of two words with a slash between: judge/polite", repr(rubric.name)))
    if not rubric.criteria.strip():
        found.append(("criteria", "what is to be judged, in words", repr(rubric.criteria)))
    kinds = {isinstance(point, str) for point in rubric.scale}
    plain = all(isinstance(point, (str, int, float)) and not isinstance(point, bool) for point in rubric.scale)
    if "scale" in content and (len(set(rubric.words)) < max(2, len(rubric.scale)) or len(kinds) != 1 or not plain):
        found.append(("scale", "at least two numbers, or two words, each once", f"{list(rubric.scale)!r:.80}"))
    elif kinds == {False} and list(rubric.scale) != sorted(rubric.scale):
        found.append(("scale", "numbers from the worst to the best", f"{list(rubric.scale)!r:.80}"))
    if rubric.max_new_tokens < 1:
        found.append(("max_new_tokens", "at least 1", repr(rubric.max_new_tokens)))
    return found or _template_faults(rubric)


def _template_faults(rubric: Rubric) -> list[tuple[str, str, str]]:
    try:
        names = set(rubric.names)
    except ValueError as e:
        return [("template", "a text with names in braces, {{ for a brace", str(e))]
    needed = set(BOTH if rubric.pairwise else ONE)
    if not needed <= names:
        wanted = " and ".join(f"{{{name}}}" for name in sorted(needed))
        return [("template", f"{wanted} in the template{'' if rubric.scale else ', or a scale'}", f"{rubric.shown!r:.80}")]
    return []


def values_of(scale: Sequence[Any]) -> tuple[float, ...]:
    """What the points of a scale count: numbers themselves, and words their places from 0."""
    return tuple(range(len(scale))) if any(isinstance(point, str) for point in scale) else tuple(scale)
