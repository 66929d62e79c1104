"""One linear head over the whole text: what classification and regression have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from plmtasks.requests import Classify, Regress

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from .loaded import Encoding, Loaded, Window, in_groups

Asked = Classify | Regress
"""What has a text, and perhaps a second one."""


class WholeText(Loaded):
    """The library's head for sequences over one text or a pair, unpadded, of the first token alone where that is enough."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if getattr(self.config, "pad_token_id", None) is None:
            self.config.pad_token_id = self.pad_id  # for whoever pads what is saved

    def encode(self, requests: Sequence[Asked]) -> list[Encoding]:
        return in_groups(requests, (r.text_pair is None for r in requests), self._encoded)

    def _encoded(self, requests: Sequence[Asked]) -> list[Encoding]:
        """requests: all with a second text, or none"""
        texts = [[r.text for r in requests]] + ([[r.text_pair for r in requests]] if requests[0].text_pair is not None else [])
        whole = self.tokenize(*texts, return_token_type_ids=True)
        lengths = [len(ids) for ids in whole["input_ids"]]
        long = [i for i, length in enumerate(lengths) if length > self.limit]
        if long and self.settings.truncation == "error":
            raise self.too_long(requests[long[0]].text, lengths[long[0]], self.limit)
        if long:
            some = [[side[i] for i in long] for side in texts]
            kept = self.tokenize(*some, truncation="longest_first", max_length=self.limit, return_token_type_ids=True)
            for name in ("input_ids", "token_type_ids"):
                for i, row in zip(long, kept[name], strict=True):
                    whole[name][i] = row
        return [
            Encoding([Window.of(ids or [self.pad_id], types or [0])], length - len(ids))
            for ids, types, length in zip(whole["input_ids"], whole["token_type_ids"], lengths, strict=True)
        ]

    def forward(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """returns: one logit a column of the head, (requests, columns), float32"""
        # a sequence-to-sequence head reads the last end of a text, and takes rows with as many ends alone
        counted = self.config.eos_token_id if self.parts.family == SEQUENCE_TO_SEQUENCE else None
        ends = [int((e.windows[0].ids == counted).sum()) if counted is not None else 0 for e in encodings]
        return torch.stack(in_groups(encodings, ends, self._logits)).float()

    def _logits(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        with self._padding(encodings) as pad:
            inputs = self.window_inputs(encodings, pad)
            with self.first_alone(inputs):
                logits: torch.Tensor = self.module(**inputs).logits
        return logits

    @contextmanager
    def _padding(self, encodings: Sequence[Encoding]) -> Iterator[int]:
        """The token that pads, which the model knows inside: by it a decoder finds the last token of a row, and a
        sequence-to-sequence head must not take it for an end. A text may spell the usual one."""
        if self.parts.family == ENCODER:
            yield self.pad_id
            return
        config = self.config.get_text_config()
        before = config.pad_token_id
        taken = {int(e.windows[0].ids[-1]) for e in encodings} if self.parts.family == DECODER else {config.eos_token_id}
        config.pad_token_id = next(i for i in (self.pad_id, *range(len(taken) + 1)) if i not in taken)
        try:
            yield config.pad_token_id
        finally:
            config.pad_token_id = before
