"""How instruction, shots and text become one prompt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plmtasks.errors import InputError, ModelError
from plmtasks.languages import language_name
from plmtasks.prompts import Prompted, plain, purpose_of, raw, turns
from plmtasks.requests import Shot

from .architectures import SEQUENCE_TO_SEQUENCE
from .languages import language_token

if TYPE_CHECKING:
    from .loaded import Parts

PREFIXED = ("t5", "mt5", "umt5", "longt5", "switch_transformers", "t5gemma")
"""Sequence-to-sequence types that are told what to do; the others (BART, Marian, …) take the text alone."""


class Prompts:
    """Makes prompts for one model.

    plain: instruction, shots and text, a blank line between; the answer follows after a space
    raw: shots and text, as they are, a blank line between; the answer follows after a space. The instruction is left out.
    chat: the tokenizer's template, shots as turns
    """

    def __init__(self, parts: "Parts") -> None:
        self.name = parts.name
        self.limited = parts.limit.told
        self.tokenizer = parts.tokenizer
        self.style = parts.settings.prompt
        self.policy = parts.settings.truncation
        self.reads = parts.family == SEQUENCE_TO_SEQUENCE
        """Whether an encoder reads the prompt, and the answer starts anew."""
        self._codes: dict[str, tuple[str, int]] = {}
        self.multilingual = hasattr(self.tokenizer, "src_lang")
        own = getattr(self.tokenizer, "src_lang", None)
        self._own = self._spoken = (own, getattr(self.tokenizer, "tgt_lang", None) or own)
        """What a multilingual tokenizer calls the languages of the texts."""
        self.model_type = parts.module.config.model_type
        self.bare = self.reads and self.model_type not in PREFIXED
        self.delimiter = "" if self.reads or self.style == "chat" else " "
        """What stands between prompt and answer."""
        if self.style == "chat" and not self.tokenizer.chat_template:
            raise ModelError(f"{self.name!r} has no chat template", "leave out --chat")

    def render(self, request: Prompted, shots: Sequence[Shot], text: str) -> str:
        """The prompt, without the answer.

        raises: InputError if the model takes a text alone, and there are shots
        """
        if self.style == "chat":
            return self._chat(request, shots, text)
        if self.bare:
            if shots:
                raise InputError(f"{self.name!r} takes the text alone, and can be shown no examples", "leave out --shots")
            return text
        if self.style == "raw":
            return raw(shots, text)
        source, target = (getattr(request, f"{side}_language", None) for side in ("source", "target"))
        if self.reads and not shots and source and target:
            return f"translate {language_name(source)} to {language_name(target)}: {text}"
        purpose = purpose_of(request)
        if self.reads and not shots and purpose:
            return f"{purpose}: {text}"
        return plain(request, shots, text)

    def _chat(self, request: Prompted, shots: Sequence[Shot], text: str) -> str:
        said = turns(request, shots, text)
        made: str = self.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return made

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids as a prompt has them: for an encoder with all special tokens, for a decoder without an end."""
        if not texts:
            return []
        self._tell_languages()
        # a chat template has its special tokens in it
        special = self.reads or self.style != "chat"
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=special, return_attention_mask=False)["input_ids"]
        eos = self.tokenizer.eos_token_id
        return rows if self.reads else [row[:-1] if special and row and row[-1] == eos else row for row in rows]

    def fit(self, requests: Sequence[Any], room: Sequence[int]) -> list[tuple[str, int]]:
        """For each request its prompt, at most `room` tokens of it, and how many tokens it lost.

        Shots go first, those in front before the others; then the text is cut at its left, or at its right under the policy
        `right`, and by itself if it is to be summarized: what comes first says most.

        raises: InputError under the policy `error`, or if no text would be left
        """
        whole = [self.render(r, r.shots, r.text) for r in requests]
        lengths = [len(row) for row in self.ids(whole)]
        return [
            (prompt, 0) if n <= most else self._shorten(r, n, most)
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
        text = request.text
        at_right = self.policy == "right" or (self.policy == "auto" and purpose_of(request) == "summarize")
        while text:
            prompt = self.render(request, (), text)
            n = len(self.ids([prompt])[0])
            if n <= room:
                return prompt, length - n
            surplus = max(1, len(text) * (n - room) // n)  # characters, about; never more than are there
            text = text[:-surplus] if at_right else text[surplus:]
        raise InputError(
            f"{self.name!r} takes {max(room, 0)} tokens here, and the instruction alone has more: {request.instruction[:80]!r}"
        )

    def continuations(self, prompts: Sequence[str], answers: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Token ids of each prompt and of the answer after it, as a decoder reads them on end.

        White space at the end of a prompt is counted to the answer, which most tokenizers would join to it.
        """
        heads = [p.rstrip() if self.style != "chat" else p for p in prompts]
        tails = [p[len(h) :] + self.delimiter + a for p, h, a in zip(prompts, heads, answers, strict=True)]
        starts = self.ids(heads)
        made = []
        for start, row in zip(starts, self.ids([h + t for h, t in zip(heads, tails, strict=True)]), strict=True):
            made.append((row[: len(start)], row[len(start) :]) if start else ([self.beginning], row))
        return made

    @property
    def beginning(self) -> int:
        """The token before a text that nothing precedes."""
        bos = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if bos is None else bos)

    def targets(self, answers: Sequence[str], start: int) -> list[tuple[list[int], int]]:
        """What a decoder behind an encoder reads and is to write: token ids with all special tokens, the end among them, and
        how many special tokens stand in front.

        start: the token from which the decoder starts; of the first mBART's it is the language, which its tokenizer puts last
        """
        self._tell_languages()
        batch = self.tokenizer(text_target=list(answers), return_attention_mask=False)["input_ids"]
        rows = [[row[-1], *row[:-1]] if self._language_last(row) else [start, *row] for row in batch]
        special = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        return [(row, next((i for i, t in enumerate(row[1:], 1) if t not in special), 1)) for row in rows]

    def _language_last(self, target: Sequence[int]) -> bool:
        """NLLB's old tokenizer has it there too, but its decoder starts with the end."""
        return self.model_type == "mbart" and len(target) > 1 and target[-2] == self.tokenizer.eos_token_id

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
        if self.targets([""], -1)[0][0][0] == token:
            return {"decoder_start_token_id": token, "forced_bos_token_id": None}
        return {"forced_bos_token_id": token}

    def _tell_languages(self) -> None:
        # a tokenizer may be that of several views, each with its own languages
        if self.multilingual:
            self.tokenizer.src_lang, self.tokenizer.tgt_lang = self._spoken
