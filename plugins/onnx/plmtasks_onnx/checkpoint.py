"""A checkpoint whose weights are computed by onnxruntime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, ModelError
from plmtasks.files import read_document
from plmtasks.model import LoadedModel, Model, Provider, read_training
from plmtasks.requests import Classify, Request

from .classify import Classifier
from .export import PLACES, graph_of, session_of
from .files import Checkpoint

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

POLICIES = ("auto", "error", "left", "right", "skip")


@dataclass(frozen=True, kw_only=True)
class Exported(Checkpoint, Model):
    """A checkpoint that is exported when it is first loaded."""

    version = 3
    int8: bool = False
    """Weights of matrix products and embeddings are rounded to 8 bits; activations as they come, by the largest of the batch."""
    family: str = "encoder"
    answers: Sequence[str] = ("Classify",)
    description: str = ""

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "version": self.version, "files": self.hashes(), "int8": self.int8, "onnxruntime": version("onnxruntime"),
            "settings": {"truncation": settings.truncation},
        }  # fmt: skip

    def newly_initialized(self, example_request: Request) -> bool:
        assert isinstance(example_request, Classify)
        several = self.config.get("problem_type") == "multi_label_classification"
        return sorted(self.labels) != sorted(example_request.labels) or several != example_request.multi_label

    def heads(self) -> Sequence[str]:
        return [f"Classify with the labels {', '.join(self.labels)}"] if self.labels else []

    def training_record(self) -> Mapping[str, Any] | None:
        return read_training(self.folder)

    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> LoadedModel:
        assert isinstance(example_request, Classify)
        if self.newly_initialized(example_request):
            raise ModelError(
                f"{self.name!r} has no head for the labels {', '.join(example_request.labels)}, and onnxruntime trains nothing",
                f"it has: {', '.join(self.heads()) or 'none'}",
                "plmtasks train --model CHECKPOINT makes one that can then be asked as onnx:FOLDER",
            )
        if settings.dtype not in ("auto", "float32"):
            raise InputError(f"{self.name!r} is not computed in {settings.dtype}", "--dtype float32; onnx-int8: has 8 bits")
        if settings.truncation not in POLICIES:
            raise InputError(f"Classify cannot use --truncation {settings.truncation}", f"it can use: {', '.join(POLICIES)}")
        graph = graph_of(self, self.version, int8=self.int8)
        places = read_document(graph.parent / PLACES)
        return Classifier(self, session_of(graph, settings.threads, device), settings, places)


class Checkpoints(Provider):
    """`onnx:NAME` and `onnx-int8:NAME`: any folder or hub id of an encoder that classifies."""

    inert = True

    def __init__(self, scheme: str, *, int8: bool) -> None:
        self.scheme, self.int8 = scheme, int8
        self.description = "a classifying encoder in a folder or on the hub, by onnxruntime" + " in 8 bits" * int8

    def make(self, name: str) -> Exported:
        path = Path(name).expanduser()
        called = path.absolute().name if path.is_dir() else name
        return Exported(name=f"{self.scheme}:{called}", source=name, int8=self.int8)
