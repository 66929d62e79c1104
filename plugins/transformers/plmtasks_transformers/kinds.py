"""Which module answers which kind of request."""

import importlib
from typing import TYPE_CHECKING

from plmtasks.errors import ModelError
from plmtasks.requests import Request

from .architectures import ENCODER, SEQUENCE_TO_SEQUENCE

if TYPE_CHECKING:
    from .loaded import Loaded

MODULES = {
    "Classify": ("classify", "Classifier"),
    "Tag": ("tag", "Tagger"),
    "ExtractSpan": ("extract_span", "SpanExtractor"),
    "Choose": ("choose", "Chooser"),
    "LogLikelihood": ("score", "Scorer"),
    "Generate": ("generate", "Generator"),
}
SCORERS = {ENCODER: ("pseudo", "PseudoScorer"), SEQUENCE_TO_SEQUENCE: ("corruption", "SpanRestorer")}
"""How families with a way of their own answer `LogLikelihood`."""


def kind_of(example_request: Request, family: str) -> "type[Loaded]":
    """The class of loaded models that answer such requests.

    raises: ModelError
    """
    if example_request.kind() not in MODULES:
        raise ModelError(f"models of the transformers library answer {', '.join(MODULES)}, not {example_request.kind()}")
    own = SCORERS.get(family) if example_request.kind() == "LogLikelihood" else None
    module, name = own or MODULES[example_request.kind()]
    found: type[Loaded] = getattr(importlib.import_module(f".{module}", __package__), name)
    return found
