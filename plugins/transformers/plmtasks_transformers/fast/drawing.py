"""Tokens drawn for each row by a seed of its own, so that no text depends on those beside it."""

import hashlib
import math
from collections.abc import Hashable, Sequence
from typing import Any

import torch

from .device import device_of
from .trees import groups


class Draws:
    """What is drawn for some texts: a token follows from the text's seed, from how many stand before it, and from its scores.

    Of the candidates the one is taken whose chance, divided by a number drawn from the exponential distribution, is the greatest:
    as `torch.multinomial` does it, and so that a score which is rounded otherwise changes a draw as seldom as can be.
    """

    def __init__(self, seeds: Sequence[int], prompts: Sequence[Hashable]) -> None:
        """
        seeds: of each text; prompts: what tells prompts apart
        """
        self.seeds = seeds
        same = groups(prompts)
        self.first = [group[0] for group in same]
        """A text for each prompt,"""
        places = {i: number for number, group in enumerate(same) for i in group}
        self.prompt = [places[i] for i in range(len(seeds))]
        """and which prompt each text has."""

    def __call__(self, scores: torch.Tensor, rows: Sequence[int], step: int) -> torch.Tensor:
        """The tokens, (rows,).

        scores: (rows, vocabulary), minus infinity for what may not be drawn
        rows: which of the texts these are; step: tokens that are made of each
        """
        source, chances = torch.Generator(scores.device), scores.softmax(-1)
        if device_of(scores.device).apart:  # how many candidates there are, nobody knows there without waiting
            noise = torch.empty_like(chances)
            for row, line in zip(rows, noise, strict=True):
                line.exponential_(generator=source.manual_seed(self._seed(row, step)))
            return (chances / noise).argmax(-1)
        tokens = []
        for row, own, likely in zip(rows, scores, chances, strict=True):
            left = (own != -math.inf).nonzero()[:, 0]
            source.manual_seed(self._seed(row, step))
            noise = torch.empty(len(left), dtype=chances.dtype, device=chances.device).exponential_(generator=source)
            tokens.append(left[(likely[left] / noise).argmax()])
        return torch.stack(tokens)

    def _seed(self, row: int, step: int) -> int:
        # a generator on a CPU heeds 32 bits of it: those of a hash are as good as any
        digest = hashlib.sha256(self.seeds[row].to_bytes(8, "big") + step.to_bytes(8, "big")).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def by_library(
        self, module: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **inputs: Any,
    ) -> Any:  # fmt: skip
        """A way of decoding for `generate`: the library's own loop, to which one token is left each time."""
        start = input_ids.shape[1]

        def drawn(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            tokens = self(scores, range(len(ids)), ids.shape[1] - start)
            return torch.full_like(scores, -math.inf).scatter_(1, tokens[:, None], 0.0)

        logits_processor.append(drawn)
        return module._sample(input_ids, logits_processor, stopping_criteria, generation_config, **inputs)
