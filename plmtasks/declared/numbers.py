"""Tasks whose answer is a number."""

import re
from collections.abc import Mapping
from typing import Any

from .. import requests
from ..errors import DataError
from ..examples import Example, Prediction
from ..requests import Answer, Request
from .base import DeclaredTask

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


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

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> float:
        """raises: DataError for what is no finite number, or lies beyond the scale"""
        said = self.declared.Regress
        try:
            value = float(cell) if isinstance(cell, (int, float, str)) and not isinstance(cell, bool) else float("nan")
        except ValueError:
            value = float("nan")
        low = float("-inf") if said is None or said.low is None else said.low
        high = float("inf") if said is None or said.high is None else said.high
        if not (low <= value <= high and abs(value) < float("inf")):
            scale = f" from {low:g} to {high:g}" if (low, high) != (float("-inf"), float("inf")) else ""
            raise DataError(where, f"a number{scale}", f"{cell!r:.60}")
        return value

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """The number; of a text the first in it, None where there is none."""
        if isinstance(answer, requests.RegressAnswer):
            return Prediction(value=answer.value)
        assert isinstance(answer, requests.GenerateAnswer)
        found = NUMBER.search(answer.text)
        return Prediction(value=float(found[0]) if found else None)

    def solve(self, example: Example, request: Request) -> Answer:
        if isinstance(request, requests.Regress):
            return requests.RegressAnswer(value=example.reference)
        return requests.GenerateAnswer(text=repr(example.reference).removesuffix(".0"))

    def show(self, example: Example, prediction: Prediction) -> str:
        return "no number" if prediction.value is None else f"{prediction.value:g}"
