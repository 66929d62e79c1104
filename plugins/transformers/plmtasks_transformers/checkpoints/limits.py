"""How long a text may be, and who says so: the model itself, its configuration, its tokenizer."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

UNLIMITED = 10**9
"""More tokens than any text has: relative positions and states have no end."""
STATED = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
"""What configurations call it; some are no more than what the model was trained with, and no table ends there."""
LM_EVAL = ("n_positions", "max_position_embeddings", "n_ctx")
"""Where lm-eval looks for a limit,"""
LM_EVAL_DEFAULT = 2048
"""and the one that it takes where nobody states any."""
SHOWN = 6
"""Tokens of the text that a model is shown to see where it looks their places up."""

WANTS_MORE = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, NotImplementedError)
"""What a model may say that wants more than a text; it has looked the places up before."""


class Limit(NamedTuple):
    """The most tokens, special ones included, of one sequence."""

    tokens: int
    whose: str
    hard: bool = False
    """Whether the model fails beyond it."""

    @property
    def told(self) -> str:
        """In words, for results and messages."""
        return f"{self.tokens} tokens, {self.whose}" if self.tokens < UNLIMITED else self.whose


UNCUT = Limit(UNLIMITED, "nothing is cut")


class Table(NamedTuple):
    """Embeddings of places."""

    weight: "torch.Tensor"
    first: int
    """The row of a text's first token: some count from the padding's id on."""
    width: int
    """How many rows so short a text looks up: more than it has tokens where the model pads it to a multiple."""

    @property
    def places(self) -> int:
        rows = self.weight.shape[0] - self.first
        return rows if self.width == SHOWN else rows // self.width * self.width


def limits_of(module: Any, tokenizer: Any) -> tuple[Limit, Limit]:
    """What an encoder, or else the model, may read; what a decoder behind an encoder may write, or else the same."""
    tables = tables_of(module)
    if not module.config.is_encoder_decoder:
        own = _least(tables, module.config.get_text_config(), tokenizer)
        return own, own
    encoder, decoder = module.get_encoder(), module.get_decoder()
    read = {id(p) for part in (encoder.parameters(), encoder.buffers()) for p in part}
    before = [t for t in tables if id(t.weight) in read]
    behind = [t for t in tables if id(t.weight) not in read]
    return tuple(  # type: ignore[return-value]
        _least(found, part.config.get_text_config(), tokenizer) for found, part in ((before, encoder), (behind, decoder))
    )


def stated_limits(config: Any, tokenizer: Any) -> tuple[Limit, Limit]:
    """The same, as far as configuration and tokenizer tell."""
    parts = (
        [config.get_text_config(encoder=True), config.get_text_config(decoder=True)]
        if config.is_encoder_decoder
        else [config.get_text_config()]
    )
    found = [_least([], part, tokenizer) for part in parts]
    return found[0], found[-1]


def _least(tables: list[Table], config: Any, tokenizer: Any) -> Limit:
    """The smallest of the limits; of equal ones the first that is named here."""
    found = [Limit(table.places, "as many places as the model has embeddings for", hard=True) for table in tables]
    found += [Limit(n, f"{name} of its configuration") for name in STATED if (n := getattr(config, name, None))]
    found += [Limit(int(min(tokenizer.model_max_length, UNLIMITED)), "model_max_length of its tokenizer")]
    real = [limit for limit in found if isinstance(limit.tokens, int) and 0 < limit.tokens < UNLIMITED]
    return min(real, key=lambda limit: limit.tokens, default=Limit(UNLIMITED, "neither the model nor its tokenizer has a limit"))


def lm_eval_limit(config: Any, tokenizer: Any, own: Limit) -> Limit:
    """The limit that lm-eval's HFLM goes by, unless the model has fewer places than that.

    config: of the whole model; own: of one of its sides

    source: `resolve_max_length` of lm-evaluation-harness 0.4.13
    """
    of_text = getattr(config, "text_config", None) or config
    stated = next((name for name in LM_EVAL if getattr(of_text, name, None) is not None), None)
    if stated is not None:
        found = Limit(int(getattr(of_text, stated)), f"{stated} of its configuration")
    elif tokenizer.model_max_length not in (None, int(1e30)):
        found = Limit(int(tokenizer.model_max_length), "model_max_length of its tokenizer")
    else:
        found = Limit(LM_EVAL_DEFAULT, "as in lm-eval where neither the model nor its tokenizer states one")
    return own if own.hard and own.tokens < found.tokens else found


def tables_of(module: Any) -> list[Table]:
    """The embeddings of places that the model looks up for a text, whatever it calls them.

    A text is shown to it: of each table that is asked for one row after another, a token each, the first row is known then.
    """
    seen = list(_looked_up(module, SHOWN))
    widest = max((table.width for table in seen), default=SHOWN)
    if widest > SHOWN:  # a longer text looks more places up; what has one number of rows for all texts tells none of places
        more = {id(table.weight) for table in _looked_up(module, widest + 1)}
        seen = [table for table in seen if id(table.weight) in more]
    return seen


def _looked_up(module: Any, tokens: int) -> Iterator[Table]:
    import torch
    from torch.overrides import TorchFunctionMode

    calls: list[tuple[torch.Tensor, torch.Tensor]] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.nn.functional.embedding:
                calls.append((args[0], args[1]))
            return func(*args, **(kwargs or {}))

    base = module.base_model
    padding = {module.config.get_text_config().pad_token_id, getattr(module.config, "pad_token_id", None)}
    token = next(i for i in range(len(padding) + 1) if i not in padding)
    ids = torch.full((1, tokens), token, device=module.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    with torch.inference_mode(), Watch(), suppress(*WANTS_MORE):
        base(**inputs)
    for rows, weight in calls:
        line = rows.reshape(-1, rows.shape[-1])[0] if rows.dim() else rows.reshape(1)
        first = int(line[0])
        run = int((line == torch.arange(first, first + len(line), device=line.device)).long().cumprod(0).sum())
        if run >= tokens and bool((rows == line).all()):
            yield Table(weight, first, run)
