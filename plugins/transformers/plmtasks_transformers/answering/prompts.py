"""A request's prompt as each kind of checkpoint wants it: a chat's turns, T5's prefix, plain text; and codes of languages."""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from plmtasks.data import LANGUAGES, base_language, language_name
from plmtasks.errors import InputError, ModelError, ModelWarning
from plmtasks.requests import Prompted, Shot, plain_prompt, raw_prompt, turns

from ..checkpoints import PREFIXED, SEQUENCE_TO_SEQUENCE, Parts, is_taught
from .chat_template import Renderer, TemplateError
from .exact import Exact


class Target(NamedTuple):
    """What a decoder behind an encoder reads and is to write."""

    ids: list[int]
    """With all special tokens: what it starts from comes first, the end last."""
    first: int
    """Where the text's own tokens begin,"""
    end: int
    """and where they end: a special token that the text spells is among them."""

    @property
    def own(self) -> list[int]:
        return self.ids[self.first : self.end]


Pair = tuple["np.ndarray | None", list[int], list[int]]
"""What an encoder reads, what a decoder is given, and what it is to predict."""


class Prompts:
    """Makes prompts for one model.

    plain: instruction, shots and text, a blank line between; the answer follows after a space
    raw: shots and text, as they are, a blank line between; the answer follows after a space. The instruction is left out.
    chat: the tokenizer's template, shots as turns
    """

    def __init__(self, parts: Parts) -> None:
        self.name = parts.name
        self.limited = parts.limit.told
        self.tokenizer = parts.tokenizer
        self.style, self.system = parts.settings.prompt, parts.settings.system
        self.exact = Exact(parts)
        """What is made of exact prompts."""
        self.policy = parts.settings.truncation
        self.reads = parts.family == SEQUENCE_TO_SEQUENCE
        """Whether an encoder reads the prompt, and the answer starts anew."""
        self._around = cache(partial(special_around, self.tokenizer))
        self._codes: dict[str, tuple[str, int]] = {}
        self.multilingual = hasattr(self.tokenizer, "src_lang")
        own = getattr(self.tokenizer, "src_lang", None)
        self._own = self._spoken = (own, getattr(self.tokenizer, "tgt_lang", None) or own)
        """What a multilingual tokenizer calls the languages of the texts."""
        self.model_type = parts.module.config.model_type
        self.bare = self.reads and self.model_type not in PREFIXED
        self.taught = self.style == "plain" and is_taught(parts.module.config)
        """Whether it is asked in the words that T5 was taught, where a task has them and there are no shots."""
        self.delimiter = "" if self.reads or self.style == "chat" else " "
        """What stands between prompt and answer."""
        if self.style == "chat" and not self.tokenizer.chat_template:
            raise ModelError(f"{self.name!r} has no chat template", "leave out --chat")

    def render(self, request: Prompted, shots: Sequence[Shot], text: str) -> str:
        """The prompt, without the answer.

        raises: InputError if the model takes a text alone, and there are shots
        """
        if request.exact:
            return self._of_exact(request)
        if self.style == "chat":
            return self._renderer.render(turns(request, shots, text, self.system))
        if self.bare:
            if shots:
                raise InputError(f"{self.name!r} takes the text alone, and can be shown no examples", "leave out --shots")
            if self.system:
                raise InputError(f"{self.name!r} takes the text alone, and can be told nothing before it", "leave out --system")
            return text
        if self.style == "raw":
            return raw_prompt(shots, text, self.system)
        if self._in_taught_words(request):
            return raw_prompt((), request.taught, self.system)
        source, target = (getattr(request, f"{side}_language", None) for side in ("source", "target"))
        if self.reads and not shots and source and target:
            return raw_prompt((), f"translate {language_name(source)} to {language_name(target)}: {text}", self.system)
        purpose = request.aim()
        if self.reads and not shots and purpose:
            return raw_prompt((), f"{purpose}: {text}", self.system)
        return plain_prompt(request, shots, text, self.system)

    def _in_taught_words(self, request: Prompted) -> bool:
        return self.taught and bool(request.taught) and not request.shots

    def _of_exact(self, request: Prompted) -> str:
        """The text of an exact prompt, behind its turns.

        source: `HFLM.apply_chat_template` of lm-evaluation-harness, which leaves the system's turn out where a template has none
        """
        if not request.turns:
            return request.text
        if not self.tokenizer.chat_template:
            raise ModelError(f"{self.name!r} has no chat template", "leave out --chat")
        said = [{"role": turn.role, "content": turn.content} for turn in request.turns]
        go_on = said[-1]["role"] == "assistant"
        try:
            rendered = self._renderer.render(said, go_on)
        except TemplateError as e:
            others = [turn for turn in said if turn["role"] != "system"]
            if len(others) == len(said):
                raise
            warnings.warn(f"{e.message}; it is asked without the system's turn", ModelWarning, stacklevel=2)
            rendered = self._renderer.render(others, go_on)
        return rendered + request.text

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.name, self.tokenizer.get_chat_template(), self.tokenizer.special_tokens_map)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids as a prompt has them: for an encoder with all special tokens, for a decoder without an end."""
        self._tell_languages()
        # a chat template has its special tokens in it
        special = self.reads or self.style != "chat"
        rows = self.bare_ids(texts, special)
        behind = self._around("text")[1] if special and not self.reads else 0
        return [row[: len(row) - behind] for row in rows]

    def fit(self, requests: Sequence[Any], room: Sequence[int]) -> list[tuple[str, int]]:
        """For each request its prompt, at most `room` tokens of it, and how many tokens it lost.

        Shots go first, those in front before the others; then the text is cut at its left, or at its right under the policy
        `right`, and by itself if it is to be summarized, or begins with the task as T5 was taught it: what comes first says most.

        Exact ones are as they are: their tokens are cut.

        raises: InputError under the policy `error`, or if no text would be left
        """
        whole = [self.render(r, r.shots, r.text) for r in requests]
        lengths = [len(row) for row in self.ids(whole)]
        return [
            (prompt, 0) if r.exact or n <= most else self._shorten(r, n, most)
            for r, prompt, n, most in zip(requests, whole, lengths, room, strict=True)
        ]

    def _shorten(self, request: Any, length: int, room: int) -> tuple[str, int]:
        if self.policy == "error":
            raise InputError(
                f"a prompt has {length} tokens, {self.name!r} takes {room}: {' '.join(request.text.split()[:8])[:80]!r} …",
                f"the limit: {self.limited}",
                "--truncation auto, left, right or skip says what is to happen to it",
            )
        for kept in range(1, len(request.shots) + 1):
            prompt = self.render(request, request.shots[kept:], request.text)
            n = len(self.ids([prompt])[0])
            if n <= room:
                return prompt, length - n
        taught = self._in_taught_words(request)
        text = request.taught if taught else request.text
        first = taught or request.aim() == "summarize"
        at_right = self.policy == "right" or (self.policy == "auto" and first)
        while text:
            prompt = self.render(replace(request, taught=text) if taught else request, (), text)
            n = len(self.ids([prompt])[0])
            if n <= room:
                return prompt, length - n
            surplus = max(1, len(text) * (n - room) // n)  # characters, about; never more than are there
            text = text[:-surplus] if at_right else text[surplus:]
        raise InputError(
            f"{self.name!r} takes {max(room, 0)} tokens here, and the instruction alone has more: {request.instruction[:80]!r}"
        )

    def continuations(
        self, prompts: Sequence[str], answers: Sequence[str], *, space_moves: bool = True
    ) -> list[tuple[list[int], list[int]]]:
        """Token ids of each prompt and of the answer after it, as a decoder reads them on end.

        Both are encoded together, as one text. Where the tokenizer joins the end of the prompt to the answer, so that the answer
        has no tokens of its own or not all of them, each is encoded by itself.

        space_moves: white space at the end of a prompt is counted to the answer, to which most tokenizers would join it
        """
        tails = [self.delimiter + a for a in answers]
        if space_moves:
            prompts, tails = without_space(prompts, tails)
        starts = self.ids(prompts)
        rows = self.ids([p + t for p, t in zip(prompts, tails, strict=True)])
        joined = [row[: len(start)] != start or len(row) == len(start) for start, row in zip(starts, rows, strict=True)]
        apart = iter(self.bare_ids([t for t, j in zip(tails, joined, strict=True) if j]))
        own = [next(apart) if j else row[len(start) :] for start, row, j in zip(starts, rows, joined, strict=True)]
        return [(start or [self.beginning], ids) for start, ids in zip(starts, own, strict=True)]

    def pairs(self, prompts: Sequence[str], answers: Sequence[str], start: int) -> Iterator[Pair]:
        """Each answer after its prompt, as such a model scores it; no end is.

        start: the token from which a decoder behind an encoder starts
        """
        if not self.reads:
            yield from ((None, *both) for both in self.continuations(prompts, answers))
            return
        heads, answers = without_space(prompts, answers)
        unlike = list(dict.fromkeys(heads))
        sources = dict(zip(unlike, self.ids(unlike), strict=True))
        for head, target in zip(heads, self.targets(answers, start), strict=True):
            yield np.array(sources[head], np.int32), target.ids[: target.first], target.own

    def bare_ids(self, texts: Sequence[str], special: bool = False) -> list[list[int]]:
        """Token ids without special tokens but those that the texts spell, or else with those of the tokenizer."""
        if not texts:
            return []
        unlike = list(dict.fromkeys(texts))  # a prompt comes with each of its answers
        rows: list[list[int]] = self.tokenizer(unlike, add_special_tokens=special, return_attention_mask=False)["input_ids"]
        made = dict(zip(unlike, rows, strict=True))
        return [made[text] for text in texts]

    @property
    def beginning(self) -> int:
        """The token before a text that nothing precedes."""
        t = self.tokenizer
        return next((int(i) for i in (t.bos_token_id, t.eos_token_id, t.cls_token_id) if i is not None), 0)

    def targets(self, answers: Sequence[str], start: int) -> list[Target]:
        """What a decoder behind an encoder reads and is to write.

        start: the token from which the decoder starts; of the first mBART's it is the language, which its tokenizer puts last
        """
        self._tell_languages()
        front, behind = self._around("text_target")
        made = []
        for row in self.tokenizer(text_target=list(answers), return_attention_mask=False)["input_ids"]:
            # NLLB's old tokenizer has it there too, but its decoder starts with the end
            last = self.model_type == "mbart" and len(row) > 1 and row[-2] == self.tokenizer.eos_token_id
            ids = [row[-1], *row[:-1]] if last else [start, *row]
            made.append(Target(ids, 1 + front, len(ids) - behind + last))
        return made

    def speak(self, source: str | None, target: str | None) -> dict[str, int | None]:
        """The languages of the texts that come; what a multilingual model must be told to write in the target's.

        Without languages they are those that the tokenizer came with.
        """
        self._spoken = self._own
        if not self.multilingual or not (source and target):
            return {}
        for code in (source, target):
            if code not in self._codes:
                self._codes[code] = language_token(self.tokenizer, code)
        target_name, token = self._codes[target]
        self._spoken = self._codes[source][0], target_name
        if self.targets([""], -1)[0].ids[0] == token:
            return {"decoder_start_token_id": token, "forced_bos_token_id": None}
        return {"forced_bos_token_id": token}

    def _tell_languages(self) -> None:
        # a tokenizer may be that of several views, each with its own languages
        if self.multilingual:
            self.tokenizer.src_lang, self.tokenizer.tgt_lang = self._spoken


def language_token(tokenizer: Any, code: str) -> tuple[str, int]:
    """The name that a multilingual tokenizer has for a language, and the token id that starts a text in it.

    code: ISO 639-1; a script or region that the model does not tell apart is left away
    raises: ModelError
    """
    vocabulary = tokenizer.get_vocab()
    own = getattr(tokenizer, "lang_token_to_id", {})  # M2M100 keeps its languages beside the vocabulary
    for wanted in dict.fromkeys((code, base_language(code))):
        if f"__{wanted}__" in own:
            return wanted, int(own[f"__{wanted}__"])
        regional = sorted(token for token in vocabulary if re.fullmatch(f"{wanted}_[A-Z]{{2}}", token))  # mBART: de_DE, en_XX
        for name in (LANGUAGES[wanted][1] if wanted in LANGUAGES else wanted, *regional):
            if "_" in name and name in vocabulary:  # without it, a piece of a word
                return name, int(vocabulary[name])
    raise ModelError(f"the model's tokenizer knows no language {code!r}")


def without_space(prompts: Sequence[str], answers: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same, with the white space at the end of each prompt before its answer.

    source: `_encode_pair` of lm-evaluation-harness
    """
    heads = [p.rstrip() for p in prompts]
    return heads, [p[len(h) :] + a for p, h, a in zip(prompts, heads, answers, strict=True)]


def special_around(tokenizer: Any, side: str) -> tuple[int, int]:
    """How many special tokens the tokenizer puts before a text, and behind it.

    side: "text" for one that is read, "text_target" for one that is written

    Told by a text that spells none: those of another text may stand in the text itself.
    """
    for probe in ("a", *tokenizer.get_vocab()):
        own, whole = (tokenizer(**{side: probe}, add_special_tokens=added)["input_ids"] for added in (False, True))
        if own:
            front = next((i for i in range(len(whole)) if whole[i : i + len(own)] == own), len(whole) - len(own))
            return front, len(whole) - front - len(own)
    return 0, 0
