"""A run's predictions in the format that its field's own scorers read."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plmtasks.errors import DataError, DataWarning, InputError, OutputError
from plmtasks.examples import Example, Prediction
from plmtasks.files import open_folder, write_text
from plmtasks.results import Result
from plmtasks.store import task_of
from plmtasks.task import Task

if TYPE_CHECKING:
    from plmtasks.hooks import Registry


def write(results: Sequence[Result], path: Path, registry: "Registry") -> list[Path]:
    """The file of one run's predictions, and what belongs beside it.

    raises: InputError for several runs, and for a run that skipped examples; DataError; OutputError for predictions that
        the format cannot hold
    """
    if len(results) > 1:
        raise InputError(f"{len(results)} runs are there, and a file has the predictions of one", "name the folder of one run")
    [result] = results
    task = task_of(result, registry)
    examples, predictions = _predicted(result)
    files = task.write_predictions(path.name, examples, predictions)
    _check(task, files, path, examples, predictions)
    open_folder(path.parent)
    for name, text in files.items():
        write_text(path.parent / name, text)
    return [path.parent / name for name in files]


def _predicted(result: Result) -> tuple[list[Example], dict[str, Prediction]]:
    where = str(result.folder / "predictions.jsonl")
    skipped = result.record["data"]["skipped"]
    if skipped:
        raise InputError(
            f"{where}: {skipped} examples were skipped, and a scorer wants a prediction of each",
            "run again with another --truncation",
        )
    examples, predictions = [], {}
    try:
        for row in result.predictions():
            examples.append(Example(id=row["id"], inputs=row["inputs"], reference=row["reference"], slices=tuple(row["slices"])))
            predictions[row["id"]] = Prediction.from_line(row)
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DataError(where, "a run's predictions with their inputs", f"{type(e).__name__}: {e}", "run again") from e
    return examples, predictions


def _check(
    task: Task, files: Mapping[str, str], path: Path, examples: Sequence[Example], predictions: Mapping[str, Prediction]
) -> None:
    """Reads the file back.

    raises: OutputError if anything comes back otherwise than it was
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        for name, text in files.items():
            write_text(Path(folder) / name, text)
        try:
            found = task.read_predictions(Path(folder) / path.name, examples)
        except DataError as e:
            lost = f"expected {e.expected}, found {e.found}"
        else:
            wrong = [e.id for e in examples if e.id not in found or found[e.id].value != predictions[e.id].value]
            if not wrong:
                return
            lost = f"{len(wrong)} of {len(examples)} would be read as others, that of {wrong[0]!r} first"
    raise OutputError(
        f"{path.name}: this format cannot hold the predictions: {lost}",
        "a name that ends in .jsonl gives JSON lines, which hold all", "plmtasks score reads a run's predictions.jsonl, too",
    )  # fmt: skip
