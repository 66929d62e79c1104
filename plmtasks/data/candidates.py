"""Which of some labels or choices a cell means, by its text, its letter or its number: decided once for all rows of a file."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError
from ..examples import Example
from ..files import bad_rows_aside
from .dataset import Dataset, warn_flaws

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""How choices are called, in their order."""

READINGS: Mapping[str, str] = {"text": "texts", "letter": "letters", "index": "numbers from 0", "number": "numbers from 1"}
"""How a column can tell which candidate is meant; `--columns` says it: answer_is=text, label_is=number, reference_is=…"""

NAME = "name"
"""The reading before all others: what the file itself calls a row's choices."""

WHOLE = re.compile(r"([+-]?[0-9]{1,18})(\.0+)?")
"""A whole number; pandas writes all numbers of a column as decimals where one is missing."""

HIDDEN = (
    "the references of this split are not public, it seems", "evaluate another one with --split",
    "plmtasks predict --split NAME --output FILE writes predictions of one that has none",
)  # fmt: skip

Positions = Mapping[str, int]
"""Reading → the position of the candidate that a cell means by it."""

Row = tuple["Cell", Positions]
"""A cell, and what it may mean."""

Finish = Callable[[Example, Sequence[int]], Example]
"""Makes the example of one whose reference is cells, and of the positions that they mean."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What a row says of the right candidate, before all rows together tell what it means."""

    where: str | Callable[[], str]
    """As for an error; a function where the line is only looked for then."""
    value: Any
    candidates: Sequence[str]
    """Their texts."""
    words: Positions = field(default_factory=dict)
    """What else stands for a candidate → its position."""
    names: Positions = field(default_factory=dict)
    """What the file itself calls the row's choices, where it does → their positions."""
    choices: bool = False
    """The candidates are the row's own. Letters mean them too, and a number in JSON is not for sure one of their texts."""

    @property
    def place(self) -> str:
        return self.where if isinstance(self.where, str) else self.where()

    def positions(self) -> Positions:
        """By every reading by which the cell means something."""
        text = " ".join(str(self.value).split())
        spelled, number = [str(self.value), text], whole(self.value)
        if isinstance(self.value, bool):
            spelled.append(text.lower())
        elif number is not None and not isinstance(self.value, str):
            spelled.append(str(number))
        letter = self.choices and len(text) == 1 and text.isascii() and text.isalpha()
        found = {
            NAME: next((self.names[s] for s in spelled if s in self.names), None),
            "text": next((at for s in spelled if (at := self._place(s)) is not None), None),
            "letter": LETTERS.index(text.upper()) if letter else None,
            "index": number,
            "number": None if number is None else number - 1,
        }
        return {reading: at for reading, at in found.items() if at is not None and 0 <= at < len(self.candidates)}

    def _place(self, text: str) -> int | None:
        return self.candidates.index(text) if text in self.candidates else self.words.get(text)


def whole(value: Any) -> int | None:
    """The whole number that a cell holds; None if it is none."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e18 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = WHOLE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(found[1]) if found else None


def check_reading(said: str, option: str) -> str:
    """raises: InputError if there is no such reading"""
    if said and said not in READINGS:
        known = ", ".join(f"{reading} ({words})" for reading, words in READINGS.items())
        raise InputError(f"{option}: {said!r} is no way to tell what is meant", f"the ways are: {known}")
    return said


def settle(data: Dataset, column: str, said: str, finish: Finish) -> Dataset:
    """The data set whose readers gave `Cell`s, or lists of them, as references, with what they mean in all rows together.

    column: the field that `--columns` names: "label", "answer", "reference"
    said: the reading that the user named; "": the rows tell it
    finish: makes the example of the positions that its reference means; one whose reference has no cells stays

    Where a split leaves open whether its numbers count from 0 or from 1, the other splits tell.

    raises: InputError if there is no such reading
    """
    check_reading(said, f"--columns {column}_is")
    counted: dict[str, str] = {}
    named: dict[str, None] = {}

    def read(split: str) -> Iterator[Example]:
        examples = deque(data.readers[split]())
        every = [cell for e in examples for cell in cells(e) or ()]
        rows = _Rows(name=f"{data.name}, split {split}", column=column, others=beside(split))
        found = iter(rows.meant(every, said))
        if rows.counted:
            counted[split] = rows.counted
        if len(set(counted.values())) > 1:
            told = ", ".join(f"{READINGS[how]} in {name}" for name, how in counted.items())
            raise DataError(data.name, f"{column}s that count alike in all splits", told, rows.hint("index", "number"))
        named.update((label, None) for cell in every if not cell.choices for label in cell.candidates)
        del every
        while examples:  # each goes as what it becomes comes
            its = cells(e := examples.popleft())
            yield e if its is None else finish(e, [next(found) for _ in its])

    def beside(split: str) -> Iterator[Cell]:
        """The cells of the other splits, whose bad rows are told where they are read for themselves."""
        for other in data.readers:
            if other != split:
                with bad_rows_aside():
                    examples = list(data.readers[other]())
                yield from (cell for e in examples for cell in cells(e) or ())

    readers = {split: partial(read, split) for split in data.readers}
    return replace(data, readers=readers, labels=lambda: tuple(named))


def predicted(path: Path, cells: Sequence[Cell]) -> list[int | None]:
    """The positions that the predictions of a file mean, by the rules of references; None for what means nothing.

    raises: DataError if they can be read in more than one way
    """
    sure = [cell for cell in cells if cell.positions()]
    found = iter(_Rows(name=str(path), column="prediction").meant(sure, ""))
    return [next(found) if cell.positions() else None for cell in cells]


def _rows(cells: Iterable[Cell]) -> list[Row]:
    """Each cell with its positions; labels, which are the same in all rows of a file, are looked up once."""
    known: dict[Any, Positions] = {}
    found: list[Row] = []
    for cell in cells:
        if not found or cell.choices or cell.candidates is not found[-1][0].candidates:
            known = {}
        key = (type(cell.value), str(cell.value))
        if key not in known:
            known[key] = cell.positions()
        found.append((cell, known[key]))
    return found


def _known(cell: Cell) -> str:
    return f"the {'choices' if cell.choices else 'labels'} are: {', '.join(cell.candidates)}"


def cells(example: Example) -> Sequence[Cell] | None:
    """Of an example's reference; None if it is something else."""
    reference = example.reference
    if isinstance(reference, Cell):
        return [reference]
    return reference if isinstance(reference, list) and all(isinstance(c, Cell) for c in reference) else None


@dataclass(kw_only=True)
class _Rows:
    """The rows that are decided together."""

    name: str
    column: str
    others: Iterable[Cell] = ()
    """The cells of the other splits."""
    counted: str = ""
    """The reading by which numbers were read, once they were: index or number."""
    unsure: bool = False
    """Whether it might as well have been the other."""

    def meant(self, cells: Sequence[Cell], said: str) -> list[int]:
        """The position that each cell means; it is said where numbers do not count from 0 for sure.

        said: the reading of all cells that can be read so; the others are decided by themselves

        raises: DataError if a cell means nothing, or all together can be read in more than one way
        """
        every = _rows(cells)
        rows = [row for row in every if said not in row[1]]
        # numbers that count from 0 do not count from 1 where they are too high
        if unlike := {"index": "number", "number": "index"}.get(said):
            rows = [(cell, {how: at for how, at in found.items() if how != unlike}) for cell, found in rows]
        rest = iter(self._meant(rows))
        first = "the first choice" if cells and cells[0].choices else f"{cells[0].candidates[0]!r:.40}" if cells else ""
        of = f"of {len(cells)} {self.column}s"
        if self.unsure:
            how = f"may count from 0 or 1; they are read so that 0 is {first}; {self.hint('index', 'number')}"
            warn_flaws(self.name, len(rows), f"{of} {how}")
        elif self.counted == "number":
            warn_flaws(self.name, len(rows), f"{of} count from 1 and not from 0; they are read so that 1 is {first}")
        return [found[said] if said in found else next(rest) for _, found in every]

    def _meant(self, rows: Sequence[Row]) -> list[int]:
        self._refuse_unknown(rows)
        fitting = [reading for reading in (NAME, *READINGS) if all(reading in found for _, found in rows)]
        if not rows or NAME in fitting:
            return [found[NAME] for _, found in rows]
        if not fitting:
            return self._mixed(rows)
        reading = fitting[0] if fitting[0] in ("text", "letter") else self._count(fitting)
        # the rows in which a text and a position disagree; what is written as a choice's text, or as a label's name, is that
        rivals = fitting if reading == "text" else ("text",)
        doubts = [
            (cell, found) for cell, found in rows
            if not (reading == "text" and (isinstance(cell.value, str) or not cell.choices))
            and any(cell.candidates[found[how]] != cell.candidates[found[reading]] for how in rivals if how in found)
        ]  # fmt: skip
        if doubts and (reading == "text" or len(fitting) > 1):
            self._refuse(rows, *doubts[0])
        said = f"of {len(rows)} {self.column}s are the text of another candidate; all are read as {READINGS[reading]}"
        warn_flaws(self.name, len(doubts), f"{said}; {self.hint(reading, 'text')}")
        return [found[reading] for _, found in rows]

    def _count(self, fitting: Sequence[str]) -> str:
        """From where numbers count: index or number."""
        self.counted = fitting[0]
        if len(fitting) > 1:
            numbers = [found for _, found in _rows(self.others) if "index" in found or "number" in found]
            settled = [reading for reading in fitting if numbers and all(reading in found for found in numbers)]
            self.counted, self.unsure = settled[0] if len(settled) == 1 else "index", len(settled) != 1
        return self.counted

    def _mixed(self, rows: Sequence[Row]) -> list[int]:
        """No reading fits all rows: numbers then count alike, and what may be a number and something else is refused."""
        numbers = [(cell, found) for cell, found in rows if "index" in found or "number" in found]
        fitting = [reading for reading in ("index", "number") if all(reading in found for _, found in numbers)]
        if numbers and not fitting:
            high, low = (next(cell for cell, found in numbers if reading not in found) for reading in ("index", "number"))
            expected = f"{self.column}s that count from 0 or from 1 in all rows"
            raise DataError(high.place, expected, f"{high.value!r}, and {low.value!r} at {low.place}", _known(high))
        counted = self._count(fitting) if numbers else ""
        chosen = []
        for cell, found in rows:
            meant = [at for reading, at in found.items() if reading not in ("index", "number") or reading == counted]
            if len({cell.candidates[at] for at in meant}) > 1:
                self._refuse(rows, cell, found)
            chosen.append(meant[0])
        return chosen

    def _refuse_unknown(self, rows: Sequence[Row]) -> None:
        unknown = [cell for cell, found in rows if not found]
        if not unknown:
            return
        if len(unknown) == len(rows) > 1 and all(whole(cell.value) == -1 for cell in unknown):
            raise DataError(self.name, f"{self.column}s", f"-1, which stands for none, in all {len(rows)} rows", *HIDDEN)
        first = unknown[0]
        last = len(first.candidates) - 1
        names = ", ".join(first.names) or f"A to {LETTERS[min(last, 25)]}, or 0 to {last}"
        expected = f"the right choice as {names}, or its text" if first.choices else "a known label"
        more = [f"{len(unknown)} of {len(rows)} rows have none of them"] if len(unknown) > 1 else []
        missing = f"{first.value} mostly stands for a label that is missing"
        leaving = f"hidden = {first.value!r} under [columns] of a task's file leaves such rows out"
        absent = [missing, leaving] if whole(first.value) == -1 or first.value == "-" else []
        raise DataError(first.place, expected, f"{first.value!r:.60}", _known(first), *absent, *more)

    def _refuse(self, rows: Sequence[Row], cell: Cell, found: Positions) -> None:
        """raises: DataError for rows that can be read in more than one way, of which one is shown"""
        told = ", ".join(f"{cell.candidates[found[how]]!r:.40} by {words}" for how, words in READINGS.items() if how in found)
        sizes = {words: sum(how in its for _, its in rows) for how, words in READINGS.items()}
        fit = ", ".join(f"{size} as {words}" for words, size in sizes.items() if size)
        raise DataError(
            cell.place, f"{self.column}s that can be read in one way alone", f"{cell.value!r:.60}, which is {told}",
            f"of {len(rows)} rows, {fit} can be read", self.hint(*found),
        )  # fmt: skip

    def hint(self, *readings: str) -> str:
        """How the user says which of some readings is meant."""
        if self.column == "prediction":
            return "write what is meant by its text, in JSON between quotes"
        ways = (f"{self.column}_is={how} ({words})" for how, words in READINGS.items() if how in readings)
        own = ", or with reference_is under [columns] of the task's file" if self.column == "reference" else ""
        return f"say what they are with --columns {' or '.join(ways)}{own}"
