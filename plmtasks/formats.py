"""The base class of a format of results: another tool's files, written and read."""

import difflib
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .hooks import Registry
    from .results import Result

__all__ = ["Format", "Written"]

APART: Mapping[str, Sequence[str]] = {
    "plmtasks-interchange": ("evaluate", "glue", "lm-eval", "model-card", "predictions", "superglue"),
    "plmtasks[site]": ("site",),
}  # fmt: skip
"""What pip installs → our formats that come with it, and not with the core."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a format wrote."""

    files: Sequence[Path]
    """At least one; the first is the one to open."""
    said: str = ""
    """What a command prints of it, one line; none: the files' paths."""

    def __str__(self) -> str:
        return self.said or "\n".join(map(str, self.files))


class Format:
    """A form of results outside of their folders, such as another tool's files or pages.

    It has `write` or `submit`, `read` or both: what it has not, it cannot do. Constructing it imports nothing heavy.
    """

    name: str
    description: str = ""
    """One line for `plmtasks list formats`."""

    @property
    def writes(self) -> bool:
        return type(self).write is not Format.write or self.submits

    @property
    def submits(self) -> bool:
        """Whether it is made of predictions, and not of runs."""
        return type(self).submit is not Format.submit

    @property
    def reads(self) -> bool:
        return type(self).read is not Format.read

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        """Writes results, for `plmtasks convert --to`.

        path: a file or a folder, as the format wants
        registry: what is installed; its `task(name)` and `metric(name)` give what a result was made with

        raises: InputError for results that the format cannot hold together; DataError, OutputError
        """
        raise InputError(f"format {self.name!r} is read and not written", "plmtasks list formats says which are written")

    def submit(self, files: Sequence[Path], path: Path, registry: "Registry") -> Written:
        """Writes predictions of splits whose references are not public, for `plmtasks convert --to`.

        files: as `plmtasks predict --split` makes them: JSON lines, each with "task", "split", "id" and "prediction"
        path, registry: as of `write`

        raises: InputError for files of another kind; DataError, OutputError
        """
        raise InputError(f"format {self.name!r} is not made of predictions", "plmtasks list formats says what each is made of")

    def read(self, path: Path, output: Path, tasks: Mapping[str, str]) -> "list[Result]":
        """Writes runs of what a path holds into a folder of results, for `plmtasks convert --from`.

        tasks: the format's name of a task → the name that it gets here; "": of the only one

        raises: InputError, DataError; OutputError
        """
        raise InputError(f"format {self.name!r} is written and not read", "plmtasks list formats says which are read")


def apart(name: str, known: Collection[str]) -> list[str]:
    """What to install for a format of ours, if a name that nobody registered may mean one."""
    lacking = {what: [other for other in names if other not in known] for what, names in APART.items()}
    close = {what: difflib.get_close_matches(name, names, n=1, cutoff=0.5) for what, names in lacking.items()}
    return [f"pip install {shlex.quote(what)} brings {found[0]!r}" for what, found in close.items() if found]
