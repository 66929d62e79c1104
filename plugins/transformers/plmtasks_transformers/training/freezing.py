"""Which weights do not learn."""

import re
from collections.abc import Sequence
from typing import Any

import torch

from plmtasks.errors import InputError

NAMES_SHOWN = 16
"""Names of weights in an error."""


def freeze(modules: Sequence[Any], names: Sequence[str]) -> None:
    """Makes weights that are not to learn stay as they are.

    names: as `TrainSettings.freeze` says
    raises: InputError if there is no such weight, or none is left to learn
    """
    for name in names:
        frozen = [p for module in modules for p in _named(module, name)]
        if not frozen:
            there = sorted({re.sub(r"\b\d+\b", "*", n) for m in modules for n, _ in m.named_parameters()})
            more = f" and {len(there) - NAMES_SHOWN} more" if len(there) > NAMES_SHOWN else ""
            highest = max(map(_highest, modules))
            raise InputError(
                f"freeze {name}: there is no such weight",
                f"it takes embeddings, base, layers:1 to layers:{highest}, or a part of a weight's name:",
                ", ".join(there[:NAMES_SHOWN]) + more,
            )
        for p in frozen:
            p.requires_grad_(False)
    if not any(p.requires_grad for module in modules for p in module.parameters()):
        raise InputError(f"freeze={','.join(names)} leaves nothing to learn" if names else "nothing of the model would learn so")


def _named(module: Any, name: str) -> list[Any]:
    """The weights of a module that are called so; none if nothing is."""
    layers = _layers(module)
    base: Any = module.base_model
    if name == "base":
        return list(base.parameters())
    if name == "embeddings":
        own: Any = getattr(base, "embeddings", None)  # with their normalization, where they are a module
        tables: list[Any] = [m for m in base.modules() if isinstance(m, torch.nn.Embedding) or m is own]
        return [p for table in tables for p in table.parameters() if id(p) not in layers]
    kind, colon, count = name.partition(":")
    if kind == "layers" and colon:
        most = int(count) if count.isdecimal() else 0
        return [p for p in base.parameters() if layers.get(id(p), most) < most <= _highest(module)]
    return [p for n, p in module.named_parameters() if name in n]


def _layers(module: Any) -> dict[int, int]:
    """The id of a weight → the number of its layer, from the lowest up; each stack (an encoder's, a decoder's) has its own."""
    numbers = {id(p): re.search(r"(?<![^.])\d+(?=\.)", name) for name, p in module.base_model.named_parameters()}
    return {weight: int(number[0]) for weight, number in numbers.items() if number}


def _highest(module: Any) -> int:
    return max(_layers(module).values(), default=-1) + 1
