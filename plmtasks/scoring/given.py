"""Predictions that are at hand, scored as a file of them is."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import Source
from ..errors import InputError
from ..hooks import Registry
from .scores import Scored, Submission, score_file

NAME = "predictions"
"""What they are called in messages."""

HOW = 'give {id: prediction}, rows of "id" and "prediction", or a list of texts in the order of the examples'


def score_given(registry: Registry, task: str, source: Source, given: Submission, predictions: Iterable[Any]) -> Scored:
    """Scores of predictions.

    given: its path does not matter
    predictions: id → prediction; rows with "id" and "prediction", as `plmtasks.predict` gives them; or texts, one for each
        example in their order

    raises: InputError for what is none of these; DataError for predictions that are missing
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_text(_written(predictions), encoding="utf-8")
        try:
            return score_file(registry, task, source, replace(given, path=path))
        except InputError as e:
            e.message = e.message.replace(str(path), NAME)
            e.args = (e.message,)
            raise


def _written(predictions: Iterable[Any]) -> str:
    """As lines of a file: of JSON, or of text."""
    if isinstance(predictions, Mapping):
        predictions = [{"id": str(id_), "prediction": value} for id_, value in predictions.items()]
    rows = list(predictions)
    bare = next((row for row in rows if isinstance(row, Mapping) and "prediction" not in row), None)
    if bare is not None:
        raise InputError(f'a row of {NAME} has no "prediction", but {", ".join(map(repr, bare)) or "nothing"}', HOW)
    if rows and not any(isinstance(row, Mapping) and "id" in row for row in rows):
        rows = [row["prediction"] if isinstance(row, Mapping) else row for row in rows]
    if rows and all(isinstance(row, str) for row in rows):
        broken = next((number for number, row in enumerate(rows) if len(row.splitlines()) > 1), None)
        if broken is not None:
            raise InputError(f"{NAME}[{broken}] has more than one line", "give {id: prediction} instead of a list")
        return "".join(f"{row}\n" for row in rows)
    wrong = next((number for number, row in enumerate(rows) if not isinstance(row, Mapping)), None)
    if wrong is not None or not rows:
        found = f"{NAME}[{wrong}] is no text or row: {rows[wrong]!r:.60}" if wrong is not None else f"there are no {NAME}"
        raise InputError(found, HOW)
    try:
        return "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows)
    except (TypeError, ValueError) as e:
        raise InputError(f"{NAME} cannot be written as JSON: {e}", "texts, numbers and lists of them can") from e
