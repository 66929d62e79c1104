"""Results in the formats of other tools, and other tools' results as runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plmtasks.errors import InputError
from plmtasks.results import Result

if TYPE_CHECKING:
    from plmtasks.registry import Registry

TO = ("model-card", "evaluate", "lm-eval", "predictions")
FROM = ("lm-eval",)

__all__ = ["FROM", "TO", "read", "write"]


def write(results: Sequence[Result], form: str, path: Path, registry: "Registry") -> list[Path]:
    """Writes results in another tool's format; returns the files.

    form: one of TO
    path: a file; a folder where it names none, or where there is one file a result

    raises: InputError for results that the format cannot hold together; DataError, OutputError
    """
    from . import to_evaluate, to_lm_eval, to_model_card, to_predictions

    forms = {
        "model-card": to_model_card.write, "evaluate": to_evaluate.write, "lm-eval": to_lm_eval.write,
        "predictions": to_predictions.write,
    }  # fmt: skip
    if form not in forms:
        raise InputError(f"there is no format {form!r}", f"there are: {', '.join(TO)}")
    return forms[form](results, path, registry)


def read(path: Path, form: str, output: Path, tasks: Mapping[str, str]) -> list[Result]:
    """Writes runs of another tool's results into a folder of results.

    form: one of FROM
    path: a file of results, or a folder with some
    tasks: the tool's task → the name that it gets here; "": of the only one

    raises: InputError, DataError; OutputError
    """
    from . import from_lm_eval

    if form not in FROM:
        raise InputError(f"there is no format {form!r} to read", f"there are: {', '.join(FROM)}")
    return from_lm_eval.read(path, output, tasks)
