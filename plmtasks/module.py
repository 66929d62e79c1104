"""A model that is one torch module: the core makes, keeps, loads and saves it, its author says what it computes."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import ModelError
from .files import file_hash
from .model import Model, Provider, TrainableModel, read_training, reading
from .requests import Request

if TYPE_CHECKING:
    import torch

    from .config import ModelSettings

__all__ = ["Folders", "LoadedModule", "ModuleModel"]

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""A checkpoint: the module's weights, and what it was made from."""


class LoadedModule(TrainableModel):
    """The model in memory. A subclass says `build`, `costs`, `answer` and `loss`."""

    version: ClassVar[int] = 1
    """Raised whenever the same weights would give other answers."""

    def __init__(self, example_request: Request, config: Mapping[str, Any], device: str) -> None:
        """example_request: a request of the kind that it answers, with the labels that its head is made for"""
        self.config, self.device, self.labels = config, device, example_request.label_set() or ()
        self.module = self.build().to(device)
        self.parameters = sum(weight.numel() for weight in self.module.parameters())

    @abstractmethod
    def build(self) -> "torch.nn.Module":
        """The module with random weights, for `config` and `labels`; torch's seed is set."""

    def save(self, folder: Path, state: "Mapping[str, torch.Tensor] | None" = None) -> None:
        """Writes `model.safetensors` and `config.json`."""
        from safetensors.torch import save_file

        weights = self.module.state_dict() if state is None else {n.removeprefix("0."): w for n, w in state.items()}
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / WEIGHTS)
        said = {"config": dict(self.config), "labels": list(self.labels)}
        (folder / CONFIG).write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class ModuleModel(Model):
    """Such a model by its name; by the name of a folder too, where `Folders` of it is registered."""

    name: str
    loads: type[LoadedModule]
    answers: Sequence[str]
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Sizes and the like, JSON values: what the module is built from, a part of its identity; a folder has its own."""
    recommended: Mapping[str, Any] = field(default_factory=dict, hash=False)
    family: str = ""
    description: str = ""
    folder: Path | None = None
    """Where its weights are; None: it has none yet, and must learn first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "__module__", self.loads.__module__)  # whose it is

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.loads.version

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        """The hash of its weights; of one that has none for such a request, what they are made from."""
        if self.newly_initialized(example_request):
            return {"config": dict(self.config), "seed": settings.seed}
        assert self.folder is not None
        return {"config": self._stored()["config"], "weights": file_hash(self.folder / WEIGHTS)}

    def newly_initialized(self, example_request: Request) -> bool:
        return bool(self._stored()["labels"] != list(example_request.label_set() or ()))

    def heads(self) -> Sequence[str]:
        return () if self.folder is None else [f"{', '.join(self.answers)}: {', '.join(self._stored()['labels'])}"]

    def _stored(self) -> Mapping[str, Any]:
        """What its module was made from; raises ModelError if no such model lies in the folder."""
        if self.folder is None:
            return {"config": self.config, "labels": None}
        try:
            found = json.loads((self.folder / CONFIG).read_text(encoding="utf-8"))
            return {"config": dict(found["config"]), "labels": list(found["labels"])}
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise ModelError(f"{self.folder}: no model of {self.name!r} is there: {e}") from e

    def saved(self, folder: Path) -> "ModuleModel":
        return replace(self, folder=folder)

    def training_record(self) -> Mapping[str, Any] | None:
        return None if self.folder is None else read_training(self.folder)

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModule:
        """The module with its weights; with random ones, drawn by the settings' seed, where it has none for such a request.

        raises: ModelError if the folder holds no such weights
        """
        import torch
        from safetensors.torch import load_file

        newly_initialized = self.newly_initialized(example_request)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            loaded = self.loads(example_request, self._stored()["config"], device)
        if newly_initialized:
            loaded.newly_initialized = [name for name, _ in loaded.module.named_parameters()]
            return loaded
        assert self.folder is not None
        with reading(self.name, self.folder):
            loaded.module.load_state_dict(load_file(self.folder / WEIGHTS, device=device))
        return loaded


class Folders(Provider):
    """A model by the folder that it was saved in: `NAME:FOLDER`."""

    inert = True  # such a folder holds numbers and words

    def __init__(self, model: ModuleModel) -> None:
        self.model, self.scheme = model, model.name
        self.description = f"a folder that `plmtasks train --model {model.name}` wrote"
        self.__module__ = model.__module__

    def make(self, name: str) -> ModuleModel:
        return replace(self.model, name=name, folder=Path(name))
