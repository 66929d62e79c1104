"""Generate: a text after the prompt, or out of it."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request, before_stop

from ..fast import Prefix, groups, micro_batches, own_loop
from .loaded import in_groups
from .sequences import LanguageModel, Sequences

KEPT = {"cpu": 16}
"""Tokens that a batch keeps for one computed at once, 4 on other devices: a step reads the weights for all rows together."""

MOST = 2**31
"""More tokens than a text has with all its beams."""

SLACK = 4
"""Tokens beyond the bytes of a stop text that are read again to find it: some tokens have no text."""

Text = Callable[[Sequence[int]], str]
"""What token ids say."""


class Encoding(NamedTuple):
    prompt: str
    ids: np.ndarray
    new: int
    """Tokens to make at most."""
    group: str
    cut: int
    prefix: Prefix | None = None
    """What it begins with, if others do too; it is among the ids."""

    @property
    def rows(self) -> Sequence[np.ndarray]:
        return [self.ids]

    @property
    def first(self) -> int:
        return len(self.ids) - 1  # a token is left to go on from

    def behind(self, prefix: Prefix) -> "Encoding":
        return self._replace(prefix=prefix)


class Generator(LanguageModel):
    """Greedy answers, drawn ones and beams by loops of ours; drawn beams, and models that these do not cover, by the library's.
    What `settings.generation` does not name comes from the checkpoint's generation_config."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        wanted = self.settings.generation
        self.steps = self.ways.decoding and (wanted.num_beams == 1 or wanted.temperature == 0)
        """Whether it makes the tokens itself."""
        self.shares = self.steps and not self.prompts.reads
        # what decoding leaves out, named or not
        special = [str(t) for t in self.tokenizer.added_tokens_decoder.values() if t.special]
        self.stops = StopTexts(self._text, partial(self._text, special=True), special)
        # exact ones are read as the tokenizer reads by itself, which may take spaces before full stops away
        self.exact_stops = StopTexts(partial(self._text, tidy=None), partial(self._text, special=True, tidy=None), special)

    def encode(self, requests: Sequence[Generate]) -> list[Encoding]:
        new = [self.settings.generation.max_new_tokens or r.max_new_tokens for r in requests]
        limits = [self.exact.limit.tokens if r.exact else self.limit for r in requests]
        room = [limit - (0 if self.prompts.reads else n) for limit, n in zip(limits, new, strict=True)]
        if min(room) < 1:
            raise InputError(
                f"{self.parts.name!r} takes {min(limits)} tokens, which leaves none before {max(new)} new ones",
                "--generation max_new_tokens=N says how many an answer may have",
            )
        if self.prompts.reads and self.parts.written.hard and max(new) > self.written:
            raise InputError(
                f"{self.parts.name!r} writes {self.parts.written.told}, and is asked for {max(new)}",
                "--generation max_new_tokens=N says how many an answer may have",
            )
        fitted = self.prompts.fit(requests, room)
        keys = [(*_languages(r), r.exact) for r in requests]
        return in_groups([*zip(requests, new, fitted, room, strict=True)], keys, self._encoded)

    def _encoded(self, group: Sequence[tuple[Generate, int, tuple[str, int], int]]) -> Iterator[Encoding]:
        """group: requests in the same languages, with the most tokens to make, their prompts, the tokens that these lost, and the
        room for them"""
        languages, exact = _languages(group[0][0]), group[0][0].exact
        self.prompts.speak(*languages)
        rows = (self.exact.prompts if exact else self.prompts.ids)([prompt for _, _, (prompt, _), _ in group])
        for (request, new, (prompt, cut), room), ids in zip(group, rows, strict=True):
            if exact:
                ids, cut = self.exact.cut(ids, room, prompt)
                new = self._most(ids, new)
            name = json.dumps([
                *self._shared(request, new), len(ids) if self.sees_padding else None, *languages, *(["exact"] if exact else [])
            ])  # fmt: skip
            yield Encoding(prompt, np.array(ids or [self.prompts.beginning], np.int32), new, name, cut)

    def _most(self, ids: Sequence[int], new: int) -> int:
        """The most tokens behind an exact prompt: behind an encoder, HFLM allows as many more as that reads, less one."""
        if not self.prompts.reads:
            return new
        most = len(ids) + new - 1
        return min(most, self.written) if self.parts.written.hard else most

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
        return [GenerateAnswer(text=self._answer(r, row)) for r, row in zip(requests, rows, strict=True)]

    def _answer(self, request: Generate, row: Sequence[int]) -> str:
        """What was written before the stop texts; of an exact prompt with all its white space."""
        return self.exact_stops.before(row, request.stop) if request.exact else self.stops.before(row, request.stop).strip()

    def _made(self, requests: Sequence[Generate], encodings: Sequence[Encoding]) -> Any:
        """The tokens made for each, the end of a text and padding among them."""
        ids = self.rows([e.ids for e in encodings], self.pad_id, left=not self.prompts.reads)
        mask = self.rows([[1] * len(e.ids) for e in encodings], 0, left=not self.prompts.reads)
        given = {"input_ids": ids, "attention_mask": mask}
        if self.prompts.reads:
            given["encoder_outputs"] = self._read(ids, mask)
        first, start = requests[0], 1 if self.prompts.reads else ids.shape[1]
        settings = self._settings(first, max(e.new for e in encodings), start)
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

        def stopped(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            return torch.tensor([self.stops(row, first.stop) for row in ids[:, start:].tolist()], device=ids.device)

        stop = [stopped] if first.stop else None
        return self.module.generate(**given, generation_config=settings, stopping_criteria=stop)[:, start:]

    def _read(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
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

    def _text(self, ids: Sequence[int], special: bool = False, tidy: bool | None = False) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=not special, clean_up_tokenization_spaces=tidy)
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
        elif request.exact and self.tokenizer.eos_token_id is not None:  # whatever else ends a text
            ends = made.eos_token_id if isinstance(made.eos_token_id, list) else [made.eos_token_id]
            changes["eos_token_id"] = [*ends, *({self.tokenizer.eos_token_id} - {*ends})]
        changes |= self.prompts.speak(request.source_language, request.target_language)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def _seed(self, requests: Sequence[Request]) -> int:
        """One of the batch and the settings: batches are the same for any number of processes."""
        text = json.dumps([self.settings.seed, *(r.key() for r in requests)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Of the answer's tokens and the end after them.

        An answer is cut at the tokens that the request allows, since more are never made, and at the model's limit.
        """
        batch = []
        for encoding, ids, whole in self._targets(requests, answers):
            own = whole[: min(encoding.new, self.written)]
            row = np.array([*ids, *own[:-1]][-self.written :], np.int32)
            batch.append(Sequences([row], [(0, np.array(own, np.int32))], encoding.ids if self.prompts.reads else None))
        return self.loss_of(batch)

    def shortened(self, requests: Sequence[Request], answers: Sequence[Answer]) -> int:
        targets = self._targets(requests, answers)
        return sum(encoding.cut > 0 or len(own) > min(encoding.new, self.written) for encoding, _, own in targets)

    def _targets(self, requests: Sequence[Request], answers: Sequence[Answer]) -> Iterator[tuple[Encoding, list[int], list[int]]]:
        """What is to be learned of each: its encoding, the token ids before the answer's, and those of the whole answer."""
        asked, solved = cast(Sequence[Generate], requests), cast(Sequence[GenerateAnswer], answers)
        encodings = self.encodings(asked)
        for group in groups(map(_languages, asked)):
            self.prompts.speak(*_languages(asked[group[0]]))
            some, texts = [encodings[i] for i in group], [solved[i].text for i in group]
            if self.prompts.reads:
                targets = self.prompts.targets(texts, self.decoder_start)
                yield from ((e, t.ids[:1], t.ids[1:]) for e, t in zip(some, targets, strict=True))
            else:
                # the prompt as it is read when an answer is made, where its space is its own
                both = self.prompts.continuations([e.prompt for e in some], texts, space_moves=False)
                end = self.tokenizer.eos_token_id
                yield from ((e, ids, [*own, end]) for e, (ids, own) in zip(some, both, strict=True))


def _languages(request: Generate) -> tuple[str | None, str | None]:
    """By which a multilingual tokenizer reads it."""
    return request.source_language, request.target_language


class StopTexts:
    """Tells whether a text stops with its last token, from its last few tokens where it can; and what stands before that."""

    def __init__(self, text: Text, spelled: Text | None = None, special: Sequence[str] = ()) -> None:
        """
        text: what token ids say; spelled: the same with special tokens, None if there are none
        special: how special tokens are spelled, such as a stop text may be
        """
        self.text, self.spelled, self.special = text, spelled or text, special
        self._of_token: dict[tuple[int, bool], str] = {}

    def __call__(self, made: Sequence[int], stop: Sequence[str]) -> bool:
        """made: token ids, of which the last was not there before"""
        return any(self._stops(made, some, special) for special, some in self._parted(stop))

    def before(self, made: Sequence[int], stop: Sequence[str]) -> str:
        """What token ids say before the first of the stop texts in it."""
        (_, plain), (_, spelling) = self._parted(stop)
        texts = [before_stop(self.text(made), plain)]
        spelled = self.spelled(made) if spelling else ""
        for at in (spelled.find(s) for s in spelling if s in spelled):
            # whole tokens, and of the one in which the stop text begins its beginning
            starts = ((made[:n], self.spelled(made[:n])) for n in range(len(made), -1, -1))
            whole, same = next((ids, start) for ids, start in starts if spelled[:at].startswith(start))
            texts.append(self.text(whole) + spelled[len(same) : at])
        return min(texts, key=len)

    def _parted(self, stop: Sequence[str]) -> tuple[tuple[bool, list[str]], tuple[bool, list[str]]]:
        """Those that spell no special token, and those that do."""
        spelling = [s for s in stop if any(t in s for t in self.special)]
        return (False, [s for s in stop if s not in spelling]), (True, spelling)

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
