"""Generate: a text after the prompt, or out of it."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from plmtasks.errors import InputError
from plmtasks.model import Cost
from plmtasks.requests import Answer, Generate, GenerateAnswer, Generation, Request, Thinking

from ..fast import Draws, Prefix, device_of, fixed_steps, groups, micro_batches, own_loop
from .loaded import Answers, in_groups
from .sequences import LanguageModel, Sequences
from .stopping import Endings, StopTexts, Until

MOST = 2**31
"""More tokens than a text has with all its beams."""

PLAIN = Generate(text="")
"""It says nothing of how its tokens are picked."""

AT_ONCE = 1024
"""Padded tokens of prompts that a processor reads at once in float32, however many a batch has: twice as many took longer."""


class Encoding(NamedTuple):
    prompt: str
    ids: np.ndarray
    new: int
    """Tokens to make at most."""
    group: str
    cut: int
    prefix: Prefix | None = None
    """What it begins with, if others do too; it is among the ids."""
    beams: int = 1
    draws: bool = False

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
    What neither `settings.generation` nor the request names comes from the checkpoint's generation_config."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.shares = self.ways.decoding and not self.prompts.reads
        self._fixed = fixed_steps(self.module) if self.ways.decoding and self.ways.fixed else None
        # what decoding leaves out, named or not
        special = [str(t) for t in self.tokenizer.added_tokens_decoder.values() if t.special]
        # exact ones are read as the tokenizer reads by itself, which may take spaces before full stops away
        self._endings = {
            exact: Endings(StopTexts(partial(self._text, tidy=tidy), partial(self._text, special=True, tidy=tidy), special))
            for exact, tidy in ((False, False), (True, None))
        }
        """Whether a prompt is exact → how what follows it ends."""
        template = self.tokenizer.get_chat_template() if self.tokenizer.chat_template else None
        self._thinking = {chat: Thinking.of(self.settings.reasoning, template if chat else None) for chat in (True, False)}
        """Whether a chat template makes the prompt → how the model thinks."""

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
            wanted, tokens = self.settings.generation.of(request), np.array(ids or [self.prompts.beginning], np.int32)
            yield Encoding(prompt, tokens, new, name, cut, beams=wanted.num_beams or 1, draws=wanted.draws)

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
        own, wanted = self.module.generation_config, self.settings.generation.of(request)
        picked = [wanted.num_beams, wanted.temperature, wanted.top_p, wanted.top_k]
        # nothing where a request has what the settings say
        how = [] if wanted == self.settings.generation.of(PLAIN) else picked
        if not self._steps(wanted):
            return [new, request.stop, *how]
        if (wanted.num_beams or 1) > 1:
            return [new, *how]
        return [new if own.min_length or own.min_new_tokens or own.forced_eos_token_id is not None else None, *how]

    def _steps(self, wanted: Generation) -> bool:
        """Whether it makes the tokens itself."""
        return self.ways.decoding and ((wanted.num_beams or 1) == 1 or not wanted.draws)

    def cost(self, encoding: Encoding) -> Cost:
        tokens = (len(encoding.ids) + encoding.new) * encoding.beams
        group = encoding.group + (encoding.prefix.name if encoding.prefix is not None else "")
        if not self.ways.decoding or (encoding.beams > 1 and encoding.draws):
            return Cost(group=group, width=tokens, cut=encoding.cut)
        # the longest first to the token, so that prompts which are read at once are hardly padded; drawn texts by their prompts
        near = (MOST - tokens).to_bytes(4, "big") + (_digest(encoding.ids) if encoding.draws else b"")
        return Cost(group=group, width=-(-tokens // device_of(self.device).kept), near=near, cut=encoding.cut)

    def learning_cost(self, encoding: Encoding) -> Cost:
        return Cost(group=encoding.group, width=len(encoding.ids) + encoding.new, cut=encoding.cut)

    def compute(self, requests: Sequence[Generate], encodings: Sequence[Encoding]) -> Answers:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed(requests))
            made = self._made(requests, encodings)
        return partial(self._read_off, requests, encodings, made)

    def _read_off(self, requests: Sequence[Generate], encodings: Sequence[Encoding], made: Any) -> list[Answer]:
        answers: list[Answer] = []
        for request, encoding, row in zip(requests, encodings, made, strict=True):
            until, ids = self._until(request, encoding), [int(i) for i in row]
            answer = self._endings[request.exact].read(ids if until.thinking is None else self._own(ids), until)
            answers.append(answer if request.exact else replace(answer, text=answer.text.strip()))
        return answers

    @property
    def _at_once(self) -> int:
        """Padded tokens of prompts that are read at once."""
        narrow = self.module.dtype == torch.float32 and self.device.type == "cpu"
        return min(self.settings.batch_tokens, AT_ONCE) if narrow else self.settings.batch_tokens

    def _until(self, request: Generate, encoding: Encoding) -> Until:
        thinking = self._thinking[self.prompts.style == "chat" or bool(request.turns)]
        return Until(request.stop, thinking, thinking is not None and thinking.begins(encoding.prompt))

    def _own(self, made: Sequence[int]) -> Sequence[int]:
        """The tokens without the model's end of the text and what pads behind it."""
        said = self.module.generation_config.eos_token_id
        ends = said if isinstance(said, list) else [self.tokenizer.eos_token_id if said is None else said]
        return made[: next((n for n, token in enumerate(made) if token in ends), len(made))]

    def _made(self, requests: Sequence[Generate], encodings: Sequence[Encoding]) -> Any:
        """The tokens made for each, the end of a text and padding among them."""
        ids = self.rows([e.ids for e in encodings], self.pad_id, left=not self.prompts.reads)
        mask = self.rows([[1] * len(e.ids) for e in encodings], 0, left=not self.prompts.reads)
        given = {"input_ids": ids, "attention_mask": mask}
        first, start = requests[0], 1 if self.prompts.reads else ids.shape[1]
        settings = self._settings(first, max(e.new for e in encodings), start)
        steps, draws = self._steps(self.settings.generation.of(first)), None
        if settings.do_sample and settings.num_beams == 1:
            draws = Draws([r.seed(self.settings.seed) for r in requests], [e.ids.tobytes() for e in encodings])
        if self.prompts.reads:
            given["encoder_outputs"] = self._read(ids, mask)
        if settings.stop_strings:
            given["tokenizer"] = self.tokenizer
        untils = [self._until(r, e) for r, e in zip(requests, encodings, strict=True)]
        endings = self._endings[first.exact]
        if steps:
            beams = None
            if settings.num_beams > 1:
                penalty = 1.0 if settings.length_penalty is None else settings.length_penalty
                beams = settings.num_beams, penalty, settings.early_stopping or False
                settings.num_beams, settings.length_penalty, settings.early_stopping = 1, None, None
            ends = [(e.new, until if until.stop else ()) for e, until in zip(encodings, untils, strict=True)]
            own = own_loop(beams, ends, self._fixed, endings, self._at_once, encodings[0].prefix, draws)
            return self.module.generate(**given, generation_config=settings, custom_generate=own)

        def stopped(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            # drawn beams of a text stand beside each other
            rows, beams = ids[:, start:].tolist(), len(ids) // len(untils)
            return torch.tensor([endings(row, untils[i // beams]) for i, row in enumerate(rows)], device=ids.device)

        more = {"stopping_criteria": [stopped] if first.stop else None, "custom_generate": draws and draws.by_library}
        return self.module.generate(**given, generation_config=settings, **more)[:, start:]

    def _read(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """What the encoder makes of prompts, as many at once as the token budget says."""
        from transformers.modeling_outputs import BaseModelOutput

        lengths = mask.sum(1).tolist()
        states = None
        for some in micro_batches(lengths, self._at_once):
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

        wanted = self.settings.generation.of(request)
        made = copy.deepcopy(self.module.generation_config)
        draws = wanted.draws
        changes: dict[str, Any] = {
            "num_beams": wanted.num_beams, "do_sample": draws, "num_return_sequences": 1,
            "max_length": None, "max_new_tokens": new,
            # no more than there can be, which is the same and warned of
            "min_length": min(made.min_length or 0, start + new), "min_new_tokens": min(made.min_new_tokens or 0, new) or None,
            "pad_token_id": self.pad_id, "return_dict_in_generate": False, "temperature": wanted.temperature if draws else None,
            "max_time": made.max_time and math.inf,  # by a clock, answers would be others each time
        }  # fmt: skip
        changes |= {n: v for n in ("top_p", "top_k", "length_penalty") if (v := getattr(wanted, n)) is not None}
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
        """Of drawn beams; one of the batch and the settings: batches are the same for any number of processes."""
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


def _digest(ids: np.ndarray) -> bytes:
    return hashlib.sha256(ids.tobytes()).digest()[:8]


def _languages(request: Generate) -> tuple[str | None, str | None]:
    """By which a multilingual tokenizer reads it."""
    return request.source_language, request.target_language
