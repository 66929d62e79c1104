"""Tokens made one after another: rows that are done leave at once, and what is attended to stays where it lies."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from .room import closed_up, keep, keep_inputs, keep_lengths, room_class

if TYPE_CHECKING:
    import torch

    from .packing import Prefix

SLACK = 4
"""Tokens beyond the bytes of a stop text that are read again to find it: some tokens have no text."""


Text = Callable[[Sequence[int]], str]
"""What token ids say."""


class StopTexts:
    """Tells whether a text stops with its last token, from its last few tokens where it can."""

    def __init__(self, text: Text, spelled: Text | None = None, special: Sequence[str] = ()) -> None:
        """
        text: what token ids say; spelled: the same with special tokens, None if there are none
        special: how special tokens are spelled, such as a stop text may be
        """
        self.text, self.spelled, self.special = text, spelled or text, special
        self._of_token: dict[tuple[int, bool], str] = {}

    def __call__(self, made: Sequence[int], stop: Sequence[str]) -> bool:
        """made: token ids, of which the last was not there before"""
        apart = [s for s in stop if any(t in s for t in self.special)]
        return self._stops(made, [s for s in stop if s not in apart], False) or self._stops(made, apart, True)

    def _stops(self, made: Sequence[int], stop: Sequence[str], special: bool) -> bool:
        """special: whether the stop texts spell special tokens"""
        if not any(self._may_end(made[-1], s, special) for s in stop):
            return False
        text = self.spelled if special else self.text
        near = text(made[-max(len(s.encode()) for s in stop) - SLACK :])
        # tokens may read otherwise where others stand before them
        return any(s in near for s in stop) and any(s in text(made) for s in stop)

    def _may_end(self, token: int, stop: str, special: bool) -> bool:
        """Whether the token can bring the last character: a space comes from no token alone, part of a character from any."""
        if (token, special) not in self._of_token:
            self._of_token[token, special] = (self.spelled if special else self.text)([token])
        own = self._of_token[token, special]
        return stop[-1] in own or stop[-1] == " " or "\ufffd" in own


class End(NamedTuple):
    """When a row is done, apart from the model's own end of a text."""

    new: int
    """Tokens to make at most."""
    stop: Sequence[str]
    """Texts after which nothing counts."""


def covers(module: Any) -> bool:
    """Whether `Decoding` can keep what such a model attends to, which is all keys and values of every layer."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

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

    def __init__(self, ends: Sequence[End], stops: StopTexts, piece: int, prefix: "Prefix | None" = None) -> None:
        """
        piece: padded tokens of prompts that are read at once, 0 for all
        prefix: what all prompts of a decoder begin with, and go on from
        """
        self.ends, self.stops, self.piece, self.prefix = ends, stops, piece, prefix
        self.made: list[list[int]] = [[] for _ in ends]

    def __call__(
        self, module: Any, input_ids: "torch.Tensor", logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **inputs: Any,
    ) -> list[list[int]]:  # fmt: skip
        """The tokens made for each row.

        input_ids: what the decoder begins with, (rows, tokens), padded on the left
        inputs: what else `forward` takes
        """
        import torch

        ids, rows = input_ids, list(range(len(input_ids)))
        logits = self._begin(module, ids, inputs)
        while True:
            scores = logits_processor(ids, logits.float())
            # max finds the place three times as fast as argmax
            tokens = torch.multinomial(scores.softmax(-1), 1)[:, 0] if generation_config.do_sample else scores.max(-1).indices
            ids = torch.cat([ids, tokens[:, None]], 1)
            over = stopping_criteria(ids, None).tolist()
            for row, token in zip(rows, tokens.tolist(), strict=True):
                self.made[row].append(token)
            going = [not end and self._goes_on(row) for row, end in zip(rows, over, strict=True)]
            if not all(going):
                order = closed_up(going)
                rows = [rows[i] for i in order]
                if not rows:
                    return self.made
                which = torch.tensor(order, device=ids.device)
                ids = keep(ids, which)
                inputs["cache"].batch_select_indices(which)
                keep_inputs(inputs, which, len(going))
                keep_lengths(logits_processor, which)
            given = module.prepare_inputs_for_generation(ids, next_sequence_length=1, **inputs)
            logits = forward(module, given, inputs)

    def _goes_on(self, row: int) -> bool:
        made, end = self.made[row], self.ends[row]
        return len(made) < end.new and not self.stops(made, end.stop)

    def _begin(self, module: Any, ids: "torch.Tensor", inputs: dict[str, Any]) -> "torch.Tensor":
        """The logits after what is given, (rows, vocabulary); `inputs` has keys and values from then on."""
        import torch

        room = ids.shape[1] + max(end.new for end in self.ends)
        kept = inputs["cache"]
        if module.config.is_encoder_decoder:
            source = inputs["encoder_outputs"].last_hidden_state.shape[1]
            for part, tokens in ((kept.self_attention_cache, room), (kept.cross_attention_cache, source)):
                part.layers = [room_class()(len(ids), tokens) for _ in part.layers]
            return forward(module, module.prepare_inputs_for_generation(ids, is_first_iteration=True, **inputs), inputs)
        mask = inputs.get("attention_mask")
        mask = torch.ones_like(ids) if mask is None else mask
        rooms = [room_class()(len(ids), room) for _ in kept.layers]
        given = 0 if self.prefix is None else len(self.prefix)
        counts = mask.sum(1) - given
        lengths = counts.tolist()
        logits = []
        for some in pieces(lengths, self.piece):
            width = max(lengths[some])
            own = self._cache(module, len(lengths[some]))
            rest = torch.arange(width, device=ids.device) >= width - counts[some, None]
            read = {
                "attention_mask": torch.cat([mask.new_ones(len(rest), given), rest.to(mask)], 1), "cache": own,
                "position_ids": _corner(inputs.get("position_ids"), some, width),
            }  # fmt: skip
            started = module.prepare_inputs_for_generation(ids[some, -width:], is_first_iteration=True, **{**inputs, **read})
            outputs = module(**started, return_dict=True)
            for place, layer in zip(rooms, own.layers, strict=True):
                place.put(some, (layer.keys, layer.values), lengths[some], ids.shape[1])
            logits.append(outputs.logits[:, -1])
        inputs.update(module._update_model_kwargs_for_generation(outputs, inputs))
        kept.layers = rooms
        inputs["cache"] = kept
        return torch.cat(logits)

    def _cache(self, module: Any, rows: int) -> Any:
        """For prompts that are to be read, with what they begin with."""
        from transformers import DynamicCache

        if self.prefix is not None:
            return self.prefix.cache(module, rows)
        return DynamicCache(config=module.config.get_text_config(decoder=True))


def pieces(lengths: Sequence[int], tokens: int) -> list[slice]:
    """Neighbours that are at most so many tokens when they are padded to the longest of them; 0: all."""
    bounds, widest = [0], 0
    for i, length in enumerate(lengths):
        widest = max(widest, length)
        if tokens and i > bounds[-1] and (i + 1 - bounds[-1]) * widest > tokens:
            bounds.append(i)
            widest = length
    return [slice(*ends) for ends in pairwise([*bounds, len(lengths)])]


def forward(module: Any, given: dict[str, Any], inputs: dict[str, Any]) -> "torch.Tensor":
    """The logits of the last place, (rows, vocabulary); `inputs` are then those of the next."""
    outputs = module(**given, return_dict=True)
    inputs.update(
        module._update_model_kwargs_for_generation(outputs, inputs, is_encoder_decoder=module.config.is_encoder_decoder)
    )
    logits: torch.Tensor = outputs.logits[:, -1]
    return logits


def _corner(table: "torch.Tensor | None", some: slice, width: int) -> "torch.Tensor | None":
    """The last columns of some rows; a single row stands for all."""
    return None if table is None else table[some if len(table) > 1 else slice(None), -width:]
