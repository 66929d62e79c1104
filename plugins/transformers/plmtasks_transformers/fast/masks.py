"""Masks that are made without asking the device whether they are needed: whoever asks waits for all that it has yet to do."""

from typing import Any

import torch

NAME = "plmtasks_masks"
"""Of the attention, as transformers knows it."""


def make_unasked(module: Any) -> None:
    """From now on the model attends under every mask that it is given, also where it hides nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, mask)
    module.set_attn_implementation(NAME)


def undo(module: Any) -> None:
    """The model is as it was."""
    module.set_attn_implementation("sdpa")


def attention(module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, **how: Any) -> Any:
    """As transformers calls it. mask: a tensor, or the blocks that are seen"""
    from torch.nn.attention.flex_attention import BlockMask
    from transformers.integrations.flex_attention import flex_attention_forward
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    attend = flex_attention_forward if isinstance(mask, BlockMask) else sdpa_attention_forward
    return attend(module, query, key, value, mask, **how)


def mask(
    *, attention_mask: torch.Tensor | None = None, allow_is_causal_skip: bool = True, allow_is_bidirectional_skip: bool = False,
    **asked: Any,
) -> torch.Tensor | None:  # fmt: skip
    """As transformers calls it. Where there is no mask of tokens, nobody need be asked."""
    from transformers.masking_utils import sdpa_mask

    free = attention_mask is None
    causal, both = free and allow_is_causal_skip, free and allow_is_bidirectional_skip
    made: torch.Tensor | None = sdpa_mask(
        attention_mask=attention_mask, allow_is_causal_skip=causal, allow_is_bidirectional_skip=both, **asked
    )
    return made
