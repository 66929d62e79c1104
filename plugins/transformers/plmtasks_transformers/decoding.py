"""Tokens made one after another: rows that are done leave at once, and what is attended to stays where it lies."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from .packing import Prefix

SLACK = 4
"""Tokens beyond the bytes of a stop text that are read again to find it: some tokens have no text."""

FEW = 16
"""Tokens for which there is room at least."""

BLOCK = 128
"""Numbers of a row that are looked at together for the greatest."""


class StopTexts:
    """Tells whether a text stops with its last token, from its last few tokens where it can."""

    def __init__(self, text: Callable[[Sequence[int]], str]) -> None:
        """text: what token ids say"""
        self.text = text
        self._of_token: dict[int, str] = {}

    def __call__(self, made: Sequence[int], stop: Sequence[str]) -> bool:
        """made: token ids, of which the last was not there before"""
        if not any(self._may_end(made[-1], s) for s in stop):
            return False
        near = self.text(made[-max(len(s.encode()) for s in stop) - SLACK :])
        # tokens may read otherwise where others stand before them
        return any(s in near for s in stop) and any(s in self.text(made) for s in stop)

    def _may_end(self, token: int, stop: str) -> bool:
        """Whether the token can bring the last character: a space comes from no token alone, part of a character from any."""
        if token not in self._of_token:
            self._of_token[token] = self.text([token])
        own = self._of_token[token]
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
    # these hold something of each row of their own
    bound = wanted.guidance_scale, wanted.encoder_repetition_penalty, wanted.encoder_no_repeat_ngram_size
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
                order = _closed_up(going)
                rows = [rows[i] for i in order]
                if not rows:
                    return self.made
                which = torch.tensor(order, device=ids.device)
                ids = _keep(ids, which)
                inputs["cache"].batch_select_indices(which)
                _keep_inputs(inputs, which, len(going))
                _keep_lengths(logits_processor, which)
            given = module.prepare_inputs_for_generation(ids, next_sequence_length=1, **inputs)
            logits = _forward(module, given, inputs)

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
                part.layers = [_room_class()(len(ids), tokens) for _ in part.layers]
            return _forward(module, module.prepare_inputs_for_generation(ids, is_first_iteration=True, **inputs), inputs)
        mask = inputs.get("attention_mask")
        mask = torch.ones_like(ids) if mask is None else mask
        rooms = [_room_class()(len(ids), room) for _ in kept.layers]
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


class Search(NamedTuple):
    """How beams are searched; what the words mean is the library's."""

    beams: int
    length_penalty: float
    early_stopping: bool | str


class BeamDecoding(Decoding):
    """Beam search as the library's `_beam_search` has it, for the best text alone: a row that can find no better one leaves,
    and what beams share, which is the encoder's part, is not moved with them.

    The library is to be asked for one beam: each text is read once, and becomes several beams with its first token.
    """

    def __init__(self, search: Search, *asked: Any) -> None:
        super().__init__(*asked)
        self.search = search
        self.best: list[list[tuple[float, list[int]]]] = [[] for _ in self.ends]
        """For each text what has ended, with its score, the best first; at most as many as there are beams."""

    def __call__(
        self, module: Any, input_ids: "torch.Tensor", logits_processor: Any, stopping_criteria: Any, generation_config: Any,
        **inputs: Any,
    ) -> list[list[int]]:  # fmt: skip
        import torch

        beams, start, device = self.search.beams, input_ids.shape[1], input_ids.device
        ends = generation_config.eos_token_id
        wide = beams * max(2, 1 + (len(ends) if isinstance(ends, list) else 1))
        rows = list(range(len(input_ids)))
        logits = self._begin(module, input_ids, inputs)
        ids, running = input_ids[:, None], torch.zeros(len(rows), 1, device=device)
        while True:
            # ids: (texts, beams, tokens), running: (texts, beams); one beam at first
            likely, words = highest(logits_processor(ids.flatten(0, 1), log_softmax(logits.float())), wide)
            scores, at = (likely + running.view(-1, 1)).view(len(rows), -1).topk(wide)
            parents, tokens = at // wide, words.view(len(rows), -1).gather(1, at)
            grown = torch.cat([ids.gather(1, parents[..., None].expand(-1, -1, ids.shape[2])), tokens[..., None]], 2)
            over = stopping_criteria(grown.flatten(0, 1), None).view(len(rows), -1)
            over = over | self._stopped(rows, grown[..., start:], over)
            running, chosen = torch.where(over, scores - 1e9, scores).topk(beams)
            self._end(rows, grown[..., start:], scores, over)
            length = grown.shape[2] - start
            going = [
                not all(done) and self._may_improve(row, best, length)
                for row, done, best in zip(rows, over.tolist(), running[:, 0].tolist(), strict=True)
            ]
            order = _closed_up(going)
            rows = [rows[i] for i in order]
            if not rows:
                return [found[0][1] for found in self.best]
            which = torch.tensor(order, device=device)
            _keep_lengths(logits_processor, self._move(inputs, which, parents.gather(1, chosen), ids.shape[1]))
            running, chosen = running[which], chosen[which]
            ids = grown[which].gather(1, chosen[..., None].expand(-1, -1, grown.shape[2]))
            given = module.prepare_inputs_for_generation(ids.flatten(0, 1), next_sequence_length=1, **inputs)
            logits = _forward(module, given, inputs)

    def _stopped(self, rows: Sequence[int], grown: "torch.Tensor", over: "torch.Tensor") -> "torch.Tensor":
        """Which candidates end with a stop text, (texts, candidates)."""
        import torch

        found = torch.zeros_like(over)
        for i, row in enumerate(rows):
            if stop := self.ends[row].stop:
                found[i] = torch.tensor([self.stops(made, stop) for made in grown[i].tolist()], device=over.device)
        return found

    def _end(self, rows: Sequence[int], grown: "torch.Tensor", scores: "torch.Tensor", over: "torch.Tensor") -> None:
        """Keeps the best of what has ended; of the candidates the first beams alone count.

        grown: what is made of each candidate, (texts, candidates, tokens); scores, over: (texts, candidates)
        """
        search, length = self.search, grown.shape[2]
        for i, j in over[:, : search.beams].nonzero().tolist():
            best = self.best[rows[i]]
            if search.early_stopping is True and len(best) == search.beams:
                continue
            best.append((float(scores[i, j]) / length**search.length_penalty, grown[i, j].tolist()))
            best.sort(key=lambda found: -found[0])
            del best[search.beams :]

    def _may_improve(self, row: int, running: float, length: int) -> bool:
        """Whether a text may yet become better than the worst of those that have ended.

        running: the summed log-likelihood of the best beam; length: its tokens
        """
        best, search = self.best[row], self.search
        if len(best) < search.beams:
            return True
        if search.early_stopping is True:
            return False
        longest = search.early_stopping == "never" and search.length_penalty > 0
        return running / (self.ends[row].new if longest else length) ** search.length_penalty > best[-1][0]

    def _move(self, inputs: dict[str, Any], texts: "torch.Tensor", parents: "torch.Tensor", before: int) -> "torch.Tensor":
        """Texts in a new order, each beam with what its parent has attended to; returns a row of the same text for each row.

        texts: (texts that stay,); parents: of the next beams of each text that there was, (texts, beams)
        before: beams that a text had
        """
        import torch

        beams = torch.arange(parents.shape[1], device=texts.device) % before
        same = (texts[:, None] * before + beams).flatten()
        own = (texts[:, None] * before + parents[texts]).flatten()
        kept = inputs["cache"]
        if "encoder_outputs" in inputs:
            kept.cross_attention_cache.batch_select_indices(same)
            kept.self_attention_cache.batch_select_indices(own)
        else:
            kept.batch_select_indices(own)
        _keep_inputs(inputs, same, len(parents) * before)
        return same


def pieces(lengths: Sequence[int], tokens: int) -> list[slice]:
    """Neighbours that are at most so many tokens when they are padded to the longest of them; 0: all."""
    bounds, widest = [0], 0
    for i, length in enumerate(lengths):
        widest = max(widest, length)
        if tokens and i > bounds[-1] and (i + 1 - bounds[-1]) * widest > tokens:
            bounds.append(i)
            widest = length
    return [slice(*ends) for ends in pairwise([*bounds, len(lengths)])]


def _forward(module: Any, given: dict[str, Any], inputs: dict[str, Any]) -> "torch.Tensor":
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


def log_softmax(table: "torch.Tensor") -> "torch.Tensor":
    """Of each row, in place, a few rows at a time: a CPU's cache holds them."""
    for piece in table.split(16):
        piece -= piece.logsumexp(-1, keepdim=True)
    return table


def highest(table: "torch.Tensor", count: int) -> "tuple[torch.Tensor, torch.Tensor]":
    """The greatest numbers of each row and their places, (rows, count): what `topk` finds, which takes much longer on a CPU.

    They stand in those blocks of a row whose greatest numbers are the greatest, and the rest that fills no block.
    """
    import torch

    blocks = table.shape[1] // BLOCK
    if blocks <= count:
        few = table.topk(count)
        return few.values, few.indices
    whole, rest = table[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK)), table[:, blocks * BLOCK :]
    best = whole.amax(-1).topk(count).indices
    places = (best[..., None] * BLOCK + torch.arange(BLOCK, device=table.device)).flatten(1)
    places = torch.cat([places, torch.arange(blocks * BLOCK, table.shape[1], device=table.device).expand_as(rest)], 1)
    found = torch.cat([whole.gather(1, best[..., None].expand(-1, -1, BLOCK)).flatten(1), rest], 1).topk(count)
    return found.values, places.gather(1, found.indices)


def _closed_up(going: Sequence[bool]) -> list[int]:
    """Which row comes to each place: the last ones go where others left, and the rest stay."""
    count = sum(going)
    order = list(range(count))
    last = [i for i in range(count, len(going)) if going[i]]
    for hole, row in zip([i for i in range(count) if not going[i]], last, strict=True):
        order[hole] = row
    return order


def _keep(table: "torch.Tensor", order: "torch.Tensor") -> "torch.Tensor":
    """The rows in this order; no more than there were lie where those did."""
    import torch

    if len(order) > len(table):
        return table[order]
    moved = (order != torch.arange(len(order), device=order.device)).nonzero()[:, 0]
    table[moved] = table[order[moved]]
    return table[: len(order)]


def _keep_inputs(inputs: dict[str, Any], order: "torch.Tensor", rows: int) -> None:
    """What there is of each row beside its keys and values.

    order: of the rows, which were `rows`
    """
    import torch

    for name, value in inputs.items():
        if isinstance(value, torch.Tensor) and value.shape[:1] == (rows,):
            inputs[name] = _keep(value, order)
    if "encoder_outputs" in inputs:
        read = inputs["encoder_outputs"]
        read.last_hidden_state = _keep(read.last_hidden_state, order)


def _keep_lengths(processors: Any, order: "torch.Tensor") -> None:
    """A penalty on repeated tokens knows how much of each row is padding; nothing else that `covers` lets by knows of rows."""
    import torch

    for processor in processors:
        padding = getattr(processor, "prompt_ignore_length", None)
        if isinstance(padding, torch.Tensor):
            processor.prompt_ignore_length = padding[order]


@cache
def _room_class() -> Any:  # noqa: C901  the short methods of one class
    """A class made when it is needed: importing the library takes seconds."""
    import torch
    from transformers.cache_utils import DynamicLayer

    class Room(DynamicLayer):
        """Keys and values of a layer in room for tokens to come, so that none is copied when one is added."""

        keys: Any
        values: Any

        def __init__(self, rows: int, tokens: int) -> None:
            """tokens: at most"""
            super().__init__()
            self.rows, self.tokens, self.filled = rows, tokens, 0

        def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.places = [x.new_empty(self.rows, x.shape[1], 0, x.shape[3]) for x in (key_states, value_states)]
            self.is_initialized = True

        def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            end = self.filled + key_states.shape[2]
            self._reach(end)
            for place, states in zip(self.places, (key_states, value_states), strict=True):
                place[:, :, self.filled : end] = states
            return self._fill(end)

        def _reach(self, end: int) -> None:
            """Room up to there and as much again: texts end early, and memory that is never used costs time too."""
            if end > self.places[0].shape[2]:
                room, old = min(self.tokens, max(FEW, 2 * end)), self.places
                self.places = [x.new_empty(self.rows, x.shape[1], room, x.shape[3]) for x in old]
                for place, states in zip(self.places, old, strict=True):
                    place[:, :, : states.shape[2]] = states

        def put(self, some: slice, found: Sequence[torch.Tensor], lengths: Sequence[int], end: int) -> None:
            """What some rows have in the places before `end`: the prefix, and right behind it each row's own tokens.

            found: keys and values of the prefix and of the rows' own tokens, padded between the two
            lengths: of the rows' own tokens
            """
            if not self.is_initialized:
                self.lazy_initialization(*found)
            self._reach(end)
            prefix = found[0].shape[2] - max(lengths)
            for place, states in zip(self.places, found, strict=True):
                place[some, :, : end - max(lengths)] = 0  # masked, but what was there may be no number
                place[some, :, end - max(lengths) : end] = states[:, :, prefix:]
                for i, length in enumerate(lengths if prefix else (), some.start):
                    place[i, :, end - length - prefix : end - length] = states[0, :, :prefix]
            self._fill(end)

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            if len(indices) > self.rows:
                self.rows, old = len(indices), (self.keys, self.values)
                self.lazy_initialization(*old)
                self._reach(self.filled)
                for place, states in zip(self.places, old, strict=True):
                    place[:, :, : self.filled] = states[indices]
            else:
                kept = [_keep(states, indices) for states in (self.keys, self.values)]
                self.places = [place[: len(indices)] for place in self.places]
                self.rows = len(kept[0])
            self._fill(self.filled)

        def _fill(self, end: int) -> tuple[torch.Tensor, torch.Tensor]:
            self.filled = end
            self.keys, self.values = (place[:, :, :end] for place in self.places)
            return self.keys, self.values

    return Room
