"""A checkpoint by name, before it is loaded: its family, its heads, its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError
from plmtasks.requests import Request

from . import adapters, files
from .architectures import family_of, has_head, head_of


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights, configuration and tokenizer in a folder or on the hub."""

    name: str
    source: str
    """A folder or a hub id."""
    revision: str | None = None
    """A branch, tag or commit of the hub."""
    stated_family: str | None = None
    """Known without the files."""

    @cached_property
    def family(self) -> str:
        """Read when it is asked for, if it is not stated."""
        return self.stated_family or family_of(self.configs()[""])

    def configs(self, *, download: bool = True) -> Mapping[str, Mapping[str, Any]]:
        """Folder within the checkpoint → its config.json: see `files.find_configs`.

        raises: ModelError
        """
        return files.find_configs(self.source, self.revision, download=download)

    def folder(self, settings: ModelSettings) -> Path:
        """Where its files are; downloads what is not there.

        raises: ModelError
        """
        return files.find_folder(self.source, self.revision, pickles=_pickles(settings), code=settings.trust_remote_code)

    def head(self, example_request: Request) -> str | None:
        """The folder within the checkpoint of the head that answers such a request, "" for its own; None if it has none.

        Of several requests: the one that answers all of them.
        """
        return next(
            (folder for folder, config in self.configs().items() if all(has_head(config, one) for one in example_request.each())),
            None,
        )

    def newly_initialized(self, example_request: Request) -> bool:
        """Whether a head for such a request would be newly initialized."""
        return self.head(example_request) is None

    def heads(self) -> Sequence[str]:
        """What it has weights to answer, in words; nothing where its files are not at hand."""
        try:
            configs = self.configs(download=False)
        except ModelError:
            return ()
        return [said for config in configs.values() if (said := head_of(config))]

    def instead(self, example_request: Request) -> list[str]:
        """What it has and what was asked of it, for an error."""
        labels = example_request.label_set()
        has = [f"it has: {head}" for head in self.heads()] or ["it has no head at all"]
        return [*has, f"wanted: {example_request.kind()}" + (f" with the labels {', '.join(labels)}" if labels else "")]

    def file_identity(self, example_request: Request, settings: ModelSettings) -> dict[str, Any]:
        """The hashes of all files that can change an answer, and the hub's commit."""
        folder, head = self.folder(settings), self.head(example_request)
        return {
            "files": files.hashes(folder, pickles=_pickles(settings), code=settings.trust_remote_code),
            "revision": folder.name if folder.parent.name == "snapshots" else None,
            **({"head": files.hashes(folder / head)} if head else {}),
            **({"adapters": adapters.identity(folder)} if adapters.has_adapters(folder) else {}),
        }


def _pickles(settings: ModelSettings) -> bool:
    return settings.model_args.get("use_safetensors") is False
