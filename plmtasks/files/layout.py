"""How the file that is read is laid out, and which of its rows cannot be used."""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..errors import DataError, InputError

SEPARATORS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
"""What may stand between cells, by the names that --columns separator=… takes."""

SHOWN = 10
"""Of the rows that cannot be used, so many are shown."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a user says of a file's rows: nothing, unless the file leaves it open."""

    rows: str = ""
    """The path to its rows, where they do not stand at the top: "data[].paragraphs[].qas[]"."""
    separator: str = ""
    """A name in SEPARATORS or the character; none: what the file's first line shows."""
    header: bool | None = True
    """Whether a table's first line names its columns; False: positions from 0 name them; None: of some alone."""
    by_name: tuple[str, ...] = ()
    """The fields whose columns have names where those of others have positions."""

    def __post_init__(self) -> None:
        """raises: InputError for a separator that is none"""
        if self.separator and self.separator not in (*SEPARATORS, *SEPARATORS.values()):
            raise InputError(f"--columns: separator is one of {', '.join(SEPARATORS)}, not {self.separator!r}")

    @classmethod
    def of(cls, columns: Mapping[str, str], rows: str = "", separator: str = "") -> "Layout":
        """The layout of a file whose columns have these names."""
        parts = [(field, part) for field, name in columns.items() for part in name.split("+") if not rows]
        named = dict.fromkeys(field for field, part in parts if not re.fullmatch(r"-?\d+", part))
        numbered = any(re.fullmatch(r"-?\d+", part) for _, part in parts)
        return cls(
            rows=rows, separator=separator, header=None if named and numbered else not numbered,
            by_name=(*named,) if numbered else (),
        )  # fmt: skip

    def has_header(self) -> bool:
        """Whether the first line of a table names its columns.

        raises: InputError if what the user says of them does not tell
        """
        if self.header is None:
            raise InputError(
                "--columns names some columns of a table by position and others by name",
                f"by name: {', '.join(self.by_name)}",
                "positions from 0 are for a file without a header: name all of them so, or none",
                "a column that its header calls 1 is named in quotes: label='\"1\"'",
            )
        return self.header


_layout: ContextVar[Layout] = ContextVar("current_layout", default=Layout())  # noqa: B039  a frozen value


def current_layout() -> Layout:
    """How the file that is now read is laid out, as far as the user says."""
    return _layout.get()


@contextmanager
def laid_out(said: Layout) -> Iterator[None]:
    """Files that are read meanwhile are laid out so."""
    token = _layout.set(said)
    try:
        yield
    finally:
        _layout.reset(token)


# ── rows that cannot be used ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(kw_only=True)
class BadRows:
    """The rows of one reading that cannot be used, and how many there were."""

    errors: list[DataError] = field(default_factory=list)
    rows: int = 0
    """All that were read, where they were counted."""

    def error(self, *, all_bad: bool) -> DataError:
        """What tells of all of them: the first in full, the next in a line each, and the way on.

        all_bad: no row can be used, so what is wrong is the file, or what was said of it
        """
        first, *others = self.errors
        if all_bad:
            return first
        of = f" of {self.rows:,}" if self.rows else ""
        listed = [e.message for e in others[: SHOWN - 1]]
        more = [f"… and {len(others) - len(listed)} more"] * (len(others) > len(listed))
        told = [f"{len(self.errors):,} rows{of} cannot be used; the others:", *listed, *more] if others else []
        way = f"--skip-bad-rows leaves {'them' if others else 'it'} out, and says how many"
        error = DataError(first.where, first.expected, first.found, *first.hints, *told, way)
        error.__cause__ = first
        return error


_bad: ContextVar[BadRows | None] = ContextVar("bad", default=None)


@contextmanager
def bad_rows_aside() -> Iterator[BadRows]:
    """Rows that cannot be used are put aside meanwhile, so that all can be told at once."""
    token = _bad.set(found := BadRows())
    try:
        yield found
    finally:
        _bad.reset(token)


def row_aside(*, unread: bool = False) -> AbstractContextManager[None]:
    """Around what makes an example of a row: if that cannot be used, the row is put aside, and the next may come.

    unread: it is not even a row yet, so nobody has counted it

    raises: DataError, as what stands in it, where nobody gathers such rows
    """
    return _UNREAD_ASIDE if unread else _ASIDE


class _Aside(AbstractContextManager[None]):
    """Of a class and made once, since a million rows enter it."""

    def __init__(self, unread: bool) -> None:
        self.unread = unread

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, DataError) or (found := _bad.get()) is None:
            return False
        found.errors.append(error)
        found.rows += self.unread
        return True


_ASIDE, _UNREAD_ASIDE = _Aside(unread=False), _Aside(unread=True)


def count_row() -> None:
    """One more row was read."""
    if (found := _bad.get()) is not None:
        found.rows += 1
