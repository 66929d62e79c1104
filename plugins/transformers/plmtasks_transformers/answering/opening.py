"""A checkpoint in memory, ready for one kind of request."""

import importlib
from typing import TYPE_CHECKING, cast

from plmtasks.config import ModelSettings
from plmtasks.requests import Choose, Generate, Prompted, Request

from ..checkpoints import Checkpoint, Parts, load_parts, parts_without_weights
from .kinds import Kind, kind_of

if TYPE_CHECKING:
    from ..fast import Ways
    from .loaded import Loaded


def load(checkpoint: Checkpoint, example_request: Request, settings: ModelSettings, device: str) -> "Loaded":
    """raises: ModelError; InputError for a way to truncate that such requests do not have"""
    from ..fast import enter

    kind = kind_of(example_request, checkpoint.family)
    kind.check(settings, example_request.kind())
    parts = load_parts(checkpoint, kind.head, example_request, settings, device)
    return opened(kind, parts, example_request, enter(parts.module, settings.kernels, kind.ways))


def opened(kind: Kind, parts: Parts, example_request: Request, ways: "Ways") -> "Loaded":
    """The parts as a model that answers such requests."""
    module = importlib.import_module(f".{kind.module}", __package__)
    loaded: Loaded = getattr(module, kind.answers)(kind, parts, example_request, ways)
    return loaded


def prompt_of(checkpoint: Checkpoint, request: Request, settings: ModelSettings) -> str:
    """The prompt of a request, from configuration and tokenizer alone; other requests' texts, one a line.

    raises: ModelError
    """
    from .prompts import Prompts

    if not isinstance(request, Prompted):
        return "\n".join(request.texts())
    prompted = cast("Choose | Generate", request)
    return Prompts(parts_without_weights(checkpoint, settings)).render(prompted, prompted.shots, prompted.text)
