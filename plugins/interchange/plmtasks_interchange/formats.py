"""The formats by name; the modules that write and read them are imported when they are called."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from plmtasks.formats import Format, Written

if TYPE_CHECKING:
    from plmtasks.hooks import Registry
    from plmtasks.results import Result


class ModelCard(Format):
    name = "model-card"
    description = "a model's card: the hub's metadata and a table"

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        from .to_model_card import write

        return Written(files=write(results, path, registry))


class Evaluate(Format):
    name = "evaluate"
    description = "a file a run, as evaluate.save writes it"

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        from .to_evaluate import write

        return Written(files=write(results, path, registry))


class LmEval(Format):
    name = "lm-eval"
    description = "the result files of lm-eval"

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        from .to_lm_eval import write

        return Written(files=write(results, path, registry))

    def read(self, path: Path, output: Path, tasks: Mapping[str, str]) -> "list[Result]":
        from .from_lm_eval import read

        return read(path, output, tasks)


class Predictions(Format):
    name = "predictions"
    description = "one run's predictions, as its field's own scorers read them"

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        from .to_predictions import write

        return Written(files=write(results, path, registry))
