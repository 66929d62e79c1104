"""A checkpoint as one ordinary folder, proved by its answers before it is called done."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError
from plmtasks.requests import Choose, Classify, ExtractSpan, LogLikelihood, Regress, Request, Tag

from ..answering import load
from ..checkpoints import Checkpoint, own_head, save_checkpoint, writing
from . import adapters

TEXTS = (
    "The film was fine.", "She sold her old car to the neighbour for 4,500 dollars last week, and did not regret it.",
    "护士在花园里高兴地找到了灯。", "naïve café — 🙂 #1?",
)  # fmt: skip
"""By which a folder is held against what it was made of."""
TOLERANCE = {"float32": 1e-4, "float64": 1e-4}
"""By which a number may differ, beside as much of its own size; 0.05 in other types, where merging rounds."""


def export(checkpoint: Checkpoint, example_request: Request, settings: ModelSettings, folder: Path) -> None:
    """Writes what answers such requests, adapters merged; nothing is left of what answers otherwise than the checkpoint.

    raises: ModelError, OutputError; InputError if the adapters cannot be merged
    """
    # a language model is asked how likely a text is: of its other answers small faults change nothing
    proof = example_request if own_head(checkpoint.family, example_request) else LogLikelihood(text="")
    settings = replace(settings, kernels="plain", prompt="plain", truncation="auto", stride=0)
    loaded: Any = load(checkpoint, proof, settings, "cpu")
    parts, before = loaded.parts, evidence(loaded, proof)
    module = parts.module if parts.adapters is None else adapters.merged(parts.adapters, checkpoint.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        new = Path(place) / "new"
        save_checkpoint(module, parts.tokenizer, new)
        del loaded, parts, module
        written = replace(checkpoint, source=str(new), revision=None)
        _hold_together(checkpoint.name, before, evidence(load(written, proof, settings, "cpu"), proof), settings.dtype)
        with writing(folder):
            new.rename(folder)


def evidence(loaded: Any, example_request: Request) -> np.ndarray:
    """The logits of a head for a few texts, or their log-likelihoods after one another."""
    asked = _asked(example_request)
    if isinstance(example_request, LogLikelihood):
        found = [loaded.answer([request])[0].log_likelihood for request in asked]
        return np.array(found, np.float64)
    loaded.module.eval()
    with torch.inference_mode():
        made: Any = [loaded.forward(loaded.encodings([request])) for request in asked]
        flat = [part if isinstance(part, torch.Tensor) else torch.cat([p.flatten() for p in part]) for part in made]
    return torch.cat([part.flatten() for part in flat]).double().cpu().numpy()


def _asked(example_request: Request) -> Sequence[Request]:
    if isinstance(example_request, (Classify, Regress)):
        return [replace(example_request, text=text) for text in TEXTS]
    if isinstance(example_request, Tag):
        return [replace(example_request, words=tuple(text.split()), marked=()) for text in TEXTS]
    if isinstance(example_request, Choose):
        return [replace(example_request, text=text, shots=(), choices=TEXTS, pair_text="", pair_choices=()) for text in TEXTS]
    if isinstance(example_request, ExtractSpan):
        return [replace(example_request, question="Who?", context=text) for text in TEXTS]
    return [LogLikelihood(text=text, context=context) for context, text in zip(("", *TEXTS), TEXTS, strict=False)]


def _hold_together(name: str, before: np.ndarray, after: np.ndarray, dtype: str) -> None:
    """raises: ModelError if the written folder's answers are not the checkpoint's"""
    within = TOLERANCE.get("float32" if dtype == "auto" else dtype, 0.05)
    same = len(before) == len(after) and np.isclose(after, before, rtol=within, atol=within, equal_nan=True)
    if not np.all(same):
        worst = int(np.abs(after - before).argmax()) if len(before) == len(after) else 0
        raise ModelError(
            f"{name!r} cannot be exported: loaded again it answers otherwise, {after[worst]:.6g} for {before[worst]:.6g}",
            "nothing was written; its adapters can be run as they are",
        )
