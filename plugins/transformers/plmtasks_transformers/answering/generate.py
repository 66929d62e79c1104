"""Generate: a text after the prompt, or out of it."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request

from ..fast import Prefix, micro_batches, own_loop, shared_prefixes
from .sequences import LanguageModel, Sequences, token_values
from .stopping import StopTexts

KEPT = {"cpu": 16}
"""Tokens that a batch keeps for one computed at once, 4 on other devices: a step reads the weights for all rows together."""

MOST = 2**31
"""More tokens than a text has with all its beams."""


class Encoding(NamedTuple):
    prompt: str
    ids: np.ndarray
    new: int
    """Tokens to make at most."""
    group: str
    cut: int
    prefix: Prefix | None = None
    """What it begins with, if others do too; it is among the ids."""


class Generator(LanguageModel):
    """Greedy answers, drawn ones and beams by loops of ours; drawn beams, and models that these do not cover, by the library's.
    What `settings.generation` does not name comes from the checkpoint's generation_config."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        wanted = self.settings.generation
        self.steps = self.ways.decoding and (wanted.num_beams == 1 or wanted.temperature == 0)
        """Whether it makes the tokens itself."""
        # what decoding leaves out, named or not
        special = [str(t) for t in self.tokenizer.added_tokens_decoder.values() if t.special]
        self.stops = StopTexts(self._text, partial(self._text, special=True), special)

    def encode(self, requests: Sequence[Generate]) -> list[Encoding]:
        new = [self.settings.generation.max_new_tokens or r.max_new_tokens for r in requests]
        room = [self.limit - (0 if self.prompts.reads else n) for n in new]
        if min(room) < 1:
            raise InputError(
                f"{self.parts.name!r} takes {self.limit} tokens, which leaves none before {max(new)} new ones",
                "--generation max_new_tokens=N says how many an answer may have",
            )
        if self.prompts.reads and self.parts.written.hard and max(new) > self.written:
            raise InputError(
                f"{self.parts.name!r} writes {self.parts.written.told}, and is asked for {max(new)}",
                "--generation max_new_tokens=N says how many an answer may have",
            )
        fitted = self.prompts.fit(requests, room)
        made: dict[int, Encoding] = {}
        for languages, group in _by_languages(requests):
            self.prompts.speak(*languages)
            for i, ids in zip(group, self.prompts.ids([fitted[i][0] for i in group]), strict=True):
                name = json.dumps([*self._shared(requests[i], new[i]), len(ids) if self.sees_padding else None, *languages])
                prompt, cut = fitted[i]
                made[i] = Encoding(prompt, np.array(ids or [self.prompts.beginning], np.int32), new[i], name, cut)
        return [made[i] for i in range(len(requests))]

    @property
    def sees_padding(self) -> bool:
        """Whether something of the checkpoint's looks at whole rows, so that only prompts of one length may share a batch."""
        wanted = self.module.generation_config
        source = wanted.encoder_repetition_penalty, wanted.encoder_no_repeat_ngram_size
        own = wanted.min_length, wanted.no_repeat_ngram_size == 1, wanted.forced_bos_token_id is not None
        return any(source) or (not self.prompts.reads and any(own))

    def _shared(self, request: Generate, new: int) -> list[Any]:
        """What must be the same in a batch, besides the languages."""
        if not self.steps:
            return [new, request.stop]
        wanted = self.module.generation_config
        if self.settings.generation.num_beams > 1:
            return [new]
        return [new if wanted.min_length or wanted.min_new_tokens or wanted.forced_eos_token_id is not None else None]

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        if self.steps and not self.prompts.reads:
            asked = list(dict.fromkeys(cast(Sequence[Generate], requests)))
            made = self.encoded(asked)
            named = [None if e.cut else (r.instruction, r.shots) for r, e in zip(asked, made, strict=True)]
            # a token is left to go on from
            prefixes = shared_prefixes([[e.ids] for e in made], [len(e.ids) - 1 for e in made], named)
            shared = (e._replace(prefix=prefix) for e, prefix in zip(made, prefixes, strict=True))
            self._encodings.update(zip(asked, shared, strict=True))
        return super().costs(requests)

    def cost(self, encoding: Encoding) -> Cost:
        tokens = (len(encoding.ids) + encoding.new) * self.settings.generation.num_beams
        group = encoding.group + (encoding.prefix.name if encoding.prefix is not None else "")
        if not self.steps:
            return Cost(group=group, width=tokens, cut=encoding.cut)
        # the longest first to the token, so that prompts which are read at once are hardly padded
        near = (MOST - tokens).to_bytes(4, "big")
        return Cost(group=group, width=-(-tokens // KEPT.get(self.device.type, 4)), near=near, cut=encoding.cut)

    def learning_cost(self, encoding: Encoding) -> Cost:
        return Cost(group=encoding.group, width=len(encoding.ids) + encoding.new, cut=encoding.cut)

    def compute(self, requests: Sequence[Generate], encodings: Sequence[Encoding]) -> list[Answer]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed(requests))
            made = self._made(requests, encodings)
        rows = [[int(i) for i in row] for row in made]
        return [GenerateAnswer(text=self.stops.before(row, r.stop).strip()) for r, row in zip(requests, rows, strict=True)]

    def _made(self, requests: Sequence[Generate], encodings: Sequence[Encoding]) -> Any:
        """The tokens made for each, the end of a text and padding among them."""
        ids = self.rows([e.ids for e in encodings], self.pad_id, left=not self.prompts.reads)
        mask = self.rows([[1] * len(e.ids) for e in encodings], 0, left=not self.prompts.reads)
        given = {"input_ids": ids, "attention_mask": mask}
        if self.prompts.reads:
            given["encoder_outputs"] = self._encoded(ids, mask)
        first, new = requests[0], max(e.new for e in encodings)
        settings = self._settings(first, new, 1 if self.prompts.reads else ids.shape[1])
        if settings.stop_strings:
            given["tokenizer"] = self.tokenizer
        if self.steps:
            beams = None
            if settings.num_beams > 1:
                penalty = 1.0 if settings.length_penalty is None else settings.length_penalty
                beams = settings.num_beams, penalty, settings.early_stopping or False
                settings.num_beams, settings.length_penalty, settings.early_stopping = 1, None, None
            ends = [(e.new, r.stop) for r, e in zip(requests, encodings, strict=True)]
            own = own_loop(beams, ends, self.stops, self.settings.batch_tokens, encodings[0].prefix)
            return self.module.generate(**given, generation_config=settings, custom_generate=own)
        start = 1 if self.prompts.reads else ids.shape[1]
        stop = [_Stop(self.stops, first.stop, start)] if first.stop else None
        return self.module.generate(**given, generation_config=settings, stopping_criteria=stop)[:, start:]

    def _encoded(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """What the encoder makes of prompts, as many at once as the token budget says."""
        from transformers.modeling_outputs import BaseModelOutput

        lengths = mask.sum(1).tolist()
        states = None
        for some in micro_batches(lengths, self.settings.batch_tokens):
            width = max(lengths[some])
            read = self.module.get_encoder()(input_ids=ids[some, :width], attention_mask=mask[some, :width], return_dict=True)
            if states is None:
                states = read.last_hidden_state.new_zeros(*ids.shape, read.last_hidden_state.shape[2])
            states[some, :width] = read.last_hidden_state
        return BaseModelOutput(last_hidden_state=states)

    def _text(self, ids: Sequence[int], special: bool = False) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False)
        return text

    def _settings(self, request: Generate, new: int, start: int) -> Any:
        """What is named, else the checkpoint's.

        new: tokens to make at most; start: tokens that the decoder begins with
        """
        import copy

        wanted = self.settings.generation
        made = copy.deepcopy(self.module.generation_config)
        draws = wanted.temperature > 0
        changes: dict[str, Any] = {
            "num_beams": wanted.num_beams, "do_sample": draws, "num_return_sequences": 1,
            "max_length": None, "max_new_tokens": new,
            # no more than there can be, which is the same and warned of
            "min_length": min(made.min_length or 0, start + new), "min_new_tokens": min(made.min_new_tokens or 0, new) or None,
            "pad_token_id": self.pad_id, "return_dict_in_generate": False, "temperature": wanted.temperature if draws else None,
            "max_time": made.max_time and math.inf,  # by a clock, answers would be others each time
        }  # fmt: skip
        changes |= {n: v for n in ("top_p", "length_penalty") if (v := getattr(wanted, n)) is not None}
        if made.eos_token_id is None:
            changes["eos_token_id"] = self.tokenizer.eos_token_id
        changes |= self.prompts.speak(request.source_language, request.target_language)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def _seed(self, requests: Sequence[Request]) -> int:
        """One of the batch and the settings: batches are the same for any number of processes."""
        text = json.dumps([self.settings.seed, *(r.key() for r in requests)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Negative log-likelihood of the answer's tokens and the end after them; divided by tokens it is their mean.

        An answer is cut at the tokens that the request allows, since more are never made, and at the model's limit.
        """
        batch = []
        for encoding, ids, whole in self._targets(requests, answers):
            own = whole[: min(encoding.new, self.written)]
            row = np.array([*ids, *own[:-1]][-self.written :], np.int32)
            batch.append(Sequences([row], [(0, np.array(own, np.int32))], encoding.ids if self.prompts.reads else None))
        return -token_values(self, batch, self.smoothing).sum(), float(sum(len(s.wants[0][1]) for s in batch))

    def shortened(self, requests: Sequence[Request], answers: Sequence[Answer]) -> int:
        targets = self._targets(requests, answers)
        return sum(encoding.cut > 0 or len(own) > min(encoding.new, self.written) for encoding, _, own in targets)

    def _targets(self, requests: Sequence[Request], answers: Sequence[Answer]) -> Iterator[tuple[Encoding, list[int], list[int]]]:
        """What is to be learned of each: its encoding, the token ids before the answer's, and those of the whole answer."""
        asked, solved = cast(Sequence[Generate], requests), cast(Sequence[GenerateAnswer], answers)
        encodings = self.encodings(asked)
        for languages, group in _by_languages(asked):
            self.prompts.speak(*languages)
            some, texts = [encodings[i] for i in group], [solved[i].text for i in group]
            if self.prompts.reads:
                targets = self.prompts.targets(texts, self.decoder_start)
                yield from ((e, t.ids[:1], t.ids[1:]) for e, t in zip(some, targets, strict=True))
            else:
                # the prompt as it is read when an answer is made, where its space is its own
                both = self.prompts.continuations([e.prompt for e in some], texts, space_moves=False)
                end = self.tokenizer.eos_token_id
                yield from ((e, ids, [*own, end]) for e, (ids, own) in zip(some, both, strict=True))


class _Stop:
    """Ends a row once one of the stop texts stands in what was made."""

    def __init__(self, stops: StopTexts, stop: Sequence[str], start: int) -> None:
        self.stops, self.stop, self.start = stops, stop, start

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        return torch.tensor([self.stops(row, self.stop) for row in ids[:, self.start :].tolist()], device=ids.device)


def _by_languages(requests: Sequence[Generate]) -> Iterator[tuple[tuple[str | None, str | None], list[int]]]:
    """Requests that a multilingual tokenizer reads in the same way: (source, target) languages and their positions."""
    groups: dict[tuple[str | None, str | None], list[int]] = {}
    for i, r in enumerate(requests):
        groups.setdefault((r.source_language, r.target_language), []).append(i)
    yield from groups.items()
