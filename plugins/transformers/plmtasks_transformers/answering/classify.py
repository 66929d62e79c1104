"""Classify: a linear head over the whole text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

from ..checkpoints import DECODER, ENCODER, SEQUENCE_TO_SEQUENCE
from .loaded import Encoding, Loaded, Window, in_groups


class Classifier(Loaded):
    """Softmax over the labels, or a sigmoid for each where several may hold."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if getattr(self.config, "pad_token_id", None) is None:
            self.config.pad_token_id = self.pad_id  # for whoever pads what is saved

    def encode(self, requests: Sequence[Classify]) -> list[Encoding]:
        return in_groups(requests, (r.text_pair is None for r in requests), self._encoded)

    def _encoded(self, requests: Sequence[Classify]) -> list[Encoding]:
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
            Encoding([Window(np.array(ids or [self.pad_id], np.int32), np.array(types or [0], np.int32))], length - len(ids))
            for ids, types, length in zip(whole["input_ids"], whole["token_type_ids"], lengths, strict=True)
        ]

    def forward(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """returns: one logit a label of the checkpoint, (requests, labels), float32"""
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

    def compute(self, requests: Sequence[Classify], encodings: Sequence[Encoding]) -> list[Answer]:
        logits = self.forward(encodings).cpu()
        answers: list[Answer] = []
        for request, row in zip(requests, logits, strict=True):
            own = row[self.columns(request.labels)]
            scores = own.sigmoid() if request.multi_label else own.softmax(-1)
            answers.append(ClassifyAnswer(scores=tuple(scores.tolist())))
        return answers

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> tuple[torch.Tensor, float]:
        """Cross-entropy, or the mean over labels of the binary one; summed over requests, each by the weight of its label."""
        asked, solved = cast(Sequence[Classify], requests), cast(Sequence[ClassifyAnswer], answers)
        logits = self.forward(self.encodings(asked))
        columns = torch.tensor([self.columns(r.labels) for r in asked], device=logits.device)
        own = logits.gather(1, columns)
        wanted = torch.tensor([a.scores for a in solved], device=logits.device)
        weights = torch.tensor([self.class_weights(r.labels) for r in asked], device=logits.device)
        if asked[0].multi_label:
            smooth = wanted + self.smoothing * (0.5 - wanted)
            losses = functional.binary_cross_entropy_with_logits(own, smooth, reduction="none", pos_weight=weights)
            return losses.mean(-1).sum(), float(len(requests))
        smooth = wanted + self.smoothing * (1 / wanted.shape[1] - wanted)
        return functional.cross_entropy(own, smooth * weights, reduction="sum"), float((wanted * weights).sum())
