"""Tasks whose answer is a number."""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import requests
from ..data import warn_flaws
from ..errors import DataError
from ..examples import Example, Prediction
from ..requests import Answer, Request
from .base import DeclaredTask

NUMBER = re.compile(r"[-+−]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
LONG = 15
"""Digits that a number has which was stored in single precision and is read in double: 3.799999952316284 for 3.8."""


class Numbers(DeclaredTask):
    """Which number? The reference is one."""

    hub_type = "text-classification"

    def __init__(
        self, name: str, *, text: str, reference: str, text_pair: str | None = None,
        scale: tuple[float | None, float | None] = (None, None), instruction: str = "", **said: Any,
    ) -> None:  # fmt: skip
        """Asked by `Regress`, and, where there is an instruction, by `Generate`.

        text, text_pair, instruction: templates
        scale: the least and the most that the number can be, None where that is not known
        reference: the column of the right number
        """
        shown = text if text_pair is None else f"{text}\n{text_pair}"
        written = {"text": shown, "instruction": instruction, "max_new_tokens": 16} if instruction else None
        asked = {"text": text, "text_pair": text_pair, "low": scale[0], "high": scale[1]}
        tables = {"Regress": asked, "Generate": written}
        super().__init__(name, reference=reference, **{**tables, **said})

    @property
    def scale(self) -> tuple[float | None, float | None]:
        """The least and the most that the number can be; None where that is not known."""
        said = self.declared.Regress
        return (said.low, said.high) if said is not None else (None, None)

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> float:
        """raises: DataError for what is no finite number, or lies beyond the scale"""
        try:
            value = float(cell) if isinstance(cell, (int, float, str)) and not isinstance(cell, bool) else math.nan
        except ValueError:
            value = math.nan
        low, high = self.scale
        low, high = -math.inf if low is None else low, math.inf if high is None else high
        if not (low <= value <= high and math.isfinite(value)):
            scale = f" from {low:g} to {high:g}" if math.isfinite(low) or math.isfinite(high) else ""
            raise DataError(where, f"a number{scale}", f"{cell!r:.60}")
        return _as_written(value)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The number; of a text the first in it, None where there is none."""
        if isinstance(answer, requests.RegressAnswer):
            return Prediction(value=answer.value)
        assert isinstance(answer, requests.GenerateAnswer)
        return Prediction(value=number_in(answer.text))

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, requests.Regress):
            return requests.RegressAnswer(value=example.reference)
        return requests.GenerateAnswer(text=repr(example.reference).removesuffix(".0"))

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Numbers, or texts with one in them; what holds none is counted.

        raises: DataError with the line; DataError if none is in the file
        """
        found = super().read_predictions(path, examples)
        read = {id_: replace(p, value=_said(p.value)) for id_, p in found.items()}
        strange = [found[id_].value for id_, p in read.items() if p.value is None]
        if strange and len(strange) == len(read):
            raise DataError(str(path), f"numbers, as predictions of {self.name}", f"none, but {strange[0]!r:.60}")
        warn_flaws(str(path), len(strange), f"of {len(found)} predictions hold no number; they count as no_number")
        return read

    def show(self, example: Example, prediction: Prediction) -> str:
        return "no number" if prediction.value is None else f"{prediction.value:g}"


def number_in(text: str) -> float | None:
    """The first number in a text, with a point for its decimals; None where there is none, or one that is not finite."""
    found = NUMBER.search(text)
    value = float(found[0].replace("−", "-")) if found else math.nan
    return value if math.isfinite(value) else None


def _said(value: Any) -> float | None:
    """What a file of predictions says."""
    if isinstance(value, str):
        return number_in(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else None


def _as_written(value: float) -> float:
    """The number that somebody wrote, where a table has kept it in single precision."""
    if len(repr(value)) < LONG or value != struct.unpack("f", struct.pack("f", value))[0]:
        return value
    shorter = (float(f"{value:.{digits}g}") for digits in range(6, 10))
    return next(one for one in shorter if struct.unpack("f", struct.pack("f", one))[0] == value)
