"""Labels in generated text, and in files of somebody else's predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from plmtasks.data import Cell, predicted, warn_flaws
from plmtasks.data import read_predictions as read_common
from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction
from plmtasks.files import column, read_lines, read_table
from plmtasks.reading import SURROUNDINGS, first_line, named

from .data import Format


class Labelled(Protocol):
    """What reading and writing labels looks at of a task."""

    @property
    def name(self) -> str: ...
    @property
    def form(self) -> Format: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def multi_label(self) -> bool: ...


def write_labels(labels: Sequence[str], task: Labelled) -> str:
    """The text that stands for these labels: `read_label` reads it back."""
    return _separator(task).join(labels) or _nothing(task)


def read_label(text: str, task: Labelled) -> str | list[str] | None:
    """The label that a generated text names; for several labels their sorted list.

    The text's first line counts. It may have quotes and the like around the label, any case, and more words after it.
    None if it names no label; a list keeps the words that are no labels, so that they count as wrong.
    """
    text = first_line(text)
    if not task.multi_label:
        return named(text, task.labels)
    if not text:
        return None
    if text.strip(SURROUNDINGS).casefold() == _nothing(task):
        return []
    parts = [part for part in text.split(_separator(task).strip()) if part.strip()]
    return sorted({named(part, task.labels) or part.strip() for part in parts})


def read_file(path: Path, examples: Sequence[Example], task: Labelled) -> dict[str, Prediction]:
    """Predictions in GLUE's `index<TAB>prediction`, or in one of the core's formats; labels by word, number or code.

    What is no label stays as it is and counts as wrong, with a counted warning.

    raises: DataError with the line; DataError if the file has something, and not one label of the task
    """
    first = next(iter(read_lines(path)), "")
    found = _read_glue(path, examples) if first.split("\t")[:2] == ["index", "prediction"] else read_common(path, examples)
    told = {id_: _told(p.value, task) for id_, p in found.items()}
    cells = [task.form.cell(f"{path}: {id_}", item, task.labels) for id_, items in told.items() for item in items or ()]
    meant = iter(zip(cells, predicted(path, cells), strict=True))
    read = {}
    for id_, items in told.items():
        labels = [_label(*next(meant)) for _ in items or ()]
        value = None if items is None else sorted(set(labels)) if task.multi_label else labels[0]
        read[id_] = Prediction(value=value, scores=found[id_].scores)
    outside = sum(not set(p.value if isinstance(p.value, list) else [p.value]) <= set(task.labels) for p in read.values())
    some = next((p.value for p in found.values() if p.value not in (None, "")), None)
    if some is not None and outside == len(read):
        raise DataError(str(path), f"labels of {task.name}", f"none, but {some!r}", f"the labels are: {', '.join(task.labels)}")
    warn_flaws(str(path), outside, f"of {len(read)} predictions name no label of {task.name}, and count as wrong")
    return read


def _label(cell: Cell, position: int | None) -> str:
    """What is no label stays as it is."""
    return str(cell.value) if position is None else cell.candidates[position]


def _read_glue(path: Path, examples: Sequence[Example]) -> dict[str, Prediction]:
    found: dict[str, Prediction] = {}
    for where, row in read_table(path):
        index = column(where, row, "index")
        if not index.isascii() or not index.isdigit() or int(index) >= len(examples):
            raise DataError(where, f"an index from 0 to {len(examples) - 1}", repr(index))
        id_ = examples[int(index)].id
        if id_ in found:
            raise DataError(where, "each index once", f"{index} again")
        found[id_] = Prediction(value=column(where, row, "prediction"))
    return found


def _told(value: Any, task: Labelled) -> list[Any] | None:
    """What a prediction says, by the labels' own words where it names them in others; None: nothing."""
    if value is None:
        return None
    if not task.multi_label:
        items = [value]
    else:
        items = list(value) if isinstance(value, (list, tuple)) else str(value).split(",") if "," in str(value) else [value]
        if items == [_nothing(task)]:
            return []
    return [(named(item, task.labels) or item.strip()) if isinstance(item, str) else item for item in items]


def _separator(task: Labelled) -> str:
    return next((s for s in (", ", "; ", " | ") if not any(s.strip() in label for label in task.labels)), "\t")


def _nothing(task: Labelled) -> str:
    taken = {label.strip(SURROUNDINGS).casefold() for label in task.labels}
    return next(word for word in ("none", "no label", "nothing of these") if word not in taken)
