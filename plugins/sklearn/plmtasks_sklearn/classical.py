"""A classical model by name, and its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from plmtasks.errors import DataError, ModelError
from plmtasks.files import file_hash, read_object
from plmtasks.model import LoadedModel, Model, Provider, read_training
from plmtasks.requests import Answer, Classify, Regress, Request

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings, TrainSettings

"""What plmtasks wrote beside weights that it trained."""
CONFIG = "sklearn.json"
"""Which model it is, its labels in the order of the columns (none: it gives a number), and whether it learned from pairs."""
FILES = (CONFIG, "terms.json", "weights.safetensors")
"""All that can change an answer."""


@dataclass(frozen=True, kw_only=True)
class Classical(Model):
    """Scores of labels, or a number, linear in features of the text or the same for all; learned from all examples at once."""

    name: str
    kind: str
    """tfidf-linear or majority."""
    source: str | None = None
    """Its folder; None: it has learned nothing yet."""
    family: str = "classical"
    answers: Sequence[str] = ("Classify", "Regress")
    description: str = ""
    learns_by: Sequence[str] | None = ()
    version: ClassVar[int] = 2

    def saved(self, folder: Path) -> "Classical":
        return replace(self, source=str(folder))

    @property
    def config(self) -> Mapping[str, Any]:
        """Of what it has learned; empty if that is nothing.

        raises: ModelError
        """
        return _read(Path(self.source).expanduser() / CONFIG) if self.source is not None else {}

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        folder = Path(self.source or "").expanduser()
        there = [folder / name for name in FILES if (folder / name).is_file()] if self.config else []
        return {
            "version": self.version, "kind": self.kind,
            "files": {file.name: file_hash(file) for file in there},
        }  # fmt: skip

    def newly_initialized(self, example_request: Request) -> bool:
        config = self.config
        if not config or isinstance(example_request, Regress):
            return not config or bool(config["labels"])
        assert isinstance(example_request, Classify)
        return (sorted(config["labels"]), config["multi_label"]) != (sorted(example_request.labels), example_request.multi_label)

    def heads(self) -> Sequence[str]:
        config = self.config
        seen = f", by {' and '.join(config['views'])} (C {config['C']:g})" if "views" in config else ""
        if not config:
            return []
        return [f"Classify with the labels {', '.join(config['labels'])}{seen}" if config["labels"] else f"Regress{seen}"]

    def training_record(self) -> Mapping[str, Any] | None:
        return read_training(Path(self.source).expanduser()) if self.source is not None else None

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        from .classify import Classifier
        from .regress import Regressor

        loaded = Regressor if isinstance(example_request, Regress) else Classifier
        if self.newly_initialized(example_request):
            return loaded.untrained(example_request.label_set() or ())
        assert self.source is not None
        return loaded.read(Path(self.source).expanduser(), self.config)

    def learn(self, requests: Sequence[Request], answers: Sequence[Answer], training: "TrainSettings", folder: Path) -> None:
        from . import classify, regress

        folder.mkdir(parents=True, exist_ok=True)
        asked: Any = requests
        how: Any = regress if isinstance(asked[0], Regress) else classify
        choice = how.learn(asked, answers, folder, features=self.kind == "tfidf-linear")
        config = {
            "kind": self.kind, "version": self.version, "labels": list(asked[0].label_set() or ()),
            "multi_label": getattr(asked[0], "multi_label", False),
            "pairs": any(r.text_pair is not None for r in asked), **(asdict(choice) if choice else {}),
        }  # fmt: skip
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


MODELS: Mapping[str, Classical] = {
    kind: Classical(name=kind, kind=kind, description=description)
    for kind, description in {
        "tfidf-linear": "TF-IDF of words or characters, as suits the data, with logistic or ridge regression; learned in seconds",
        "majority": "how often each label comes in the train split, or the mean of its numbers, whatever the text",
    }.items()
}
"""Name → a model that has learned nothing yet."""


class Folders(Provider):
    """`sklearn:FOLDER`, or the folder alone: what one of these models has learned."""

    scheme, inert = "sklearn", True
    description = "a folder that plmtasks train wrote of tfidf-linear or majority; its path alone will do"

    def owns(self, name: str) -> bool:
        return (Path(name).expanduser() / CONFIG).is_file()

    def make(self, name: str) -> Classical:
        if not self.owns(name):
            raise ModelError(f"{name!r} holds no model of plmtasks-sklearn: it has no {CONFIG}")
        path = Path(name).expanduser().absolute()
        kind = str(_read(path / CONFIG).get("kind"))
        if kind not in MODELS:
            raise ModelError(f"{path / CONFIG} tells of a model {kind!r}", f"there are: {', '.join(MODELS)}")
        return replace(MODELS[kind], name=path.name, source=name)


def _read(file: Path) -> Mapping[str, Any]:
    """raises: ModelError"""
    try:
        return read_object(file, {"kind": str, "labels": [str], "multi_label": bool, "pairs": bool, "views?": [str]})
    except (FileNotFoundError, DataError) as e:
        raise ModelError(f"{file} cannot be read: {e}") from e
