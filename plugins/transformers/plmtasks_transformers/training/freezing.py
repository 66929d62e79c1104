"""Which weights do not learn."""

import itertools
from collections.abc import Iterator, Sequence
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
            there = sorted({_numberless(n) for m in modules for n, _ in m.named_parameters()})
            more = f" and {len(there) - NAMES_SHOWN} more" if len(there) > NAMES_SHOWN else ""
            highest = max(len(_layers(m)) for m in modules)
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
        inside = {id(p) for layer in layers for part in layer for p in part.parameters()}
        own: Any = getattr(base, "embeddings", None)  # with their normalization, where they are a module
        tables: list[Any] = [m for m in base.modules() if isinstance(m, torch.nn.Embedding) or m is own]
        return [p for table in tables for p in table.parameters() if id(p) not in inside]
    kind, colon, count = name.partition(":")
    if kind == "layers" and colon:
        if not count.isdecimal() or not 0 < int(count) <= len(layers):
            return []
        return [p for layer in layers[: int(count)] for part in layer for p in part.parameters()]
    return [p for n, p in module.named_parameters() if name in n]


def _layers(module: Any) -> list[tuple[Any, ...]]:
    """The layers from the lowest up; where there are several stacks (an encoder's, a decoder's), one of each together."""

    def stacks(part: Any) -> Iterator[Any]:
        for child in part.children():
            if isinstance(child, torch.nn.ModuleList):
                yield child
            else:
                yield from stacks(child)

    rows = itertools.zip_longest(*stacks(module.base_model))
    return [tuple(layer for layer in row if layer is not None) for row in rows]


def _numberless(name: str) -> str:
    return ".".join("*" if part.isdecimal() else part for part in name.split("."))
