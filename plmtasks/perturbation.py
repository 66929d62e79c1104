"""What a perturbation is."""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from .errors import PluginError
from .examples import Example
from .task import Rewritable, Task

__all__ = ["Perturbation", "WordPerturbation"]

GAPS = re.compile(r"(\s+)")


class Perturbation(ABC):
    """Another way to put an example that leaves its reference right: a function from example to example.

    It is the same for every call: what it draws follows from its name and the example's id.
    """

    name: str
    version: ClassVar[int] = 1
    """Raised whenever the same example would be changed differently."""
    description: str = ""
    """One line for `plmtasks list perturbations`."""
    exchanges_people: ClassVar[bool] = False
    """Whether the text speaks of other people afterwards: for tasks to which that does not matter."""
    languages: Sequence[str] = ()
    """Of the texts that it can change; none: all."""

    @abstractmethod
    def rewrite(self, text: str, draw: random.Random) -> str:
        """A text in another way, or as it is where there is nothing to change."""

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        """The words of a sentence, as many as before: they have labels of their own. By default as they are."""
        return words

    def fields(self, task: Task) -> Sequence[str]:
        """The inputs of the task's examples that it may change; none: it suits them not."""
        if not isinstance(task, Rewritable) or (self.languages and task.language not in self.languages):
            return ()
        return task.people if self.exchanges_people else task.texts

    def change(self, example: Example, task: Task) -> Example | None:
        """The example in another way; None where there is nothing to change.

        raises: PluginError if a word of a sentence went or came
        """
        inputs = dict(example.inputs)
        for name in self.fields(task):
            value = inputs.get(name)
            # each field draws the same, so that a name that two of them have becomes one other name
            draw = random.Random(f"{self.name} {self.version} {example.id}")
            if isinstance(value, str):
                inputs[name] = self.rewrite(value, draw)
            elif isinstance(value, list) and all(isinstance(word, str) for word in value):
                inputs[name] = list(self.rewrite_words(value, draw))
                if len(inputs[name]) != len(value):
                    raise PluginError(
                        f"perturbation {self.name!r} made {len(inputs[name])} words of {len(value)}: {value!r:.200}"
                    )
        return None if inputs == example.inputs else replace(example, inputs=inputs)

    def signature(self) -> str:
        """What a reader needs to repeat it: its name and version."""
        return f"{self.name} v{self.version}"


class WordPerturbation(Perturbation):
    """One that changes words one for one, so that it suits texts and tagged sentences alike."""

    @abstractmethod
    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        """As many words as before; marks may stand at a word of a text that is not cut finer than by white space."""

    def rewrite(self, text: str, draw: random.Random) -> str:
        parts = GAPS.split(text)
        parts[::2] = self.rewrite_words(parts[::2], draw)
        return "".join(parts)
