"""The errors that plmtasks raises on purpose, and how what is said of them reads."""

import copyreg
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any


class PlmtasksError(Exception):
    """Base of all: a first line that says what is wrong, and lines that help.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints

    def __reduce__(self) -> tuple[Any, ...]:
        """It comes whole out of a pool's process."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {hint}" for hint in self.hints)])


class InputError(PlmtasksError):
    """What the user gave cannot be used: a name, an option, a file."""

    exit_code = 2


class DataError(InputError):
    """A file of examples or predictions is not what its format says.

    where: "file", "file:line" or "file: key", as exact as is known
    """

    def __init__(self, where: str, expected: str, found: str, *hints: str) -> None:
        super().__init__(f"{where}: expected {expected}, found {found}", *hints)
        self.where, self.expected, self.found = where, expected, found


def summary_of(error: BaseException) -> str:
    """What an error of another library says, for a message of ours: its first line, at most 300 characters, or else its type."""
    said = str(error).strip()
    return " ".join(said.split("\n")[0].split())[:300] if said else type(error).__name__


def did_you_mean(name: str, known: Iterable[str]) -> list[str]:
    """A hint, one line, that asks for the known names that are like one that nobody knows; no line if none is."""
    return meant(near(name, known))


def near(name: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """The known names that are like one that nobody knows, at most three.

    likeness: up to 1, where they are the same; of thousands, some are a little like anything
    """
    folded = {one: one.casefold() for one in known}
    begun = sorted((one for one in folded if len(name) > 1 and folded[one].startswith(name.casefold())), key=len)
    like = difflib.get_close_matches(name.casefold(), dict.fromkeys(folded.values()), n=3, cutoff=likeness)
    close = [one for same in like for one in folded if folded[one] == same]
    return list(dict.fromkeys([*begun[:2], *close]))[:3]


def meant(names: Sequence[str]) -> list[str]:
    """A hint, one line, that asks for these names; no line where there are none."""
    return [f"did you mean {' or '.join(map(repr, names))}?"] if names else []


class DataWarning(UserWarning):
    """A data set has a flaw that is no error; the message counts it."""


class ModelWarning(UserWarning):
    """A model goes a slower way than it could; its answers stay."""


class LearningWarning(UserWarning):
    """A model has hardly learned: its loss did not fall, or it says the same of everything."""


class UnknownNameError(InputError):
    """A task, model, metric or plugin that nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *hints: str, listed: str = "") -> None:
        """listed: under which word `plmtasks list` has them, where that is not the kind"""
        hints = (*did_you_mean(name, sorted(known)), *hints, f"plmtasks list {listed or f'{kind}s'} shows all")
        super().__init__(f"there is no {kind} {name!r}", *hints)


class MismatchError(InputError):
    """A task and a model that do not fit together."""

    def __init__(
        self, task: tuple[str, Sequence[str]], model: tuple[str, Sequence[str]], fitting: Sequence[str], wanted: str | None = None
    ) -> None:
        """task, model: the name, and the kinds of request; wanted: the kind that the user named"""
        (name, asks), (model_name, answers) = task, model
        super().__init__(
            f"model {model_name!r} cannot be asked task {name!r}" + (f" by {wanted}" if wanted else ""),
            f"the task can be asked by: {', '.join(asks)}",
            f"{model_name!r} answers: {', '.join(answers) or 'nothing'}",
            f"models that fit: {listed(fitting) or 'none installed'}   (plmtasks list models)",
        )


class ModelError(InputError):
    """A checkpoint that cannot be found, read or trusted."""


class PluginError(InputError):
    """A plugin that failed to load, or that registered what cannot be used."""


class MetricError(PlmtasksError):
    """A metric that cannot be computed from what it was given."""


class OutputError(PlmtasksError):
    """Results that cannot be written."""

    exit_code = 2


class BusyError(OutputError):
    """Another process is at the very same work; it will be there, or can be looked for again, when that one is done."""

    exit_code = 6


class JournalError(PlmtasksError):
    """A journal that is damaged, or that belongs to another run."""

    exit_code = 2


class OutOfMemoryError(PlmtasksError):
    """A batch did not fit into memory."""

    exit_code = 5


class ProcessError(PlmtasksError):
    """A process of a run failed, and with it the run."""


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names, and a sign where there are more."""
    return ", ".join(names[:most]) + ", …" * (len(names) > most)


def counted(count: float, what: str, plural: str = "") -> str:
    """A number with its noun: "1 row", "2 rows", "0.5 epochs"; what is said of one, and of several.

    plural: where that is not the singular with an s
    """
    number = f"{count:g}" if isinstance(count, float) else str(count)
    return f"{number} {what if count == 1 else plural or f'{what}s'}"


STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")
"""What steers a terminal, ends a line or turns the writing's direction; and half characters, which cannot be written."""


def printable(text: str, *, lines: bool = False) -> str:
    """Text of anybody's as a terminal may show it: no character of it steers the terminal.

    lines: it has several, and its own ends and tabs stay
    """
    return STEERING.sub(lambda found: found[0] if lines and found[0] in "\n\t" else "�", text)


def escaped(text: str) -> str:
    """JSON that a terminal may show: what steers one is written \\uXXXX, which means the same; ends of lines stay."""
    return STEERING.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)
