"""Any checkpoint of the hub, and any folder."""

from pathlib import Path

from plmtasks.errors import ModelError, UnknownNameError
from plmtasks.model import Provider

from ..checkpoints import folder_name
from .aliases import alias_models
from .pretrained import Pretrained
from .tiny import TINY


class Hub(Provider):
    """Any hub id (`owner/name`, with an optional `@revision`) and any folder."""

    scheme, inert = "transformers", True
    default = True

    def make(self, name: str) -> Pretrained:
        source, _, revision = name.partition("@")
        if Path(name).expanduser().is_dir():
            return Pretrained(name=folder_name(name), source=name)
        if name.startswith((".", "/", "~")):
            raise ModelError(f"there is no folder {name!r}")
        if "/" not in source:
            known = [m.name for m in (*alias_models(), *TINY)]
            raise UnknownNameError("model", name, known, "other checkpoints are owner/name on the hub, or a folder")
        return Pretrained(name=name, source=source, revision=revision or None)
