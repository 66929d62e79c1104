"""Answers in files, in the forms of SQuAD, CoQA, QuAC and multiple choice."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from plmtasks.data import LETTERS, predicted
from plmtasks.errors import DataError
from plmtasks.examples import Prediction
from plmtasks.files import parse, read_json, read_json_lines, read_lines

from .choices import cell
from .conversations import CANNOT_ANSWER
from .rows import get, get_lists, get_object, shown


def read_answers(path: Path) -> dict[str, Prediction]:
    """Answers by id, from one of three forms; nothing if the file has another.

    SQuAD: one object, {id: answer}. CoQA: a list of {"id", "turn_id", "answer"}. QuAC: an object a line with the lists
    "qid" and "best_span_str".

    raises: DataError
    """
    lines = [line.strip() for line in read_lines(path) if line.strip()]
    if not lines:
        return {}
    if lines[0].startswith("[") and path.name.endswith(".json"):
        return {id_: Prediction(value=text) for id_, text in _coqa(path)}
    first = _keys(lines[0])
    if "best_span_str" in first:
        return {id_: Prediction(value=text) for id_, text in _quac(path)}
    if not lines[0].startswith("{") or {"id", "prediction"} <= first:
        return {}
    try:
        document = get_object(str(path), read_json(path))
    except DataError:
        if path.name.endswith((".json", ".jsonl")):
            raise
        return {}  # answers, the first of which begins with a brace
    return {id_: Prediction(value=get(str(path), document, id_, str)) for id_ in document}


def write_object(values: Mapping[str, Any]) -> str:
    """{id: value}, a line each."""
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def write_turns(answers: Mapping[str, str]) -> str:
    """CoQA's form; an answer's id is that of its story, a low line and the number of its turn."""
    parted = [(*id_.rpartition("_"), answer) for id_, answer in answers.items()]
    rows = [{"id": story, "turn_id": int(turn), "answer": answer} for story, _, turn, answer in parted]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def read_probabilities(path: Path) -> dict[str, float]:
    """{id: a number}.

    raises: DataError
    """
    document = get_object(str(path), read_json(path))
    for id_, p in document.items():
        if isinstance(p, bool) or not isinstance(p, (int, float)):
            raise DataError(f"{path}: {id_}", "a number", shown(p))
    return {id_: float(p) for id_, p in document.items()}


def read_letters(path: Path, found: Mapping[str, Prediction], choices: Mapping[str, Sequence[str]]) -> dict[str, Prediction]:
    """Predictions with the letter of the choice, whether the file has texts, letters or numbers.

    raises: DataError
    """
    asked = [id_ for id_ in found if id_ in choices]
    cells = [cell(f"{path}: {id_}", found[id_].value, choices[id_]) for id_ in asked]
    letters = {}
    for id_, its, at in zip(asked, cells, predicted(path, cells), strict=True):
        if at is None:
            last = LETTERS[len(its.candidates) - 1]
            raise DataError(its.place, f"a letter from A to {last}, a position from 0, or a choice's text", shown(its.value))
        letters[id_] = LETTERS[at]
    return {id_: replace(p, value=letters[id_]) if id_ in letters else p for id_, p in found.items()}


def _keys(line: str) -> set[str]:
    """The keys of a line that is a JSON object; none if it is something else."""
    try:
        value = parse("", line)
    except DataError:
        return set()
    return set(value) if isinstance(value, dict) else set()


def _coqa(path: Path) -> list[tuple[str, str]]:
    found = []
    for i, item in enumerate(read_json(path)):
        at = f"{path}: [{i}]"
        turn = get(at, get_object(at, item), "turn_id", int)
        found.append((f"{get(at, item, 'id', str)}_{turn}", get(at, item, "answer", str)))
    return found


def _quac(path: Path) -> list[tuple[str, str]]:
    found = []
    for where, row in read_json_lines(path):
        ids, texts = get_lists(where, row, "qid", "best_span_str")
        found += [(id_, "" if text == CANNOT_ANSWER else text) for id_, text in zip(ids, texts, strict=True)]
    return found
