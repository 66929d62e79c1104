"""Exact prompts as tokens: those that lm-eval's HFLM makes of a text, and of what follows it."""

from collections.abc import Sequence

from plmtasks.errors import InputError

from ..checkpoints import SEQUENCE_TO_SEQUENCE, Parts, exact_limits

Halves = tuple[list[int], list[int]]
"""Token ids of a context, and of what follows it."""


class Exact:
    """Texts that are the whole prompt, for one model.

    source: lm-evaluation-harness 0.4.13: `TemplateLM._encode_pair` and `loglikelihood`; `HFLM.tok_encode`, `tok_batch_encode` and
    `prefix_token_id`. A test holds each to these.
    """

    def __init__(self, parts: Parts) -> None:
        self.name, self.tokenizer, self.policy = parts.name, parts.tokenizer, parts.settings.truncation
        self.reads = parts.family == SEQUENCE_TO_SEQUENCE
        """Whether an encoder reads the context, and what follows starts anew."""
        self.limit, self.written = exact_limits(parts)
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self.prefix: int | None = eos if bos is None else bos
        """Stands before a text that nothing precedes."""
        self._spelled = None if self.prefix is None else self.tokenizer.decode(self.prefix)

    def ids(self, texts: Sequence[str], special: bool | None = None) -> list[list[int]]:
        """Token ids, with the special tokens of the tokenizer or without.

        special: None: with them, unless the text begins with the first
        """
        return self._rows(texts, [not self._begins(t, self._spelled) if special is None else special for t in texts])

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """What a model goes on from that writes; nothing is cut."""
        first = None if self.reads else self.tokenizer.bos_token
        return self._rows(texts, [not self._begins(t, first) for t in texts])

    def halves(self, contexts: Sequence[str], continuations: Sequence[str]) -> list[Halves]:
        """Each continuation behind its context; white space at the end of the context is counted to the continuation.

        A decoder's are encoded as one text, and divided where the context alone would end.
        """
        heads = [c.rstrip() for c in contexts]
        tails = [c[len(h) :] + t for c, h, t in zip(contexts, heads, continuations, strict=True)]
        unlike = list(dict.fromkeys(h for h, c in zip(heads, contexts, strict=True) if c))
        starts = dict(zip(unlike, self.ids(unlike), strict=True))
        whole = [bool(c) and not self.reads for c in contexts]
        rows = iter(self.ids([h + t for h, t, w in zip(heads, tails, whole, strict=True) if w]))
        apart = iter(self.ids([t for t, w in zip(tails, whole, strict=True) if not w], special=False))
        made = []
        for head, context, w in zip(heads, contexts, whole, strict=True):
            if not context:
                made.append(self._from_nothing(next(apart)))
            else:
                start = starts[head]
                own = next(rows)[len(start) :] if w else next(apart)
                made.append((start or [self._first], own))
        return made

    def whole(self, texts: Sequence[str]) -> list[Halves]:
        """Whole texts, of which every token is scored, behind the token before a text."""
        return [([self._first], ids) for ids in self.ids(texts)]

    def cut(self, ids: list[int], room: int, text: str) -> tuple[list[int], int]:
        """The last `room` tokens, and how many went.

        raises: InputError under the policy `error`
        """
        lost = max(0, len(ids) - room)
        if lost and self.policy == "error":
            raise InputError(
                f"a prompt has {len(ids)} tokens, {self.name!r} takes {room}: {' '.join(text.split()[:8])[:80]!r} …",
                f"the limit: {self.limit.told}",
                "--truncation auto, left or skip says what is to happen to it",
            )
        return ids[lost:], lost

    def _from_nothing(self, own: list[int]) -> Halves:
        return (own[:1], own[1:]) if own and own[0] == self.prefix else ([self._first], own)

    @property
    def _first(self) -> int:
        if self.prefix is None:
            raise InputError(f"the tokenizer of {self.name!r} has no token for the beginning or the end of a text")
        return self.prefix

    def _rows(self, texts: Sequence[str], special: Sequence[bool]) -> list[list[int]]:
        rows: dict[int, list[int]] = {}
        for added in (True, False):
            places = [i for i, s in enumerate(special) if s == added]
            if places:
                some = self.tokenizer([texts[i] for i in places], add_special_tokens=added, return_attention_mask=False)
                rows.update(zip(places, some["input_ids"], strict=True))
        return [rows[i] for i in range(len(texts))]

    @staticmethod
    def _begins(text: str, first: str | None) -> bool:
        return first is not None and text.startswith(first)
