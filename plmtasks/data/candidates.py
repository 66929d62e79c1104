"""Which of some labels or choices a cell means, by its text, its letter or its number: decided once for all rows of a file."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError, InputError
from ..examples import Example
from ..files import bad_rows_aside
from .dataset import Dataset, warn_flaws

__all__ = ["LETTERS", "READINGS", "Cell", "check_reading", "predicted", "settle", "whole"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""How choices are called, in their order."""

READINGS: Mapping[str, str] = {"text": "texts", "letter": "letters", "index": "numbers from 0", "number": "numbers from 1"}
"""How a column can tell which candidate is meant; `--columns` says it: answer_is=text, label_is=number, reference_is=…"""

NAME = "name"
"""The reading before all others: what the file itself calls a row's choices."""

WHOLE = re.compile(r"([+-]?[0-9]{1,18})(\.0+)?")
"""A whole number; pandas writes all numbers of a column as decimals where one is missing."""

HIDDEN = ("the references of this split are not public, it seems", "evaluate another one with --split")

Positions = Mapping[str, int]
"""Reading → the position of the candidate that a cell means by it."""

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
        examples = list(data.readers[split]())
        rows = _Rows(name=f"{data.name}, split {split}", column=column, others=_cells_beside(data, split))
        made = list(rows.settled(examples, said, finish))
        if rows.counted:
            counted[split] = rows.counted
        if len(set(counted.values())) > 1:
            told = ", ".join(f"{READINGS[how]} in {name}" for name, how in counted.items())
            raise DataError(data.name, f"{column}s that count alike in all splits", told, rows.hint("index", "number"))
        named.update((label, None) for e in examples for c in cells(e) or () if not c.choices for label in c.candidates)
        yield from made

    readers = {split: partial(read, split) for split in data.readers}
    return replace(data, readers=readers, labels=lambda: tuple(named), _read={}, _left_out={})


def _cells_beside(data: Dataset, split: str) -> Iterator[Cell]:
    """The cells of the other splits, whose bad rows are told where they are read for themselves."""
    for other in data.readers:
        if other != split:
            with bad_rows_aside():
                examples = list(data.readers[other]())
            for example in examples:
                yield from cells(example) or ()


def predicted(path: Path, cells: Sequence[Cell]) -> list[int | None]:
    """The positions that the predictions of a file mean, by the rules of references; None for what means nothing.

    raises: DataError if they can be read in more than one way
    """
    sure = [cell for cell in cells if cell.positions()]
    found = iter(_Rows(name=str(path), column="prediction").meant(sure, ""))
    return [next(found) if cell.positions() else None for cell in cells]


def _positions(cells: Iterable[Cell]) -> list[Positions]:
    """Of each cell; labels, which are the same in all rows of a file, are looked up once."""
    known: dict[Any, Positions] = {}
    found, before = [], None
    for cell in cells:
        if before is None or cell.choices or cell.candidates is not before.candidates:
            known = {}
        before, key = cell, (type(cell.value), str(cell.value))
        if key not in known:
            known[key] = cell.positions()
        found.append(known[key])
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

    def settled(self, examples: Sequence[Example], said: str, finish: Finish) -> Iterator[Example]:
        found = iter(self.meant([cell for e in examples for cell in cells(e) or ()], said))
        for e in examples:
            its = cells(e)
            yield e if its is None else finish(e, [next(found) for _ in its])

    def meant(self, cells: Sequence[Cell], said: str) -> list[int]:
        """The position that each cell means; it is said where numbers do not count from 0 for sure.

        said: the reading of all cells that can be read so; the others are decided by themselves

        raises: DataError if a cell means nothing, or all together can be read in more than one way
        """
        every = _positions(cells)
        open_ = [cell for cell, found in zip(cells, every, strict=True) if said not in found]
        # numbers that count from 0 do not count from 1 where they are too high
        unlike = {"index": "number", "number": "index"}.get(said)
        left = [{how: at for how, at in found.items() if how != unlike} for found in every if said not in found]
        rest = iter(self._meant(open_, left))
        first = "the first choice" if cells and cells[0].choices else f"{cells[0].candidates[0]!r:.40}" if cells else ""
        if self.unsure:
            which = self.hint("index", "number")
            warn_flaws(
                self.name,
                len(open_),
                f"of {len(cells)} {self.column}s may count from 0 or 1; they are read so that 0 is {first}; {which}",
            )
        elif self.counted == "number":
            warn_flaws(
                self.name,
                len(open_),
                f"of {len(cells)} {self.column}s count from 1 and not from 0; they are read so that 1 is {first}",
            )
        return [found[said] if said in found else next(rest) for found in every]

    def _meant(self, cells: Sequence[Cell], every: Sequence[Positions]) -> list[int]:
        self._refuse_unknown(cells, every)
        fitting = [reading for reading in (NAME, *READINGS) if all(reading in found for found in every)]
        if not cells or NAME in fitting:
            return [found[NAME] for found in every]
        if not fitting:
            return self._mixed(cells, every)
        reading = fitting[0] if fitting[0] in ("text", "letter") else self._count(every, fitting)
        self._weigh(cells, every, reading, fitting)
        return [found[reading] for found in every]

    def _weigh(self, cells: Sequence[Cell], every: Sequence[Positions], reading: str, fitting: Sequence[str]) -> None:
        """Refuses the rows in which a text and a position disagree, or says how the file as a whole settled them."""
        rivals = fitting if reading == "text" else ("text",)
        doubts = [
            i for i, (cell, found) in enumerate(zip(cells, every, strict=True))
            # what is written as the text of a choice, or as the name of a label, is that
            if not (reading == "text" and (isinstance(cell.value, str) or not cell.choices))
            and any(cell.candidates[found[how]] != cell.candidates[found[reading]] for how in rivals if how in found)
        ]  # fmt: skip
        if doubts and (reading == "text" or len(fitting) > 1):
            self._refuse(cells, every, doubts[0])
        said = f"of {len(cells)} {self.column}s are the text of another candidate; all are read as {READINGS[reading]}"
        warn_flaws(self.name, len(doubts), f"{said}; {self.hint(reading, 'text')}")

    def _count(self, every: Sequence[Positions], fitting: Sequence[str]) -> str:
        """From where numbers count: index or number."""
        self.counted, self.unsure = fitting[0], False
        if len(fitting) > 1:
            numbers = [found for found in _positions(self.others) if "index" in found or "number" in found]
            settled = [reading for reading in fitting if numbers and all(reading in found for found in numbers)]
            self.counted, self.unsure = settled[0] if len(settled) == 1 else "index", len(settled) != 1
        return self.counted

    def _mixed(self, cells: Sequence[Cell], every: Sequence[Positions]) -> list[int]:
        """No reading fits all rows: numbers then count alike, and what may be a number and something else is refused."""
        numbers = [i for i, found in enumerate(every) if "index" in found or "number" in found]
        fitting = [reading for reading in ("index", "number") if all(reading in every[i] for i in numbers)]
        if numbers and not fitting:
            high, low = (next(cells[i] for i in numbers if reading not in every[i]) for reading in ("index", "number"))
            expected = f"{self.column}s that count from 0 or from 1 in all rows"
            raise DataError(high.place, expected, f"{high.value!r}, and {low.value!r} at {low.place}", _known(high))
        counted = self._count([every[i] for i in numbers], fitting) if numbers else ""
        chosen = []
        for i, found in enumerate(every):
            meant = [at for reading, at in found.items() if reading not in ("index", "number") or reading == counted]
            if len({cells[i].candidates[at] for at in meant}) > 1:
                self._refuse(cells, every, i)
            chosen.append(meant[0])
        return chosen

    def _refuse_unknown(self, cells: Sequence[Cell], every: Sequence[Positions]) -> None:
        unknown = [cell for cell, found in zip(cells, every, strict=True) if not found]
        if not unknown:
            return
        if len(unknown) == len(cells) > 1 and all(whole(cell.value) == -1 for cell in cells):
            raise DataError(self.name, f"{self.column}s", f"-1, which stands for none, in all {len(cells)} rows", *HIDDEN)
        first = unknown[0]
        last = len(first.candidates) - 1
        names = ", ".join(first.names) or f"A to {LETTERS[min(last, 25)]}, or 0 to {last}"
        expected = f"the right choice as {names}, or its text" if first.choices else "a known label"
        more = [f"{len(unknown)} of {len(cells)} rows have none of them"] if len(unknown) > 1 else []
        absent = ["-1 mostly stands for a label that is missing"] if whole(first.value) == -1 else []
        raise DataError(first.place, expected, f"{first.value!r:.60}", _known(first), *absent, *more)

    def _refuse(self, cells: Sequence[Cell], every: Sequence[Positions], at: int) -> None:
        """raises: DataError for rows that can be read in more than one way, of which one is shown"""
        cell, found = cells[at], every[at]
        told = ", ".join(f"{cell.candidates[found[how]]!r:.40} by {words}" for how, words in READINGS.items() if how in found)
        sizes = {how: sum(how in found for found in every) for how in READINGS}
        fit = ", ".join(f"{sizes[how]} as {words}" for how, words in READINGS.items() if sizes[how])
        raise DataError(
            cell.place, f"{self.column}s that can be read in one way alone", f"{cell.value!r:.60}, which is {told}",
            f"of {len(cells)} rows, {fit} can be read", self.hint(*found),
        )  # fmt: skip

    def hint(self, *readings: str) -> str:
        """How the user says which of some readings is meant."""
        if self.column == "prediction":
            return "write what is meant by its text, in JSON between quotes"
        ways = (f"{self.column}_is={how} ({words})" for how, words in READINGS.items() if how in readings)
        own = ", or with reference_is under [columns] of the task's file" if self.column == "reference" else ""
        return f"say what they are with --columns {' or '.join(ways)}{own}"
