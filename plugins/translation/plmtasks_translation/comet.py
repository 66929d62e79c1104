"""COMET with a model of the user's choice, where the package unbabel-comet is installed."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, ModelError
from plmtasks.examples import Example, Prediction
from plmtasks.files import file_hash
from plmtasks.metric import Means, ScoreInfo, Value
from plmtasks.model import Provider

if TYPE_CHECKING:
    from plmtasks.task import Task

EXAMPLES_AT_ONCE = 16


class Comets(Provider):
    """`comet:PATH`: a checkpoint of COMET's, or the folder that it was downloaded to.

    The checkpoint is a pickle, which runs code when it is read: naming it here says that it is trusted.
    """

    scheme = "comet"
    description = "COMET with the model in a folder; it is a pickle, so name one that you trust (needs unbabel-comet)"

    def make(self, name: str) -> "Comet":
        return Comet(name=f"comet:{name}", path=name)


@dataclass(frozen=True, kw_only=True)
class Comet(Means):
    """The mean of a COMET model's own scores, in the model's own unit; with several references, the mean over them.

    source: Rei et al. (2020), arXiv 2009.09025
    """

    name: str
    path: str
    description: str = "COMET of a given model"

    @property
    def checkpoint(self) -> Path:
        """raises: ModelError if there is none"""
        path = Path(self.path)
        path = path / "checkpoints" / "model.ckpt" if path.is_dir() else path
        if not path.is_file() or not (path.parents[1] / "hparams.yaml").is_file():
            raise ModelError(
                f"{self.path}: no COMET model", "expected a folder with hparams.yaml and checkpoints/model.ckpt, or that file"
            )
        return path

    def bind(self, task: "Task") -> "Comet":
        """raises: InputError if the task is no translation, or the package is missing; ModelError"""
        if "source" not in task.fields:
            raise InputError(f"COMET scores translations, and {task.name} is none")
        _check_package()
        _ = self.checkpoint
        return self

    def means(self) -> Mapping[str, ScoreInfo]:
        return {"comet": ScoreInfo(best=None, unit="COMET", minimum=None, maximum=None, mean_of="comet")}

    def values(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> Sequence[Mapping[str, Value]]:
        from statistics import fmean

        import torch

        model = _load(self.checkpoint)
        compared = [
            (i, {"src": example.inputs["source"], "mt": prediction.value, "ref": reference})
            for i, (prediction, example) in enumerate(zip(predictions, examples, strict=True))
            for reference in (example.reference if model.requires_references() else [""])
        ]
        gpus = int(torch.cuda.is_available())
        texts = [texts for _, texts in compared]
        found = model.predict(texts, batch_size=EXAMPLES_AT_ONCE, gpus=gpus, progress_bar=False).scores if texts else []
        of: list[list[float]] = [[] for _ in examples]
        for (i, _), score in zip(compared, found, strict=True):
            of[i].append(score)
        return [{"comet": fmean(scores)} for scores in of]

    def signature(self) -> str:
        from importlib.metadata import version

        _check_package()
        digest = file_hash(self.checkpoint)[:16]
        return f"comet|model:{Path(self.path).name}@{digest}|version:{version('unbabel-comet')}"


def _check_package() -> None:
    if importlib.util.find_spec("comet") is None:
        raise InputError(
            "COMET needs the package unbabel-comet, which does not go together with transformers 5",
            "give it an environment of its own, with plmtasks and plmtasks-translation, and use plmtasks score there",
        )


@cache
def _load(checkpoint: Path) -> Any:
    import logging

    import comet

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return comet.load_from_checkpoint(str(checkpoint), local_files_only=True)
