"""A checkpoint's files: its folder, its configuration, its labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError, ModelError
from plmtasks.files import file_hash, read_object
from plmtasks.model import RECORD, hub_snapshot

WEIGHTS = ("*.safetensors", "config.json")
FILES = (*WEIGHTS, "*.json", "*.txt", "*.model")
"""All that can change an answer."""
HEAD = "ForSequenceClassification"

_NONE = type(None)
HEADED = {"architectures?": (list, _NONE), "id2label?": (dict, _NONE), "problem_type?": (str, _NONE)}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """An encoder with a head for its labels, as the transformers library writes it."""

    name: str
    source: str
    """A folder, or owner/name of the hub with an optional @revision."""

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


def _is_hub_id(source: str) -> bool:
    return not source.startswith((".", "/", "~")) and source.count("/") == 1
