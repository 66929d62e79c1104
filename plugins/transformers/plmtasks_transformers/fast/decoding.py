"""Tokens made one after another: rows that are done leave at once, and what is attended to stays where it lies."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from .device import Fetched, sent
from .drawing import Draws
from .static_cache import StaticCacheLayer, closed_up, keep, keep_inputs, keep_lengths
from .steps import OWN, SOURCE, FixedSteps
from .trees import Prefix, micro_batches

Stops = Callable[[Sequence[int], Any], bool]
"""(token ids, what is said of stopping) → whether they stop with the last token."""


class End(NamedTuple):
    """When a row is done, apart from the model's own end of a text."""

    new: int
    """Tokens to make at most."""
    stop: Any
    """Texts after which nothing counts, or what else `Stops` goes by; empty: nothing stops it."""


def covers(module: Any) -> bool:
    """Whether `Decoding` can keep what such a model attends to, which is all keys and values of every layer."""
    wanted = module.generation_config
    # these hold something of each row of their own, or want the tokenizer
    bound = wanted.guidance_scale, wanted.encoder_repetition_penalty, wanted.encoder_no_repeat_ngram_size, wanted.stop_strings
    if any(bound) or wanted.use_cache is False or wanted.cache_implementation or not module._supports_default_dynamic_cache():
        return False
    made = DynamicCache(config=module.config.get_text_config(decoder=True))
    return all(type(layer) is DynamicLayer for layer in made.layers)


class Decoding:
    """A way of decoding that `generate` of transformers takes in place of its own: the likeliest tokens, or drawn ones.

    The library makes ready the inputs, what is done to the logits and what ends a text; the loop is this one.
    """

    fixed: FixedSteps | None = None
    """What makes the tokens after the first of each text; None: steps that grow with the texts, of the rows that go on."""

    def __init__(
        self, ends: Sequence[End], stops: Stops, micro_batch: int, prefix: Prefix | None = None, draws: Draws | None = None
    ) -> None:
        """
        micro_batch: padded tokens of prompts that are read at once, 0 for all
        prefix: what all prompts of a decoder begin with, and go on from
        draws: what draws the tokens; None: the likeliest are taken
        """
        self.ends, self.stops, self.micro_batch, self.prefix, self.draws = ends, stops, micro_batch, prefix, draws
        self.made: list[list[int]] = [[] for _ in ends]

    def __call__(
        self, module: Any, input_ids: torch.Tensor, logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **inputs: Any,
    ) -> list[list[int]]:  # fmt: skip
        """The tokens made for each row.

        input_ids: what the decoder begins with, (rows, tokens), padded on the left
        inputs: what else `forward` takes
        """
        ids, rows = input_ids, list(range(len(input_ids)))
        logits = self._begin(module, ids, inputs) if self.draws is None else self._begin_once(self.draws, module, ids, inputs)
        steps = self.fixed or GrowingSteps(module, inputs)
        steps.begin(inputs, logits)
        runs, most = [True] * len(rows), max(end.new for end in self.ends)
        for step in range(most):
            scores = logits_processor(ids, logits.float())
            # max finds the place three times as fast as argmax
            tokens = scores.max(-1).indices if self.draws is None else self.draws(scores, rows, step)
            ids = torch.cat([ids, tokens[:, None]], 1)
            told = Fetched(torch.stack([tokens, stopping_criteria(ids, None).to(tokens)]))
            if steps.ahead and step + 1 < most:
                logits = steps(ids)
            # the one time in a step that the host waits for the device
            for row, token, over in zip(rows, *told()[0].tolist(), strict=True):
                if runs[row]:
                    self.made[row].append(token)
                    runs[row] = not over and self._goes_on(row)
            going = [runs[row] for row in rows]
            if not any(going):
                break
            if steps.may_leave(going):
                order = closed_up(going)
                rows = [rows[i] for i in order]
                which = sent(np.array(order), ids.device)
                ids = keep(ids, which)
                steps.keep(which, len(going))
                keep_lengths(logits_processor, which)
                logits = logits[: len(rows)]  # of those that stay, where a step was begun
            if not steps.ahead:
                logits = steps(ids)
        return self.made

    def _goes_on(self, row: int) -> bool:
        made, end = self.made[row], self.ends[row]
        return len(made) < end.new and not (end.stop and self.stops(made, end.stop))

    def _begin_once(self, draws: Draws, module: Any, ids: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
        """As `_begin`; a prompt that several texts go on from is read once."""
        if len(draws.first) == len(ids):
            return self._begin(module, ids, inputs)
        first, prompt = (sent(np.array(x), ids.device) for x in (draws.first, draws.prompt))
        keep_inputs(inputs, first, len(ids))
        logits = self._begin(module, ids[first], inputs)
        inputs["cache"].batch_select_indices(prompt)
        keep_inputs(inputs, prompt, len(first))
        return logits[prompt]

    def _begin(self, module: Any, ids: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
        """The logits after what is given, (rows, vocabulary); `inputs` has keys and values from then on."""
        kept = inputs["cache"]
        if module.config.is_encoder_decoder:
            source = inputs["encoder_outputs"].last_hidden_state.shape[1]
            kept.self_attention_cache.layers = self._layers(OWN, kept.self_attention_cache, ids)
            kept.cross_attention_cache.layers = self._layers(SOURCE, kept.cross_attention_cache, ids, source)
            return forward(module, module.prepare_inputs_for_generation(ids, is_first_iteration=True, **inputs), inputs)
        mask = inputs.get("attention_mask")
        mask = torch.ones_like(ids) if mask is None else mask
        static = self._layers(OWN, kept, ids)
        given = 0 if self.prefix is None else len(self.prefix)
        counts = mask.sum(1) - given
        lengths = counts.tolist()
        logits = []
        for some in micro_batches(lengths, self.micro_batch):
            width = max(lengths[some])
            own = self._cache(module, len(lengths[some]))
            rest = torch.arange(width, device=ids.device) >= width - counts[some, None]
            read = {
                "attention_mask": torch.cat([mask.new_ones(len(rest), given), rest.to(mask)], 1), "cache": own,
                "position_ids": _corner(inputs.get("position_ids"), some, width),
            }  # fmt: skip
            started = module.prepare_inputs_for_generation(ids[some, -width:], is_first_iteration=True, **{**inputs, **read})
            outputs = module(**started, return_dict=True)
            for place, layer in zip(static, own.layers, strict=True):
                place.put(some, (layer.keys, layer.values), lengths[some], ids.shape[1])
            logits.append(outputs.logits[:, -1])
        inputs.update(module._update_model_kwargs_for_generation(outputs, inputs))
        kept.layers = static
        inputs["cache"] = kept
        return torch.cat(logits)

    def _layers(self, part: str, kept: Any, ids: torch.Tensor, source: int = 0) -> list[StaticCacheLayer]:
        """For what is to be kept of the rows: their own tokens and those to come, or so many of a source."""
        tokens = source or ids.shape[1] + max(end.new for end in self.ends)
        if self.fixed is None:
            return [StaticCacheLayer(len(ids), tokens) for _ in kept.layers]
        return self.fixed.layers(part, len(kept.layers), len(ids), source or ids.shape[1] + 1, tokens)

    def _cache(self, module: Any, rows: int) -> Any:
        """For prompts that are to be read, with what they begin with."""
        if self.prefix is not None:
            return self.prefix.cache(module, rows)
        return DynamicCache(config=module.config.get_text_config(decoder=True))


class GrowingSteps:
    """Steps over what there is of each row that goes on, by the library's own forward."""

    ahead = False

    def __init__(self, module: Any, inputs: dict[str, Any]) -> None:
        """inputs: as `generate` knows them"""
        self.module, self.inputs = module, inputs

    def begin(self, inputs: dict[str, Any], logits: torch.Tensor) -> None:
        """Nothing is to be made ready."""

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """The logits after the last of the tokens, (rows, vocabulary)."""
        given = self.module.prepare_inputs_for_generation(ids, next_sequence_length=1, **self.inputs)
        return forward(self.module, given, self.inputs)

    def may_leave(self, going: Sequence[bool]) -> bool:
        """Whether the rows that are done are to leave now."""
        return not all(going)

    def keep(self, own: torch.Tensor, rows: int, same: torch.Tensor | None = None) -> None:
        """These of so many rows.

        own: whose keys and values each has from now on; same: whose all else it has, if that is another
        """
        kept = self.inputs["cache"]
        if same is None or "encoder_outputs" not in self.inputs:
            kept.batch_select_indices(own)
        else:
            kept.cross_attention_cache.batch_select_indices(same)
            kept.self_attention_cache.batch_select_indices(own)
        keep_inputs(self.inputs, own if same is None else same, rows)


def forward(module: Any, given: dict[str, Any], inputs: dict[str, Any]) -> torch.Tensor:
    """The logits of the last place, (rows, vocabulary); `inputs` are then those of the next."""
    outputs = module(**given, return_dict=True)
    inputs.update(
        module._update_model_kwargs_for_generation(outputs, inputs, is_encoder_decoder=module.config.is_encoder_decoder)
    )
    logits: torch.Tensor = outputs.logits[:, -1]
    return logits


def _corner(table: torch.Tensor | None, some: slice, width: int) -> torch.Tensor | None:
    """The last columns of some rows; a single row stands for all."""
    return None if table is None else table[some if len(table) > 1 else slice(None), -width:]
