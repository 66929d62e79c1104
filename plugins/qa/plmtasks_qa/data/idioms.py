"""Chinese texts with blanks for idioms, as CLUE and FewCLUE have them: a row for each blank."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError
from plmtasks.files import read_json

from .rows import get, get_object, paragraph, shown, under

MARK = re.compile(r"#idiom\d*#")
"""A blank in a file; CLUE numbers them, FewCLUE has one in each row."""

UNTOLD = -1
"""The answer where it is not public."""

ASKED, OTHER = "____", "（　）"
"""What stands for the blank that is asked for, and for the others in its text."""


def blanks(path: Path, where: str, row: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A row for each blank in the texts of a row, which share their candidates.

    row: "content", a text or a list of them, and the answers: "answers" of the hub, {"candidate_id": […]} in the blanks' order,
        or "answer", the one position of FewCLUE; else those by the marks in the file `…_answer.json` beside, as CLUE has it; none
        where they are not public
    returns: its columns, and beside them "text", with the blank marked; "answer", the position among "candidates"; "passages",
        the same of all blanks of the row; and "id", the mark, where that is numbered

    raises: DataError
    """
    content = row.get("content")
    texts = [content] if isinstance(content, str) else content
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise DataError(under(where, "content"), "a text, or a list of them", shown(content))
    found = [(text, mark) for text in texts for mark in MARK.finditer(text)]
    answers = _answers(path, where, row, [mark[0] for _, mark in found])
    if len(answers) != len(found):
        raise DataError(where, f"{len(found)} answers, one for each blank", f"{len(answers)}")
    for (text, mark), answer in zip(found, answers, strict=True):
        before, after = (MARK.sub(OTHER, part) for part in (text[: mark.start()], text[mark.end() :]))
        own = {"text": f"{before}{ASKED}{after}", "answer": answer, "passages": paragraph("\n".join(texts))}
        numbered = {"id": mark[0]} if mark[0] != "#idiom#" else {}
        yield f"{where}, {mark[0]}", {**row, **own, **numbered}


def _answers(path: Path, where: str, row: Mapping[str, Any], marks: Sequence[str]) -> list[Any]:
    """The position of the right candidate for each blank."""
    if "answer" in row:
        return [row["answer"]]
    beside = path.with_name(f"{path.name.split('.')[0]}_answer.json")
    if "answers" not in row and beside.is_file():
        told = _told(beside, beside.stat().st_mtime_ns)
        return [get(str(beside), told, mark, int) for mark in marks]
    said = row.get("answers") or []
    found = said["candidate_id"] if isinstance(said, Mapping) else [get(where, one, "candidate_id", int) for one in said]
    return list(found) or [UNTOLD] * len(marks)


@lru_cache(maxsize=4)  # a file for each split, and asked for with each row
def _told(path: Path, written: int) -> dict[str, Any]:
    """The file as it was written at that time."""
    return get_object(str(path), read_json(path))
