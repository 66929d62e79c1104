"""The errors that plmtasks raises on purpose."""

import difflib
from collections.abc import Iterable, Sequence


class PlmtasksError(Exception):
    """Base of all: a first line that says what is wrong, and lines that help.

    The command line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints

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


class DataWarning(UserWarning):
    """A data set has a flaw that is no error; the message counts it."""


class UnknownNameError(InputError):
    """A task, model, metric or plugin that nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *hints: str) -> None:
        known = sorted(known)
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        meant = [f"did you mean {' or '.join(repr(c) for c in close)}?"] if close else []
        super().__init__(f"there is no {kind} {name!r}", *meant, *hints, f"plmtasks list {kind}s shows all")


class MismatchError(InputError):
    """A task and a model that do not fit together."""

    def __init__(
        self, task: tuple[str, Sequence[str]], model: tuple[str, Sequence[str]], fitting: Sequence[str], wanted: str | None = None
    ) -> None:
        """task, model: the name, and the kinds of request; wanted: the kind that the user named"""
        (name, asks), (model_name, answers) = task, model
        shown = [*fitting[:8], "…"] if len(fitting) > 8 else fitting
        super().__init__(
            f"model {model_name!r} cannot be asked task {name!r}" + (f" by {wanted}" if wanted else ""),
            f"the task can be asked by: {', '.join(asks)}",
            f"{model_name!r} answers: {', '.join(answers) or 'nothing'}",
            f"models that fit: {', '.join(shown) or 'none installed'}   (plmtasks list models)",
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


class JournalError(PlmtasksError):
    """A journal that is damaged, or that belongs to another run."""

    exit_code = 2


class OutOfMemoryError(PlmtasksError):
    """A batch did not fit into memory."""

    exit_code = 5


class ProcessError(PlmtasksError):
    """A process of a run failed, and with it the run."""


def counted(count: float, what: str, plural: str = "") -> str:
    """A number with its noun: "1 row", "2 rows", "0.5 epochs"; what is said of one, and of several.

    plural: where that is not the singular with an s
    """
    number = f"{count:g}" if isinstance(count, float) else str(count)
    return f"{number} {what if count == 1 else plural or f'{what}s'}"
