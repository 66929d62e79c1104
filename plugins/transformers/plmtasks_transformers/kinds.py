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
    "Score": ("score", "Scorer"),
    "Generate": ("generate", "Generator"),
}
SCORERS = {ENCODER: ("pseudo", "PseudoScorer"), SEQUENCE_TO_SEQUENCE: ("corruption", "SpanRestorer")}
"""How families with a way of their own answer `Score`."""


def kind_of(form: Request, family: str) -> "type[Loaded]":
    """The class of loaded models that answer such requests.

    raises: ModelError
    """
    if form.kind() not in MODULES:
        raise ModelError(f"models of the transformers library answer {', '.join(MODULES)}, not {form.kind()}")
    own = SCORERS.get(family) if form.kind() == "Score" else None
    module, name = own or MODULES[form.kind()]
    found: type[Loaded] = getattr(importlib.import_module(f".{module}", __package__), name)
    return found
