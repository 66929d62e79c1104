"""Logits where they are wanted alone, and what is read off them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from . import native
from .device import device_of
from .learning import FIRST_ALONE
from .trees import PACKED_TYPES
from .unpadding import Layout, first_tokens

FIRST_TOKEN_TYPES = frozenset(("bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"))
"""Encoders whose head reads the first token alone; a test holds each to what the whole of it gives."""


class Places(NamedTuple):
    """Where wanted tokens are predicted."""

    logits: torch.Tensor
    """(places, vocabulary)"""
    at: torch.Tensor
    """The place of each wanted token in turn, (tokens,)."""
    targets: torch.Tensor
    """These tokens, (tokens,)."""


class Found(NamedTuple):
    """What was found of each wanted token."""

    values: np.ndarray
    """Its log-likelihood, (tokens,), float32."""
    likeliest: np.ndarray
    """Whether the model finds no other likelier in its place, (tokens,), bool."""


class Tally(NamedTuple):
    """What was found of a text's tokens."""

    log_likelihood: float
    tokens: int
    likeliest: int


def found(places: Places, compiled: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """What `Found` holds, on the device, without a gradient; compiled: by a kernel of ours."""
    if compiled:
        over, firsts = native.read_off(places.logits.contiguous())
        return places.logits[places.at, places.targets].float() - over[places.at], firsts[places.at] == places.targets
    tops, sums = [], []
    parts = _some_at_once(places.logits)
    # one piece of memory for all: it stays in the cache
    space = torch.empty(parts[0].shape, dtype=torch.float32, device=places.logits.device)
    for part in parts:
        some = space[: len(part)].copy_(part)
        top = some.amax(-1, keepdim=True)
        tops.append(top[:, 0])
        sums.append(some.sub_(top).exp_().sum(-1).log_() + top[:, 0])
    right = places.logits[places.at, places.targets].float()
    if device_of(right.device).apart:
        hits = places.logits.argmax(-1)[places.at] == places.targets
    else:
        hits = right == torch.cat(tops)[places.at]
        # of several that are equal the first counts; looked for where it matters alone: argmax takes ten times as long as amax
        among = hits.nonzero()[:, 0]
        hits[among] = places.logits[places.at[among]].argmax(-1) == places.targets[among]
    return right - torch.cat(sums)[places.at], hits


def tallies(read: Found, owners: np.ndarray, count: int) -> list[Tally]:
    """The sums over the tokens of each of `count` owners.

    owners: (tokens,), whose token each is
    """
    # added on the CPU, in order: sums by index on a GPU come in any order
    sums = (np.bincount(owners, weights, count) for weights in (read.values, None, read.likeliest))
    return [Tally(float(value), int(n), int(hit)) for value, n, hit in zip(*sums, strict=True)]


def token_log_likelihoods(places: Places, smoothing: float = 0.0) -> torch.Tensor:
    """Of each wanted token, (tokens,), float32, with a gradient where there is one.

    smoothing: the share of the target that is spread over the vocabulary
    """
    some = list(_some_at_once(places.logits))
    sums = torch.cat([part.float().logsumexp(-1) for part in some])[places.at]
    right = places.logits[places.at, places.targets].float()
    if smoothing:
        means = torch.cat([part.float().mean(-1) for part in some])[places.at]
        right = right + smoothing * (means - right)
    return right - sums


def _some_at_once(logits: torch.Tensor) -> Sequence[torch.Tensor]:
    """The logits a few places at a time: a CPU's cache holds them, and no float32 copy is made of all at once."""
    return logits.split(max(1, device_of(logits.device).logits // logits.shape[-1]))


def logits_at(module: Any, inputs: dict[str, Any], places: torch.Tensor, alone: bool = True) -> torch.Tensor:
    """Logits at chosen places of the padded batch, (places, vocabulary).

    places: row * width + column, ascending
    alone: whether only these go through the head, where it stands apart from the base model
    """
    base, kept = module.base_model, []

    def keep(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output.last_hidden_state
        output.last_hidden_state = hidden.flatten(0, 1)[places.to(hidden.device)][None]
        kept.append(True)
        return output

    hooks = [base.register_forward_hook(keep)] if alone and base is not module else []
    hooks += _last_network_at(base, inputs, places) if alone else []
    try:
        logits: torch.Tensor = module(**inputs).logits
    finally:
        for hook in hooks:
            hook.remove()
    # some models go around their base model's call
    return logits[0] if kept else logits.flatten(0, 1)[places.to(logits.device)]


def _last_network_at(base: Any, inputs: dict[str, Any], places: torch.Tensor) -> list[Any]:
    """Hooks by which the last layer's feed-forward network goes over these places alone: nothing else of it is read.

    None while a model learns, or where that network goes by another name: it is a saving, nothing more.
    """
    layers = getattr(base, "layers", None) or getattr(base, "h", None)
    network = getattr(layers[-1], "mlp", None) if layers else None
    if network is None or torch.is_grad_enabled() or base.config.model_type not in PACKED_TYPES:
        return []
    rows, width = inputs["input_ids"].shape
    if len(places) == rows * width:
        return []

    def take(_module: Any, args: Any) -> Any:
        return (args[0].flatten(0, 1)[places.to(args[0].device)][None], *args[1:])

    def put(_module: Any, _args: Any, output: Any) -> Any:
        whole = output.new_zeros(rows * width, output.shape[-1])
        whole[places.to(whole.device)] = output[0]
        return whole.view(rows, width, -1)

    return [network.register_forward_pre_hook(take), network.register_forward_hook(put)]


@contextmanager
def first_token_alone(module: Any, layout: Layout | None) -> Iterator[None]:
    """Inside, the last layer goes on from what it attends to with the first token alone: what it makes of others is not read.

    That is three quarters of the layer's work. Only inside, since other heads may share the layer, and read all of it.
    """

    def first(_module: Any, args: Any) -> Any:
        return tuple(states[:, :1] if layout is None else first_tokens(states, layout) for states in args)

    last = module.base_model.encoder.layer[-1].attention
    hook = last.output.register_forward_pre_hook(first)
    setattr(last.self, FIRST_ALONE, layout is not None)
    try:
        yield
    finally:
        hook.remove()
        delattr(last.self, FIRST_ALONE)
