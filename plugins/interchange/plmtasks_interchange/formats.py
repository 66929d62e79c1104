"""The formats by name; the modules that write and read them are imported when they are called."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from plmtasks.formats import Format, Written

if TYPE_CHECKING:
    from plmtasks.hooks import Registry
    from plmtasks.results import Result


class Elsewhere(Format):
    """A format whose module writes it."""

    module: ClassVar[str]

    def write(self, results: "Sequence[Result]", path: Path, registry: "Registry") -> Written:
        return Written(files=import_module(f".{self.module}", __package__).write(results, path, registry))


class ModelCard(Elsewhere):
    name, module = "model-card", "to_model_card"
    description = "a model's card: the hub's metadata and a table"


class Evaluate(Elsewhere):
    name, module = "evaluate", "to_evaluate"
    description = "a file a run, as evaluate.save writes it"


class LmEval(Elsewhere):
    name, module = "lm-eval", "to_lm_eval"
    description = "the result files of lm-eval"

    def read(self, path: Path, output: Path, tasks: Mapping[str, str]) -> "list[Result]":
        from .from_lm_eval import read

        return read(path, output, tasks)


class Glue(Format):
    name, description = "glue", "the files that GLUE's server takes, of what predict --split test wrote"

    def submit(self, files: Sequence[Path], path: Path, registry: "Registry") -> Written:
        from .to_glue import glue

        return glue(files, path, registry)


class SuperGlue(Format):
    name, description = "superglue", "the files that SuperGLUE's server takes, of what predict --split test wrote"

    def submit(self, files: Sequence[Path], path: Path, registry: "Registry") -> Written:
        from .to_glue import superglue

        return superglue(files, path, registry)


class Predictions(Elsewhere):
    name, module = "predictions", "to_predictions"
    description = "one run's predictions, as its field's own scorers read them"
