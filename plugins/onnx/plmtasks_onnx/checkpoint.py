"""A checkpoint whose weights are computed by onnxruntime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import DataError, InputError, ModelError
from plmtasks.files import file_hash, read_document, read_object
from plmtasks.model import RECORD, LoadedModel, Model, Provider, hub_snapshot, read_training
from plmtasks.requests import Classify, Request

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

WEIGHTS = ("*.safetensors", "config.json")
FILES = (*WEIGHTS, "*.json", "*.txt", "*.model")
"""All that can change an answer."""
HEAD = "ForSequenceClassification"
POLICIES = ("auto", "error", "left", "right", "skip")

_NONE = type(None)
HEADED = {"architectures?": (list, _NONE), "id2label?": (dict, _NONE), "problem_type?": (str, _NONE)}


@dataclass(frozen=True, kw_only=True)
class Exported(Model):
    """An encoder with a head for its labels, as the transformers library writes it; it is exported when it is first loaded."""

    version = 3
    name: str
    source: str
    """A folder, or owner/name of the hub with an optional @revision."""
    int8: bool = False
    """Weights of matrix products and embeddings are rounded to 8 bits; activations as they come, by the largest of the batch."""
    family: str = "encoder"
    answers: Sequence[str] = ("Classify",)
    description: str = ""

    @cached_property
    def folder(self) -> Path:
        """raises: ModelError if there is no such checkpoint, or none that can be exported"""
        folder = Path(self.source).expanduser()
        if not folder.is_dir():
            if not _is_hub_id(self.source):
                raise ModelError(f"there is no folder {self.source!r}")
            folder = hub_snapshot(self.source, FILES)
        if not (folder / "config.json").is_file():
            raise ModelError(f"{self.source!r} is no checkpoint: it has no config.json", f"looked in {folder}")
        whole = [file for file in folder.glob("model*.safetensors") if file.is_file()]
        if (folder / "heads").is_dir() or not whole:
            raise ModelError(
                f"{self.source!r} is no single model with weights in safetensors",
                "of several heads, and of adapters, plmtasks export --model MODEL --task TASK --output FOLDER writes one",
            )
        return folder

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """raises: ModelError"""
        try:
            return read_object(self.folder / "config.json", HEADED)
        except (FileNotFoundError, DataError) as e:
            raise ModelError(f"the config.json of {self.source!r} cannot be read: {e}") from e

    @property
    def labels(self) -> list[str]:
        """In the order of the head's columns, as `id2label` alone tells them; none if it has no such head.

        raises: ModelError if it does not number its labels 0, 1, 2, …
        """
        if not any(name.endswith(HEAD) for name in self.config.get("architectures") or []):
            return []
        found = self.config.get("id2label") or {}
        names = {str(i): str(name) for i, name in found.items()} if isinstance(found, dict) else {}
        if names.keys() != {str(i) for i in range(len(found))}:
            raise ModelError(f"the id2label of {self.source!r} numbers no labels from 0", f"looked in {self.folder}")
        return [names[str(i)] for i in range(len(names))]

    def hashes(self, patterns: Sequence[str] = FILES) -> dict[str, str]:
        """File name → sha256."""
        files = {f for pattern in patterns for f in self.folder.glob(pattern) if f.name != RECORD and f.is_file()}
        return {f.name: file_hash(f) for f in sorted(files)}

    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
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
        from .classify import Classifier
        from .export import PLACES, graph_of, session_of

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
        graph = graph_of(self, int8=self.int8)
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


def _is_hub_id(source: str) -> bool:
    return not source.startswith((".", "/", "~")) and source.count("/") == 1
